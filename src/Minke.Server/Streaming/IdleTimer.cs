namespace Minke.Server.Streaming;

/// <summary>Calls back once when nothing has been touched for a while. Touching costs one store, so every frame may do it.</summary>
internal sealed class IdleTimer : IAsyncDisposable
{
    private readonly TimeProvider _time;
    private readonly TimeSpan _limit;
    private readonly Action _idle;
    private readonly ITimer _timer;
    private long _touched;

    public IdleTimer(TimeProvider time, TimeSpan limit, Action idle)
    {
        _time = time;
        _limit = limit;
        _idle = idle;
        _touched = time.GetTimestamp();
        _timer = time.CreateTimer(static self => ((IdleTimer)self!).Check(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(limit, Timeout.InfiniteTimeSpan);
    }

    public void Touch() => Volatile.Write(ref _touched, _time.GetTimestamp());

    /// <summary>Waits for a call back that is under way.</summary>
    public ValueTask DisposeAsync() => _timer.DisposeAsync();

    private void Check()
    {
        var left = _limit - _time.GetElapsedTime(Volatile.Read(ref _touched));
        if (left <= TimeSpan.Zero)
            _idle();
        else
            _timer.Change(left, Timeout.InfiniteTimeSpan);
    }
}
