namespace Minke.Store.Log.Sealing;

/// <summary>
/// A log that seals the values below some prefixes: memory has them plain, the disk never does. What is found plain, or sealed with an
/// older key, is sealed anew when the log is opened.
/// </summary>
public sealed class SealedLog(IStateLog inner, SealingKeys keys, IReadOnlyList<string> prefixes) : IStateLog
{
    public CompactionNeed CompactionNeed => inner.CompactionNeed;

    public async ValueTask<LogContents> LoadAsync()
    {
        var (revision, entries) = await inner.LoadAsync();
        var stale = new List<Entry>();
        var wasPlain = false;
        for (var i = 0; i < entries.Count; i++)
        {
            var stored = entries[i];
            if (!IsSealed(stored.Key))
                continue;
            var value = SealedValue.Open(stored.Key, stored.Value.Span, keys, out var isCurrent);
            wasPlain |= value is null;
            entries[i] = new(stored.Key, value ?? stored.Value, stored.Created, stored.Modified);
            if (!isCurrent)
                stale.Add(Seal(entries[i]));
        }
        if (stale.Count > 0)
            await inner.RewriteAsync(stale, leavesNoTrace: wasPlain);
        return new(revision, entries);
    }

    public ValueTask AppendAsync(IReadOnlyList<Change> changes)
    {
        for (var i = 0; i < changes.Count; i++)
        {
            if (IsSealed(changes[i].Key))
                return inner.AppendAsync([.. changes.Select(Sealed)]);
        }
        return inner.AppendAsync(changes);
    }

    public ValueTask RewriteAsync(IReadOnlyList<Entry> entries, bool leavesNoTrace) =>
        inner.RewriteAsync([.. entries.Select(entry => IsSealed(entry.Key) ? Seal(entry) : entry)], leavesNoTrace);

    public ValueTask CompactAsync() => inner.CompactAsync();

    public ValueTask<bool> ShrinkAsync() => inner.ShrinkAsync();

    public long SizeBytes => inner.SizeBytes;

    public Entry AsStored(Entry entry) => inner.AsStored(IsSealed(entry.Key) ? Seal(entry) : entry);

    public async ValueTask<LogCheck> CheckAsync()
    {
        var (contents, found) = await inner.CheckAsync();
        var problems = new List<string>(found);
        for (var i = 0; i < contents.Entries.Count; i++)
        {
            var stored = contents.Entries[i];
            if (!IsSealed(stored.Key))
                continue;
            try
            {
                if (SealedValue.Open(stored.Key, stored.Value.Span, keys, out _) is { } value)
                    contents.Entries[i] = new(stored.Key, value, stored.Created, stored.Modified);
                else
                    problems.Add($"{stored.Key} is not sealed: the next start seals it");
            }
            catch (StoreCorruptException exception)
            {
                problems.Add(exception.Message);
            }
        }
        return new(contents, problems);
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    // What was there before may have to be written again, when a commit is taken back.
    private Change Sealed(Change change) => IsSealed(change.Key)
        ? change with { Previous = change.Previous is null ? null : Seal(change.Previous), Current = change.Current is null ? null : Seal(change.Current) }
        : change;

    private Entry Seal(Entry entry) => new(entry.Key, SealedValue.Seal(entry.Key, entry.Value.Span, keys), entry.Created, entry.Modified);

    private bool IsSealed(string key)
    {
        foreach (var prefix in prefixes)
        {
            if (key.StartsWith(prefix, StringComparison.Ordinal))
                return true;
        }
        return false;
    }
}
