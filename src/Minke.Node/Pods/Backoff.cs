namespace Minke.Node.Pods;

/// <summary>
/// Exponential delays by key, as client-go's flowcontrol.Backoff keeps them: doubled by each <see cref="Next"/>, forgotten once
/// all was well for twice the longest delay. One owner at a time.
/// </summary>
internal sealed class Backoff(TimeProvider time, TimeSpan initial, TimeSpan max)
{
    /// <summary>The kubelet's for crashing containers and failing pulls.</summary>
    public static Backoff ForContainers(TimeProvider time) => new(time, TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(5));

    private readonly Dictionary<string, (TimeSpan Delay, DateTimeOffset UpdatedAt)> _entries = new(StringComparer.Ordinal);

    public TimeSpan Get(string key) => _entries.TryGetValue(key, out var entry) ? entry.Delay : TimeSpan.Zero;

    /// <summary>When a key that failed at <paramref name="since"/> may be tried again; null for now.</summary>
    public DateTimeOffset? WaitsUntil(string key, DateTimeOffset since)
    {
        if (!_entries.TryGetValue(key, out var entry) || HasExpired(since, entry.UpdatedAt))
            return null;
        var until = since + entry.Delay;
        return until > time.GetUtcNow() ? until : null;
    }

    /// <summary>The same, counted from the last <see cref="Next"/>.</summary>
    public DateTimeOffset? WaitsUntil(string key)
    {
        var now = time.GetUtcNow();
        if (!_entries.TryGetValue(key, out var entry) || HasExpired(now, entry.UpdatedAt))
            return null;
        var until = entry.UpdatedAt + entry.Delay;
        return until > now ? until : null;
    }

    /// <summary>Counts a failure at <paramref name="at"/>: the delay begins, or doubles.</summary>
    public TimeSpan Next(string key, DateTimeOffset at)
    {
        var delay = !_entries.TryGetValue(key, out var entry) || HasExpired(at, entry.UpdatedAt)
            ? initial
            : entry.Delay * 2 < max ? entry.Delay * 2 : max;
        _entries[key] = (delay, time.GetUtcNow());
        return delay;
    }

    public void Reset(string key) => _entries.Remove(key);

    private bool HasExpired(DateTimeOffset at, DateTimeOffset updatedAt) => at - updatedAt > max * 2;
}
