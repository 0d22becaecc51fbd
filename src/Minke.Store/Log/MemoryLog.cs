namespace Minke.Store.Log;

/// <summary>A log without a disk: for tests and simulation, and for a cluster that is meant to end with its process.</summary>
public sealed class MemoryLog : IStateLog
{
    private readonly SortedDictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private Revision _revision = new(1);

    public CompactionNeed CompactionNeed => CompactionNeed.None;

    public ValueTask<LogContents> LoadAsync() => new(new LogContents(_revision, [.. _entries.Values]));

    public ValueTask AppendAsync(IReadOnlyList<Change> changes)
    {
        foreach (var change in changes)
        {
            if (change.Current is { } entry)
                _entries[change.Key] = entry;
            else
                _entries.Remove(change.Key);
            _revision = change.Revision;
        }
        return ValueTask.CompletedTask;
    }

    public ValueTask RewriteAsync(IReadOnlyList<Entry> entries, bool leavesNoTrace)
    {
        foreach (var entry in entries)
            _entries[entry.Key] = entry;
        return ValueTask.CompletedTask;
    }

    public ValueTask CompactAsync() => ValueTask.CompletedTask;

    public ValueTask<bool> ShrinkAsync() => new(false);

    public long SizeBytes => 0;

    public Entry AsStored(Entry entry) => entry;

    public ValueTask<LogCheck> CheckAsync() => new(new LogCheck(new LogContents(_revision, [.. _entries.Values]), []));

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
