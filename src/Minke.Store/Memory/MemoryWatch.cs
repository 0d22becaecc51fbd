using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Minke.Store.Memory;

/// <summary>A place on its group's chain of changes, and at most one reader waiting for the next link.</summary>
internal sealed class MemoryWatch(StateMemory memory, WatchGroup group, MissedChanges missed, TimeProvider time)
    : StateWatch, IValueTaskSource
{
    private const int BatchAtMost = 512;

    private enum State { Idle, Waiting, TooSlow, Closed }

    private readonly Lock _gate = new(); // guards what follows
    private State _state;
    private ChangeLink? _at = group.Tail; // the last link that was read; null once the watch has ended
    private List<Change>? _missed = missed.Changes.Count > 0 ? missed.Changes : null;
    private int _missedRead;
    private readonly Revision _missedThrough = missed.Through;
    private ManualResetValueTaskSourceCore<bool> _signal = new() { RunContinuationsAsynchronously = true };
    private ITimer? _timer;

    public WatchGroup Group { get; } = group;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<ChangeBatch> ReadAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ChangeBatch batch;
        while (TryRead(atMost, out batch) is { } wait)
        {
            using (cancellationToken.UnsafeRegister(static watch => ((MemoryWatch)watch!).Wake(), this))
                await wait;
            cancellationToken.ThrowIfCancellationRequested();
            // Only without a deadline can an empty batch be nothing but an old timer's last call.
            if (atMost != Timeout.InfiniteTimeSpan)
                atMost = TimeSpan.Zero;
        }
        return batch;
    }

    /// <summary>
    /// Whether the chain has grown for a waiting reader; it must be woken then. A reader that is too far behind is cut off, so that
    /// it does not keep the chain alive.
    /// </summary>
    public bool Advance(StateStoreOptions options)
    {
        lock (_gate)
        {
            if (_state == State.Waiting)
                return true;
            if (_state == State.Idle
                && (Group.Tail.ChangesBefore - _at!.ChangesBefore > options.WatchLagAtMost
                    || Group.Tail.BytesBefore - _at.BytesBefore > options.WatchLagBytes))
            {
                _state = State.TooSlow;
                _at = null;
                _missed = null;
            }
            return false;
        }
    }

    /// <summary>Lets a waiting reader look again: for changes, the end of the watch, its deadline or its cancellation.</summary>
    public void Wake()
    {
        lock (_gate)
        {
            if (_state != State.Waiting)
                return;
            _state = State.Idle;
        }
        _signal.SetResult(true);
    }

    public override void Dispose()
    {
        bool wasWaiting;
        lock (_gate)
        {
            if (_state == State.Closed)
                return;
            wasWaiting = _state == State.Waiting;
            _state = State.Closed;
            _at = null;
            _missed = null;
            _timer?.Dispose();
        }
        memory.Leave(this);
        if (wasWaiting)
            _signal.SetResult(true);
    }

    /// <summary>A batch, or what to wait for when there is none and time is left.</summary>
    private ValueTask? TryRead(TimeSpan atMost, out ChangeBatch batch)
    {
        lock (_gate)
        {
            if (_state == State.TooSlow)
                throw new WatchTooSlowException($"the watch of {Group.Prefix} has fallen too far behind: list again");
            ObjectDisposedException.ThrowIf(_state == State.Closed, this);
            Invariant.That(_state != State.Waiting, "two readers on one watch");
            if (TakeMissed(out batch))
                return null;
            // Read before the chain: every change up to here is linked already, so finding none proves there is none.
            var published = memory.Published;
            if (_at!.Next is { } link)
            {
                batch = TakeLinks(link);
                return null;
            }
            // A link can be read a moment before its commit is noted as published.
            batch = new ChangeBatch([], published > _at.Revision ? published : _at.Revision);
            if (atMost == TimeSpan.Zero)
                return null;
            _signal.Reset();
            _state = State.Waiting;
            if (atMost != Timeout.InfiniteTimeSpan || _timer is not null)
            {
                _timer ??= time.CreateTimer(static watch => ((MemoryWatch)watch!).Wake(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                // A timer left from an earlier wait at worst ends this one early, with an empty batch.
                _timer.Change(atMost, Timeout.InfiniteTimeSpan);
            }
            return new ValueTask(this, _signal.Version);
        }
    }

    /// <summary>Who has fallen behind reads several commits at once, and writes what they hold at once.</summary>
    private ChangeBatch TakeLinks(ChangeLink link)
    {
        IReadOnlyList<Change> changes = link.Changes;
        if (link.Next is not null && changes.Count < BatchAtMost)
        {
            var several = new List<Change>(changes);
            for (; link.Next is { } next && several.Count < BatchAtMost; link = next)
                several.AddRange(next.Changes);
            changes = several;
        }
        _at = link;
        return new ChangeBatch(changes, link.Revision);
    }

    private bool TakeMissed(out ChangeBatch batch)
    {
        batch = default;
        if (_missed is not { } all)
            return false;
        var count = Math.Min(BatchAtMost, all.Count - _missedRead);
        var changes = all.GetRange(_missedRead, count);
        _missedRead += count;
        var isLast = _missedRead == all.Count;
        batch = new ChangeBatch(changes, isLast ? _missedThrough : changes[^1].Revision);
        if (isLast)
            _missed = null;
        return true;
    }

    void IValueTaskSource.GetResult(short token) => _signal.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _signal.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _signal.OnCompleted(continuation, state, token, flags);
}
