using Microsoft.Extensions.Logging.Abstractions;
using Minke.Client;

namespace Minke.Control.Tests.Queues;

public sealed class ReconcileLoopTests
{
    [Fact]
    public async Task A_key_that_is_due_in_a_year_does_not_stop_the_loop()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var reconciler = new Sleeper();
        var loop = new ReconcileLoop("test", reconciler, TimeProvider.System, NullLogger.Instance);
        var running = loop.RunAsync(stop.Token);
        loop.Enqueue(new ObjectKey("", "in-a-year"));
        loop.Enqueue(new ObjectKey("", "last"));
        await Task.WhenAny(reconciler.HasSeenLast.Task, running);
        Assert.True(reconciler.HasSeenLast.Task.IsCompletedSuccessfully);
        await stop.CancelAsync();
        await running;
    }

    private sealed class Sleeper : IReconciler
    {
        public TaskCompletionSource HasSeenLast { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
        {
            if (key.Name != "last")
                return Task.FromResult(Requeue.After(TimeSpan.FromDays(365)));
            HasSeenLast.TrySetResult();
            return Task.FromResult(Requeue.Never);
        }
    }
}
