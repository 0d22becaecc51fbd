using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Minke.Node.Network;

/// <summary>
/// Keeps namespaces ready, so that a pod's start does not wait for the kernel to make one. Whoever finds none ready waits for the
/// next, first come first served.
/// </summary>
/// <param name="make">Makes one; null when no address is free.</param>
/// <param name="size">How many to keep ready.</param>
internal sealed partial class NamespacePool(
    Func<CancellationToken, Task<PreparedNamespace?>> make, int size, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    /// <summary>Guards the two queues; one of them is always empty.</summary>
    private readonly Lock _gate = new();
    private readonly Queue<PreparedNamespace> _ready = new();
    private readonly Queue<TaskCompletionSource<PreparedNamespace>> _waiting = new();

    /// <summary>Says "look again"; saying it twice is saying it once.</summary>
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <exception cref="AddressesExhaustedException">Every address of the range is taken.</exception>
    /// <exception cref="Linux.LinuxException">The kernel refused to make one.</exception>
    internal async Task<PreparedNamespace> TakeAsync(CancellationToken cancellationToken)
    {
        var turn = new TaskCompletionSource<PreparedNamespace>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_ready.TryDequeue(out var prepared))
                turn.SetResult(prepared);
            else
                _waiting.Enqueue(turn);
        }
        _wake.Writer.TryWrite(true);
        await using var registration = cancellationToken.Register(() => turn.TrySetCanceled(cancellationToken));
        return await turn.Task;
    }

    /// <summary>An address has become free.</summary>
    internal void AddressFreed() => _wake.Writer.TryWrite(true);

    /// <summary>Gives back one that was taken and not used, or adds one.</summary>
    internal void Put(PreparedNamespace prepared)
    {
        lock (_gate)
        {
            while (_waiting.TryDequeue(out var turn))
            {
                if (turn.TrySetResult(prepared))
                    return;
            }
            _ready.Enqueue(prepared);
        }
    }

    /// <summary>Fills the pool until cancelled; then fails whoever waits and returns what is left, to be taken down.</summary>
    internal async Task<IReadOnlyList<PreparedNamespace>> RunAsync(CancellationToken cancellationToken)
    {
        var delay = FirstDelay;
        try
        {
            while (true)
            {
                if (!IsWanted())
                {
                    await _wake.Reader.ReadAsync(cancellationToken);
                    continue;
                }
                try
                {
                    var prepared = await make(cancellationToken);
                    if (prepared is not null)
                    {
                        delay = FirstDelay;
                        Put(prepared);
                        continue;
                    }
                    FailWaiting(new AddressesExhaustedException());
                    await _wake.Reader.ReadAsync(cancellationToken);
                }
                catch (IOException exception)
                {
                    LogMakeFailed(exception, delay);
                    FailWaiting(exception);

                    // Somebody who asks is worth another try at once; otherwise later and later.
                    await WaitAsync(delay, cancellationToken);
                    delay = delay * 2 < LongestDelay ? delay * 2 : LongestDelay;
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            FailWaiting(new OperationCanceledException("the pod network is closing", cancellationToken));
            lock (_gate)
            {
                IReadOnlyList<PreparedNamespace> rest = [.. _ready];
                _ready.Clear();
                return rest;
            }
        }
    }

    private bool IsWanted()
    {
        lock (_gate)
            return _waiting.Count > 0 || _ready.Count < size;
    }

    private void FailWaiting(Exception exception)
    {
        lock (_gate)
        {
            while (_waiting.TryDequeue(out var turn))
                turn.TrySetException(exception);
        }
    }

    private async Task WaitAsync(TimeSpan delay, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var woken = _wake.Reader.ReadAsync(either.Token).AsTask();
        await Task.WhenAny(woken, Task.Delay(delay, time, either.Token));
        await either.CancelAsync();
        await Task.WhenAny(woken);
        cancellationToken.ThrowIfCancellationRequested();
    }

    [LoggerMessage(LogLevel.Warning, "Network namespace could not be prepared; next try in {Delay}")]
    private partial void LogMakeFailed(Exception exception, TimeSpan delay);
}

/// <summary>Every address of the node's range belongs to a pod.</summary>
internal sealed class AddressesExhaustedException : Exception;
