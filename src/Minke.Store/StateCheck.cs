using Minke.Store.Log;

namespace Minke.Store;

/// <summary>What a check of a state has found.</summary>
/// <param name="Revision">The counter.</param>
/// <param name="Entries">As they can be read, opened where they lie sealed.</param>
/// <param name="Problems">In words; none when all is well.</param>
public sealed record StateCheck(Revision Revision, IReadOnlyList<Entry> Entries, IReadOnlyList<string> Problems)
{
    /// <summary>Of a log that no store has open, and that was not loaded.</summary>
    /// <exception cref="StoreUnavailableException">The disk cannot be read.</exception>
    public static async Task<StateCheck> OfAsync(IStateLog log)
    {
        try
        {
            var (contents, problems) = await log.CheckAsync();
            return new(contents.Revision, contents.Entries, problems);
        }
        catch (StoreCorruptException exception)
        {
            return new(Revision.None, [], [exception.Message]);
        }
    }

    /// <summary>Of what a log holds and what memory says it must hold.</summary>
    internal static StateCheck Of(LogCheck stored, Snapshot memory)
    {
        var problems = new List<string>(stored.Problems);
        if (stored.Contents.Revision != memory.Revision)
            problems.Add($"the disk is at revision {stored.Contents.Revision}, and memory at {memory.Revision}");
        var missing = memory.Range("").ToDictionary(entry => entry.Key, StringComparer.Ordinal);
        foreach (var entry in stored.Contents.Entries)
        {
            if (!missing.Remove(entry.Key, out var known))
                problems.Add($"{entry.Key} is on the disk and not in memory");
            else if (known.Modified != entry.Modified || known.Created != entry.Created)
                problems.Add($"{entry.Key} is at revision {entry.Modified} on the disk, and at {known.Modified} in memory");
            else if (!known.Value.Span.SequenceEqual(entry.Value.Span))
                problems.Add($"{entry.Key} is another on the disk than in memory");
        }
        problems.AddRange(missing.Keys.Order(StringComparer.Ordinal).Select(key => $"{key} is in memory and not on the disk"));
        return new(stored.Contents.Revision, stored.Contents.Entries, problems);
    }
}

/// <param name="Revision">The oldest revision that can still be asked for.</param>
/// <param name="ForgottenChanges">Of the past, which memory no longer holds.</param>
/// <param name="FreedBytes">On the disk.</param>
/// <param name="SizeBytes">What the state takes on the disk now.</param>
public readonly record struct Compaction(Revision Revision, int ForgottenChanges, long FreedBytes, long SizeBytes);
