using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Minke.Api;

namespace Minke.Client;

/// <summary>Brings actual state one step closer to desired. Gets a key and no hint of what changed.</summary>
public interface IReconciler
{
    Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken);
}

/// <summary>Whether to look at a key again by itself.</summary>
public readonly record struct Requeue(TimeSpan? Delay)
{
    public static Requeue Never => default;
    public static Requeue After(TimeSpan delay) => new(delay);
}

/// <summary>
/// Keys waiting to be reconciled. A key waits once however often it is added, and is never worked on twice at a time; a failure
/// comes again with exponential back-off.
/// </summary>
public sealed partial class ReconcileLoop(string name, IReconciler reconciler, TimeProvider time, ILogger logger, int workers = 1)
{
    private static readonly TimeSpan MinBackoff = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan MaxBackoff = TimeSpan.FromMinutes(5);

    // Timers count in 32 bits of milliseconds. A key that is due later is looked at sooner, and asks again.
    private static readonly TimeSpan MaxDelay = TimeSpan.FromDays(30);

    private enum KeyState { Waiting, Working, WorkingAndDirty }

    private readonly Channel<ObjectKey> _ready = Channel.CreateUnbounded<ObjectKey>();
    private readonly Lock _lock = new();
    // Both guarded by _lock. Bounded by the number of keys, as each waits once.
    private readonly Dictionary<ObjectKey, KeyState> _states = [];
    private readonly Dictionary<ObjectKey, int> _failures = [];

    public void Enqueue(ObjectKey key)
    {
        lock (_lock)
        {
            if (_states.TryGetValue(key, out var state))
            {
                if (state == KeyState.Working)
                    _states[key] = KeyState.WorkingAndDirty;
                return;
            }
            _states[key] = KeyState.Waiting;
        }
        _ready.Writer.TryWrite(key);
    }

    public async Task RunAsync(CancellationToken cancellationToken) =>
        await Task.WhenAll(Enumerable.Range(0, workers).Select(_ => WorkAsync(cancellationToken)));

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var key in _ready.Reader.ReadAllAsync(cancellationToken))
            {
                lock (_lock)
                    _states[key] = KeyState.Working;
                var again = await ReconcileAsync(key, cancellationToken);
                Done(key);
                if (again is { } delay)
                    EnqueueLater(key, delay, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    private async Task<TimeSpan?> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        try
        {
            var requeue = await reconciler.ReconcileAsync(key, cancellationToken);
            lock (_lock)
                _failures.Remove(key);
            return requeue.Delay;
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            int failures;
            lock (_lock)
                failures = _failures[key] = _failures.GetValueOrDefault(key) + 1;
            var delay = MinBackoff * Math.Pow(2, Math.Min(failures - 1, 16));
            delay = delay < MaxBackoff ? delay : MaxBackoff;
            // A conflict only says that the cache lags; the watch brings the newer object.
            if (e is StatusException { Code: 409 })
                LogConflict(name, key, e.Message);
            else
                LogFailed(e, name, key, failures);
            return delay;
        }
    }

    private void Done(ObjectKey key)
    {
        lock (_lock)
        {
            if (_states.Remove(key, out var state) && state == KeyState.WorkingAndDirty)
            {
                _states[key] = KeyState.Waiting;
                _ready.Writer.TryWrite(key);
            }
        }
    }

    private void EnqueueLater(ObjectKey key, TimeSpan delay, CancellationToken cancellationToken)
    {
        ITimer? timer = null;
        timer = time.CreateTimer(_ =>
        {
            timer?.Dispose();
            if (!cancellationToken.IsCancellationRequested)
                Enqueue(key);
        }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        timer.Change(delay < MaxDelay ? delay : MaxDelay, Timeout.InfiniteTimeSpan);
    }

    [LoggerMessage(LogLevel.Error, "{Loop}: {Key} failed {Failures} times")]
    private partial void LogFailed(Exception exception, string loop, ObjectKey key, int failures);

    [LoggerMessage(LogLevel.Debug, "{Loop}: {Key} again: {Error}")]
    private partial void LogConflict(string loop, ObjectKey key, string error);
}
