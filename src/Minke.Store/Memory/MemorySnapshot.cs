namespace Minke.Store.Memory;

/// <summary>A snapshot is a revision and the map of that moment.</summary>
internal sealed class MemorySnapshot(Revision revision, EntryMap map) : Snapshot
{
    public override Revision Revision { get; } = revision;
    public EntryMap Map { get; } = map;

    public override Entry? Get(string key) => Map.Get(key);

    public override IEnumerable<Entry> Range(string prefix, string? startAfter = null) =>
        Map.From(Start(prefix, startAfter)).TakeWhile(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal));

    public override int Count(string prefix, string? startAfter = null)
    {
        var end = End(prefix) is { } after ? Map.CountBefore(after) : Map.Count;
        return Math.Max(0, end - Map.CountBefore(Start(prefix, startAfter)));
    }

    // Appending the smallest character gives the very next key after a given one.
    private static string Start(string prefix, string? startAfter) =>
        startAfter is null || string.CompareOrdinal(startAfter, prefix) < 0 ? prefix : startAfter + '\0';

    /// <summary>The first string after all that begin with the prefix; null when there is none.</summary>
    private static string? End(string prefix)
    {
        var length = prefix.Length;
        while (length > 0 && prefix[length - 1] == char.MaxValue)
            length--;
        return length == 0 ? null : prefix[..(length - 1)] + (char)(prefix[length - 1] + 1);
    }
}
