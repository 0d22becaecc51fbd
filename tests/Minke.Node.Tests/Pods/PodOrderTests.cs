using Minke.Api.Core.V1;
using Minke.Node.Runtime;
using Minke.Node.Runtime.Simulated;

namespace Minke.Node.Tests.Pods;

public sealed class PodOrderTests
{
    [Fact]
    public async Task Init_containers_run_one_after_the_other_before_the_others()
    {
        await using var node = await TestNode.StartAsync(node => node.Runtime.Programs = (_, container) =>
            container.Name.StartsWith("init", StringComparison.Ordinal) ? SimulatedProgram.Exits(0, TimeSpan.FromSeconds(1)) : SimulatedProgram.RunsForever);
        await node.CreateAsync(Make.Pod("web") with
        {
            Spec = Make.Pod("web").Spec with { InitContainers = [Make.Container("init-a"), Make.Container("init-b")] },
        });
        var pending = await node.AdvanceUntilAsync("web", pod => pod.Status.InitContainerStatuses is [{ State.Running: not null }, ..], "initializing");
        Assert.Equal("Pending", pending.Status.Phase);
        Assert.Equal("PodInitializing", pending.Status.ContainerStatuses[0].State.Waiting!.Reason);
        Assert.Equal("containers with incomplete status: [init-a init-b]", pending.Status.Conditions.First(condition => condition.Type == "Initialized").Message);
        var pod = await node.AdvanceUntilAsync("web", TestNode.IsReady, "ready");
        Assert.All(pod.Status.InitContainerStatuses, status => Assert.True(status.Ready));
        Assert.Equal(
            ["default/web/init-a", "default/web/init-b", "default/web/web"],
            node.Runtime.Calls.Where(call => call.Verb == RuntimeVerb.StartContainer).Select(call => call.Subject));
    }

    [Fact]
    public async Task A_failed_init_container_fails_a_pod_that_never_restarts()
    {
        await using var node = await TestNode.StartAsync(node => node.Runtime.Programs = (_, container) =>
            container.Name == "init" ? SimulatedProgram.Exits(3, TimeSpan.FromSeconds(1)) : SimulatedProgram.RunsForever);
        await node.CreateAsync(Make.Pod("web") with { Spec = Make.Pod("web").Spec with { RestartPolicy = "Never", InitContainers = [Make.Container("init")] } });
        var pod = await node.AdvanceUntilAsync("web", pod => pod.Status.Phase == "Failed", "failed");
        Assert.Equal(3, pod.Status.InitContainerStatuses[0].State.Terminated!.ExitCode);
        Assert.DoesNotContain(node.Runtime.Calls, call => call is { Verb: RuntimeVerb.StartContainer, Subject: "default/web/web" });
    }

    [Fact]
    public async Task Sidecars_start_first_and_stop_last()
    {
        await using var node = await TestNode.StartAsync(node => node.Runtime.Programs = (_, _) => new SimulatedProgram { StopsAfter = TimeSpan.FromSeconds(1) });
        await node.CreateAsync(Make.Pod("web") with
        {
            Spec = Make.Pod("web").Spec with
            {
                InitContainers = [Make.Container("proxy") with { RestartPolicy = "Always" }, Make.Container("mesh") with { RestartPolicy = "Always" }],
            },
        });
        await node.AdvanceUntilAsync("web", TestNode.IsReady, "ready");
        Assert.Equal(
            ["default/web/proxy", "default/web/mesh", "default/web/web"],
            node.Runtime.Calls.Where(call => call.Verb == RuntimeVerb.StartContainer).Select(call => call.Subject));

        await node.Api.DeleteAsync<Pod>("default", "web", new(), node.Deadline);
        await node.AdvanceUntilAsync("web", pod => pod.Status.ContainerStatuses[0].State.Terminated is not null, "stopped");
        for (var i = 0; i < 500 && node.Api.All<Pod>().Count > 0; i++)
        {
            node.Time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(1, node.Deadline);
        }
        await node.UntilGoneAsync("web");
        Assert.Equal(
            ["default/web/web", "default/web/mesh", "default/web/proxy"],
            node.Runtime.Calls.Where(call => call.Verb == RuntimeVerb.StopContainer).Select(call => call.Subject));
    }

    [Fact]
    public async Task Sidecars_alone_do_not_keep_a_job_alive()
    {
        await using var node = await TestNode.StartAsync(node => node.Runtime.Programs = (_, container) =>
            container.Name == "work" ? SimulatedProgram.Exits(0, TimeSpan.FromSeconds(1)) : SimulatedProgram.RunsForever);
        await node.CreateAsync(Make.Pod("job", Make.Container("work")) with
        {
            Spec = Make.Pod("job", Make.Container("work")).Spec with
            {
                RestartPolicy = "OnFailure",
                InitContainers = [Make.Container("proxy") with { RestartPolicy = "Always" }],
            },
        });
        await node.AdvanceUntilAsync("job", pod => pod.Status.Phase == "Succeeded", "done");
    }

    [Fact]
    public async Task A_pre_stop_hook_runs_before_the_signal_and_within_the_grace_period()
    {
        await using var node = await TestNode.StartAsync(node => node.Runtime.Commands = (_, _) => new SimulatedCommand(0) { Takes = TimeSpan.FromSeconds(100) });
        await node.CreateAsync(Make.Pod("web", Make.Container("web") with
        {
            Lifecycle = new Lifecycle { PreStop = new LifecycleHandler { Exec = new ExecAction { Command = ["drain"] } } },
        }));
        await node.UntilRunningAsync("web");
        await node.Api.DeleteAsync<Pod>("default", "web", new() { GracePeriodSeconds = 5 }, node.Deadline);
        var startedAt = node.Time.GetUtcNow();
        for (var i = 0; i < 1000 && node.Api.All<Pod>().Count > 0; i++)
        {
            node.Time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(1, node.Deadline);
        }
        await node.UntilGoneAsync("web");
        Assert.InRange(node.Time.GetUtcNow() - startedAt, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(12));
        var verbs = node.Runtime.Calls.Where(call => call.Subject == "default/web/web").Select(call => call.Verb).ToList();
        Assert.True(verbs.IndexOf(RuntimeVerb.Exec) < verbs.IndexOf(RuntimeVerb.StopContainer));
    }

    [Fact]
    public async Task A_failing_post_start_hook_kills_the_container()
    {
        await using var node = await TestNode.StartAsync(node => node.Runtime.Commands = (_, _) => new SimulatedCommand(7));
        await node.CreateAsync(Make.Pod("web", Make.Container("web") with
        {
            Lifecycle = new Lifecycle { PostStart = new LifecycleHandler { Exec = new ExecAction { Command = ["warm"] } } },
        }));
        await node.UntilEventAsync("web", "FailedPostStartHook");
        var pod = await node.AdvanceUntilAsync("web", pod => pod.Status.ContainerStatuses is [{ State.Waiting.Reason: "PostStartHookError" or "CrashLoopBackOff" }], "failing");
        Assert.NotNull(pod.Status.ContainerStatuses[0].LastState.Terminated);
    }

    [Fact]
    public async Task Ephemeral_containers_start_in_a_running_pod_once()
    {
        await using var node = await TestNode.StartAsync();
        var created = await node.CreateAsync(Make.Pod("web"));
        var running = await node.UntilRunningAsync("web");
        await node.Api.UpdateAsync(running with
        {
            Metadata = running.Metadata with { ResourceVersion = "" },
            Spec = running.Spec with { EphemeralContainers = [new EphemeralContainer { Name = "debug", Image = "app:1", TargetContainerName = "web" }] },
        }, node.Deadline);
        var pod = await node.AdvanceUntilAsync("web", pod => pod.Status.EphemeralContainerStatuses is [{ State.Running: not null }], "debugged");
        var containers = await node.Runtime.ListContainersAsync(node.Deadline);
        var debug = containers.Single(container => container.Config.Name == "debug");
        Assert.Equal(containers.Single(container => container.Config.Name == "web").Id, debug.Config.TargetContainer);
        Assert.Equal(created.Metadata.Uid, pod.Metadata.Uid);
    }
}
