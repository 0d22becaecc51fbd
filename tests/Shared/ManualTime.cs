namespace Minke.TestSupport;

/// <summary>A clock that a test moves. Its wall clock may jump; the time that passes does not.</summary>
internal sealed class ManualTime(DateTimeOffset? start = null) : TimeProvider
{
    private readonly Lock _gate = new(); // guards what follows
    private readonly List<ManualTimer> _timers = [];
    private TimeSpan _passed;
    private DateTimeOffset _utc = start ?? new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>How many are waiting.</summary>
    public int Timers
    {
        get
        {
            lock (_gate)
                return _timers.Count;
        }
    }

    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate)
            return _utc;
    }

    public override long GetTimestamp()
    {
        lock (_gate)
            return _passed.Ticks;
    }

    public void SetWallClock(DateTimeOffset utc)
    {
        lock (_gate)
            _utc = utc;
    }

    /// <summary>Timers fire on this thread, in order of their due times.</summary>
    public void Advance(TimeSpan by)
    {
        TimeSpan until;
        lock (_gate)
            until = _passed + by;
        while (true)
        {
            ManualTimer? next;
            lock (_gate)
            {
                next = _timers.Where(timer => timer.DueAt <= until).MinBy(timer => timer.DueAt);
                var now = next?.DueAt ?? until;
                _utc += now - _passed;
                _passed = now;
                if (next is not null)
                    _timers.Remove(next);
            }
            if (next is null)
                return;
            next.Fire();
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class ManualTimer(ManualTime clock, TimerCallback callback, object? state) : ITimer
    {
        public TimeSpan DueAt { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._gate)
            {
                clock._timers.Remove(this);
                if (dueTime == Timeout.InfiniteTimeSpan)
                    return true;
                DueAt = clock._passed + dueTime;
                clock._timers.Add(this);
            }
            return true;
        }

        public void Fire() => callback(state);

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
