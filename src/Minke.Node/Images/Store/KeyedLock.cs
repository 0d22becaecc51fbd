namespace Minke.Node.Images.Store;

/// <summary>A lock for each key, for work that must happen once however many ask: the second waits and finds it done.</summary>
internal sealed class KeyedLock
{
    private readonly Lock _lock = new(); // guards _entries and the counts in it
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    public async Task<IDisposable> EnterAsync(string key, CancellationToken cancellationToken)
    {
        Entry? entry;
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out entry))
                _entries[key] = entry = new Entry();
            entry.Users++;
        }
        try
        {
            await entry.Gate.WaitAsync(cancellationToken);
        }
        catch
        {
            Leave(key, entry, held: false);
            throw;
        }
        return new Holder(this, key, entry);
    }

    private void Leave(string key, Entry entry, bool held)
    {
        if (held)
            entry.Gate.Release();
        lock (_lock)
        {
            if (--entry.Users > 0)
                return;
            _entries.Remove(key);
        }
        entry.Dispose();
    }

    private sealed class Entry : IDisposable
    {
        public readonly SemaphoreSlim Gate = new(1);
        public int Users;

        public void Dispose() => Gate.Dispose();
    }

    private sealed class Holder(KeyedLock owner, string key, Entry entry) : IDisposable
    {
        private Entry? _entry = entry;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _entry, null) is { } held)
                owner.Leave(key, held, held: true);
        }
    }
}
