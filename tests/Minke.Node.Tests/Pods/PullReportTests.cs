using Minke.Node.Pods;
using Minke.Node.Runtime;
using Minke.Node.Tests.Runtime;
using Minke.TestSupport;

namespace Minke.Node.Tests.Pods;

public sealed class PullReportTests
{
    [Fact]
    public void All_layers_count_and_words_come_once_a_second()
    {
        var time = new ManualTime();
        var told = new List<string>();
        var report = new PullReport("web:2", time, told.Add);
        report.Report(new("web:2", "a", 0, 30_000_000));
        report.Report(new("web:2", "b", 0, 70_000_000));
        time.Advance(TimeSpan.FromSeconds(1));
        report.Report(new("web:2", "a", 30_000_000, 30_000_000));
        report.Report(new("web:2", "b", 10_000_000, 70_000_000));
        time.Advance(TimeSpan.FromSeconds(1));
        report.Report(new("web:2", "b", 20_000_000, 70_000_000));
        time.Advance(TimeSpan.FromSeconds(1));
        report.Report(new("web:2", "b", 20_000_001, 70_000_000));
        Assert.Equal(["Pulling image \"web:2\": 30 % of 100.0 MB", "Pulling image \"web:2\": 50 % of 100.0 MB"], told);
    }

    [Fact]
    public async Task A_waiting_container_shows_how_far_the_pull_of_its_image_is()
    {
        await using var node = await TestNode.StartAsync();
        var arrived = new TaskCompletionSource();
        node.Images.Pulling = async (reference, progress) =>
        {
            progress!.Report(new(reference, "a", 0, 2_000_000));
            while (!arrived.Task.IsCompleted)
            {
                progress.Report(new(reference, "a", 1_000_000, 2_000_000));
                await Task.WhenAny(arrived.Task, Task.Delay(1, node.Deadline));
            }
        };
        await node.CreateAsync(Make.Pod("web", Make.Container("web", "big:1")));
        var pod = await node.AdvanceUntilAsync("web", pod => pod.Status.ContainerStatuses is [{ State.Waiting.Message.Length: > 0 }], "seen to pull");
        var waiting = pod.Status.ContainerStatuses[0].State.Waiting!;
        Assert.Equal(("ContainerCreating", "Pulling image \"big:1\": 50 % of 2.0 MB"), (waiting.Reason, waiting.Message));
        arrived.SetResult();
        await node.AdvanceUntilAsync("web", TestNode.IsReady, "ready");
    }
}
