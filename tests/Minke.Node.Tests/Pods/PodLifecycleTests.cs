namespace Minke.Node.Tests.Pods;

public sealed class PodLifecycleTests
{
    [Fact]
    public async Task A_pod_runs_and_says_so_in_one_write()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web"));
        var pod = await node.UntilRunningAsync("web");

        Assert.Equal("10.42.0.1", pod.Status.PodIP);
        Assert.Equal("192.0.2.1", pod.Status.HostIP);
        Assert.Equal("BestEffort", pod.Status.QosClass);
        Assert.Equal(
            ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"], pod.Status.Conditions.Select(condition => condition.Type));
        var status = Assert.Single(pod.Status.ContainerStatuses);
        Assert.True(status is { Ready: true, Started: true, RestartCount: 0, Image: "docker.io/library/app:1" });
        Assert.StartsWith("minke://", status.ContainerID, StringComparison.Ordinal);
        Assert.NotNull(status.State.Running);
        Assert.Equal(2, node.Api.HistoryOf("web").Count); // created, and one status

        await node.UntilEventAsync("web", "Started");
        Assert.Equal(
            ["Pulled: Container image \"app:1\" already present on machine", "Created: Created container: web", "Started: Started container web"],
            node.Api.EventsOf("web").OrderBy(e => e.Metadata.ResourceVersion.Length).ThenBy(e => e.Metadata.ResourceVersion, StringComparer.Ordinal).Select(e => $"{e.Reason}: {e.Message}"));
    }

    [Fact]
    public async Task A_deleted_pod_stops_and_leaves_nothing()
    {
        await using var node = await TestNode.StartAsync();
        var created = await node.CreateAsync(Make.Pod("web"));
        await node.UntilRunningAsync("web");
        await node.Api.DeleteAsync<Minke.Api.Core.V1.Pod>("default", "web", new(), node.Deadline);
        await node.UntilGoneAsync("web");
        while ((await node.Runtime.ListSandboxesAsync(node.Deadline)).Count > 0)
            await Task.Delay(1, node.Deadline);
        Assert.Empty(await node.Runtime.ListContainersAsync(node.Deadline));
        Assert.Empty(node.Volumes.Prepared);
        var last = node.Api.HistoryOf("web")[^1];
        Assert.Equal("Failed", last.Status.Phase);
        Assert.Equal(143, last.Status.ContainerStatuses[0].State.Terminated!.ExitCode);
        await node.UntilEventAsync("web", "Killing");
        while (Directory.Exists(node.Settings.Paths.Pod(created.Metadata.Uid)))
            await Task.Delay(1, node.Deadline);
    }
}
