namespace Minke.Server.Admission;

/// <summary>
/// Which quotas were charged for writes that are not in the store yet, or were not when somebody may have counted last. Until that is settled
/// nobody may say that less is used. Thread-safe.
/// </summary>
internal sealed class QuotaLedger
{
    private readonly Lock _lock = new();
    // Both guarded by _lock.
    private readonly Dictionary<string, int> _underway = new(StringComparer.Ordinal);
    private readonly HashSet<string> _ended = new(StringComparer.Ordinal);

    /// <summary>Before a charge can be seen.</summary>
    public void Begin(string quota)
    {
        lock (_lock)
            _underway[quota] = _underway.GetValueOrDefault(quota) + 1;
    }

    /// <summary>What was charged for is in the store, or was given back.</summary>
    public void End(string quota)
    {
        lock (_lock)
        {
            if (--_underway[quota] == 0)
                _underway.Remove(quota);
            _ended.Add(quota);
        }
    }

    /// <summary>Whether somebody who has counted may have missed a write. Those that had ended by now are in the next count.</summary>
    public bool MayHaveMissed(string quota)
    {
        lock (_lock)
            return _underway.ContainsKey(quota) || _ended.Remove(quota);
    }
}
