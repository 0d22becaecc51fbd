using System.Threading.Channels;
using Microsoft.Win32.SafeHandles;
using Minke.Node.Linux;

namespace Minke.Node.Network;

/// <summary>
/// A thread of its own for work in network namespaces: a pooled thread that changed its namespace would take it along to whatever
/// runs on it next. Work runs one at a time, in order, and must not await.
/// </summary>
internal sealed class NamespaceThread : IAsyncDisposable
{
    private const int QueueBound = 4096;

    private readonly Channel<Action> _queue = Channel.CreateBounded<Action>(
        new BoundedChannelOptions(QueueBound) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SafeFileHandle _home;

    /// <param name="name">Seen in <c>ps -T</c>; at most 15 bytes.</param>
    /// <param name="homePath">The namespace work runs in unless it enters another; null for the caller's.</param>
    internal NamespaceThread(string name, string? homePath = null)
    {
        _home = homePath is null ? NetworkNamespace.OpenCurrent() : NetworkNamespace.Open(homePath);
        new Thread(Run) { IsBackground = true, Name = name }.Start();
    }

    /// <summary>Runs work in the home namespace, wherever it leaves the thread.</summary>
    internal async Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken = default)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        await _queue.Writer.WriteAsync(
            () =>
            {
                if (cancellationToken.IsCancellationRequested)
                {
                    done.SetCanceled(cancellationToken);
                    return;
                }
                try
                {
                    done.SetResult(work());
                }
                catch (Exception exception) when (exception is not OutOfMemoryException)
                {
                    done.SetException(exception);
                }
            },
            cancellationToken);
        return await done.Task;
    }

    internal Task RunAsync(Action work, CancellationToken cancellationToken = default) =>
        RunAsync(
            () =>
            {
                work();
                return true;
            },
            cancellationToken);

    /// <summary>Runs work in the namespace pinned at <paramref name="path"/>.</summary>
    internal Task<T> RunInAsync<T>(string path, Func<T> work, CancellationToken cancellationToken = default) =>
        RunAsync(
            () =>
            {
                using var target = NetworkNamespace.Open(path);
                NetworkNamespace.Enter(target);
                return work();
            },
            cancellationToken);

    /// <summary>Ends the thread once the work it was given is done.</summary>
    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _ended.Task;
        _home.Dispose();
    }

    private void Run()
    {
        try
        {
            NetworkNamespace.Enter(_home);
            var reader = _queue.Reader;
            while (WaitToRead(reader))
            {
                while (reader.TryRead(out var work))
                {
                    work();
                    NetworkNamespace.Enter(_home);
                }
            }
            _ended.SetResult();
        }
        catch (LinuxException failure)
        {
            // Without its namespace the thread can do no work: whoever waits must hear of it.
            _ended.SetException(failure);
            _queue.Writer.TryComplete(failure);
        }
    }

    // The thread is there to block: it is what makes it its own.
    private static bool WaitToRead(ChannelReader<Action> reader)
    {
        var waiting = reader.WaitToReadAsync();
        return waiting.IsCompletedSuccessfully ? waiting.Result : waiting.AsTask().GetAwaiter().GetResult();
    }
}
