using System.Collections.Concurrent;

namespace Minke.Node.Linux;

/// <summary>
/// A few threads for work that waits in the kernel (mounts, cgroups, starting processes), so that the thread pool's never do. Their
/// number is also how many containers are started at the same time: more would only take turns on the processors.
/// </summary>
internal sealed class BlockingLanes : IDisposable
{
    private const int MaxWaiting = 16_384;
    private const int StackBytes = 512 * 1024;

    private readonly BlockingCollection<Action> _work = new(MaxWaiting);
    private readonly Thread[] _threads;

    public BlockingLanes(int count, string name)
    {
        _threads = new Thread[count];
        for (var i = 0; i < count; i++)
        {
            _threads[i] = new Thread(Run, StackBytes) { IsBackground = true, Name = $"{name}-{i}" };
            _threads[i].Start();
        }
    }

    public Task RunAsync(Action action) => RunAsync(() =>
    {
        action();
        return true;
    });

    /// <summary>Runs to its end even when nobody waits any more.</summary>
    public Task<T> RunAsync<T>(Func<T> function)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _work.Add(() =>
        {
            try
            {
                done.SetResult(function());
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        });
        return done.Task;
    }

    public void Dispose()
    {
        _work.CompleteAdding();
        foreach (var thread in _threads)
            thread.Join();
        _work.Dispose();
    }

    private void Run()
    {
        foreach (var work in _work.GetConsumingEnumerable())
            work();
    }
}
