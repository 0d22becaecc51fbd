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

    /// <summary>Runs a part's loop until the cluster stops. A part that ends before that with an exception ends the cluster.</summary>
    public void Runs(Func<CancellationToken, Task> loop) => _running.Add(GuardAsync(loop));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running);
        var failures = new List<Exception>();
        while (_owned.TryPop(out var part))
        {
            try
            {
                if (part is IAsyncDisposable asynchronous)
                    await asynchronous.DisposeAsync();
                else
                    ((IDisposable)part).Dispose();
            }
            catch (Exception exception)
            {
                failures.Add(exception); // the others close all the same
            }
        }
        _stop.Dispose();
        if (failures.Count > 0)
            throw new AggregateException("close the cluster", failures);
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
}
