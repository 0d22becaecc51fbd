namespace Minke;

/// <summary>
/// Gives a burst's memory back to the machine once it is over. The collector keeps what it got for the next burst, which on a quiet cluster
/// may be days away. Nothing is polled: a collection starts the timer, the next one starts it anew, and a process that allocates nothing does nothing.
/// </summary>
internal sealed class MemoryTrim : IDisposable
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(3);

    private readonly ITimer _timer;
    private volatile bool _isStopped;
    private int _seen = -1;

    public MemoryTrim(TimeProvider clock)
    {
        _timer = clock.CreateTimer(static state => ((MemoryTrim)state!).Trim(), this, Quiet, Timeout.InfiniteTimeSpan);
        Notice.Leave(this);
    }

    public void Dispose()
    {
        _isStopped = true;
        _timer.Dispose();
    }

    private void Trim()
    {
        if (GC.CollectionCount(0) == _seen)
            return; // Only our own since the last time.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        _seen = GC.CollectionCount(0);
    }

    /// <summary>Garbage from the beginning, so its finalizer tells of the next collection.</summary>
    private sealed class Notice
    {
        private readonly MemoryTrim _trim;

        private Notice(MemoryTrim trim) => _trim = trim;

        ~Notice()
        {
            if (_trim._isStopped)
                return;
            _trim._timer.Change(Quiet, Timeout.InfiniteTimeSpan);
            Leave(_trim);
        }

        public static void Leave(MemoryTrim trim) => _ = new Notice(trim);
    }
}
