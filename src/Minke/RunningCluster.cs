using Minke.Cli.Clusters;
using Minke.Cli.Kubeconfigs;

namespace Minke;

/// <summary>The parts of a started cluster: what runs ends, then what is owned closes, last made first.</summary>
internal sealed class RunningCluster(string nodeName) : IRunningCluster
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> _running = [];
    private readonly Stack<object> _owned = [];

    public Kubeconfig Admin { get; set; } = null!; // set before the cluster is handed out

    public string NodeName { get; } = nodeName;

    public Task Failed => _failed.Task;

    public T Owns<T>(T part) where T : class
    {
        _owned.Push(part);
        return part;
    }

    /// <summary>A part that opens beside the others; closing waits for it.</summary>
    public Task<T> OwnsSoon<T>(Func<Task<T>> open) where T : IAsyncDisposable
    {
        var opening = Task.Run(open);
        _owned.Push(new Opening<T>(opening));
        return opening;
    }

    /// <summary>Runs a part's loop until the cluster stops. A part that ends before that with an exception ends the cluster.</summary>
    public void Runs(Func<CancellationToken, Task> loop) => _running.Add(GuardAsync(loop));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running);
        await Closing.AllAsync(_owned);
        _stop.Dispose();
    }

    private async Task GuardAsync(Func<CancellationToken, Task> loop)
    {
        try
        {
            await loop(_stop.Token);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Asked to stop.
        }
        catch (Exception exception)
        {
            _failed.TrySetException(exception);
        }
    }

    private sealed class Opening<T>(Task<T> opening) : IAsyncDisposable where T : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await ((Task)opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // Whoever awaited it knows why it failed.
            if (opening.IsCompletedSuccessfully)
                await opening.Result.DisposeAsync();
        }
    }
}
