using Minke.Api.Core.V1;
using Minke.Client.Nodes;
using Minke.Node.Runtime.Simulated;

namespace Minke.Node.Tests.Pods;

public sealed class NodeRestartTests
{
    [Fact]
    public async Task Running_pods_are_taken_up_and_not_touched()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web"));
        var before = await node.UntilRunningAsync("web");
        await node.StopAsync();
        var calls = node.Runtime.Calls.Count;
        await node.RestartAsync();
        await node.CreateAsync(Make.Pod("other"));
        await node.UntilRunningAsync("other");
        Assert.DoesNotContain(node.Runtime.Calls.Skip(calls), call =>
            call.Subject.StartsWith("default/web", StringComparison.Ordinal) && call.Verb is not (RuntimeVerb.Status or RuntimeVerb.List));
        var after = node.Api.All<Pod>().Single(pod => pod.Metadata.Name == "web");
        Assert.True(before.Metadata.ResourceVersion == after.Metadata.ResourceVersion, $"{before.Status}\n{after.Status}");
    }

    [Fact]
    public async Task An_exit_while_away_is_told()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web") with { Spec = Make.Pod("web").Spec with { RestartPolicy = "Never" } });
        await node.UntilRunningAsync("web");
        await node.StopAsync();
        node.Runtime.Exit((await node.Runtime.ListContainersAsync(node.Deadline))[0].Id, 42);
        await node.RestartAsync();
        var pod = await node.UntilAsync("web", pod => pod.Status.Phase == "Failed", "failed");
        Assert.True(pod.Status.ContainerStatuses[0].State.Terminated!.ExitCode == 42, pod.Status.ToString());
    }

    [Fact]
    public async Task Pods_deleted_while_away_are_stopped_and_removed()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web"));
        await node.UntilRunningAsync("web");
        await node.StopAsync();
        await node.Api.DeleteAsync<Pod>("default", "web", new() { GracePeriodSeconds = 0 }, node.Deadline);
        await node.RestartAsync();
        while ((await node.Runtime.ListSandboxesAsync(node.Deadline)).Count > 0)
            await Task.Delay(1, node.Deadline);
    }

    [Fact]
    public async Task Restarts_are_counted_on_when_nothing_is_left_of_the_containers()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web"));
        for (var count = 1; count <= 3; count++)
        {
            await node.AdvanceUntilAsync("web", TestNode.IsReady, "ready");
            await node.StopAsync();
            foreach (var sandbox in await node.Runtime.ListSandboxesAsync(node.Deadline))
                await node.Runtime.RemoveSandboxAsync(sandbox.Id, node.Deadline);
            await node.RestartAsync();
            await node.AdvanceUntilAsync(
                "web", pod => pod.Status.ContainerStatuses[0] is { State.Running: not null } status && status.RestartCount == count, $"restarted {count} times");
        }
    }

    [Fact]
    public async Task A_container_whose_remains_are_gone_begins_a_log_of_its_own()
    {
        await using var node = await TestNode.StartAsync();
        await node.StopAsync();
        var pod = await node.CreateAsync(Make.Pod("web"));
        var logs = Directory.CreateDirectory(Path.Combine(node.Settings.Paths.Logs("default", "web", pod.Metadata.Uid), "web")).FullName;
        await File.WriteAllTextAsync(Path.Combine(logs, "2.log"), "", node.Deadline);
        await File.WriteAllTextAsync(Path.Combine(logs, "4.log.20300101-120000"), "", node.Deadline);
        await node.RestartAsync();
        await node.AdvanceUntilAsync("web", TestNode.IsReady, "ready");
        Assert.Equal(Path.Combine(logs, "5.log"), Assert.Single(await node.Runtime.ListContainersAsync(node.Deadline)).LogPath);
    }

    [Fact]
    public async Task Logs_are_read_by_line_with_times_tails_and_the_instance_before()
    {
        await using var node = await TestNode.StartAsync(node => node.Runtime.WritesLogs = true);
        await node.CreateAsync(Make.Pod("web"));
        var pod = await node.UntilRunningAsync("web");
        var id = (await node.Runtime.ListContainersAsync(node.Deadline))[0].Id;
        node.Runtime.Log(id, "one");
        node.Runtime.Log(id, "two", "stderr");
        node.Runtime.Log(id, "three");
        var reference = new PodReference("default", "web", pod.Metadata.Uid);
        Assert.Equal("one\ntwo\nthree\n", await ReadAsync(new() { Container = "web" }));
        Assert.Equal("two\nthree\n", await ReadAsync(new() { Container = "web", TailLines = 2 }));
        Assert.Equal("one\nt", await ReadAsync(new() { Container = "web", LimitBytes = 5 }));
        Assert.StartsWith("2030-01-01T00:00:01", await ReadAsync(new() { Container = "web", Timestamps = true }), StringComparison.Ordinal);
        Assert.Equal("", await ReadAsync(new() { Container = "web", Since = node.Time.GetUtcNow() + TimeSpan.FromHours(1) }));
        var missing = await Assert.ThrowsAsync<Minke.Api.StatusException>(() => ReadAsync(new() { Container = "web", Previous = true }));
        Assert.Equal((400, "previous terminated container \"web\" in pod \"web\" not found"), (missing.Code, missing.Message));

        node.Runtime.Exit(id, 1);
        await node.AdvanceUntilAsync("web", pod => pod.Status.ContainerStatuses[0] is { RestartCount: 1, State.Running: not null }, "restarted");
        Assert.Equal("one\ntwo\nthree\n", await ReadAsync(new() { Container = "web", Previous = true }));

        async Task<string> ReadAsync(LogRequest request)
        {
            using var reader = new StreamReader(await node.Agent.Endpoint.LogsAsync(reference, request, node.Deadline));
            return await reader.ReadToEndAsync(node.Deadline);
        }
    }

    [Fact]
    public async Task A_followed_log_gives_each_line_as_it_comes_and_ends_with_the_container()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web") with { Spec = Make.Pod("web").Spec with { RestartPolicy = "Never" } });
        var pod = await node.UntilRunningAsync("web");
        var id = (await node.Runtime.ListContainersAsync(node.Deadline))[0].Id;
        node.Runtime.Log(id, "before");
        using var reader = new StreamReader(await node.Agent.Endpoint.LogsAsync(
            new("default", "web", pod.Metadata.Uid), new() { Container = "web", Follow = true }, node.Deadline));
        Assert.Equal("before", await reader.ReadLineAsync(node.Deadline));
        var next = reader.ReadLineAsync(node.Deadline).AsTask();
        Assert.False(next.IsCompleted);
        node.Runtime.Log(id, "after");
        Assert.Equal("after", await next);
        node.Runtime.Exit(id, 0);
        Assert.Null(await reader.ReadLineAsync(node.Deadline));
    }

    [Fact]
    public async Task A_waiting_container_has_no_log_yet()
    {
        await using var node = await TestNode.StartAsync(node => node.Runtime.Delay(RuntimeVerb.RunSandbox, TimeSpan.FromMinutes(1)));
        await node.CreateAsync(Make.Pod("web"));
        var pod = await node.AdvanceUntilAsync("web", pod => pod.Status.ContainerStatuses.Count == 1, "seen");
        var error = await Assert.ThrowsAsync<Minke.Api.StatusException>(
            () => node.Agent.Endpoint.LogsAsync(new("default", "web", pod.Metadata.Uid), new() { Container = "web" }, node.Deadline));
        Assert.Equal((400, "container \"web\" in pod \"web\" is waiting to start: ContainerCreating"), (error.Code, error.Message));
    }
}
