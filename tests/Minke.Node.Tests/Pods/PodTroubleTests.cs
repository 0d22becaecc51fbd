using Minke.Api.Core.V1;
using Minke.Node.Pods.Probes;
using Minke.Node.Runtime;
using Minke.Node.Runtime.Simulated;
using Minke.Node.Volumes;

namespace Minke.Node.Tests.Pods;

public sealed class PodTroubleTests
{
    [Fact]
    public async Task A_crashing_container_backs_off_twice_as_long_each_time()
    {
        await using var node = await TestNode.StartAsync(node => node.Runtime.Programs = (_, _) => SimulatedProgram.Exits(1, TimeSpan.FromSeconds(1)));
        await node.CreateAsync(Make.Pod("web"));
        var first = await node.AdvanceUntilAsync("web", pod => Waiting(pod)?.Reason == "CrashLoopBackOff", "backing off");
        Assert.Equal($"back-off 10s restarting failed container=web pod=web_default({first.Metadata.Uid})", Waiting(first)!.Message);
        Assert.Equal("Running", first.Status.Phase);
        Assert.Equal(1, first.Status.ContainerStatuses[0].RestartCount);
        Assert.Equal(1, first.Status.ContainerStatuses[0].LastState.Terminated!.ExitCode);
        var told = await node.UntilEventAsync("web", "BackOff");
        Assert.Equal($"Back-off restarting failed container web in pod web_default({first.Metadata.Uid})", told.Message);

        var second = await node.AdvanceUntilAsync("web", pod => Waiting(pod)?.Message.Contains("back-off 20s", StringComparison.Ordinal) == true, "backing off longer");
        Assert.Equal(2, second.Status.ContainerStatuses[0].RestartCount);
    }

    [Fact]
    public async Task A_finished_pod_succeeds_and_keeps_its_container_for_its_log()
    {
        await using var node = await TestNode.StartAsync(node => node.Runtime.Programs = (_, _) => SimulatedProgram.Exits(0, TimeSpan.FromSeconds(1)));
        await node.CreateAsync(Make.Pod("job") with { Spec = Make.Pod("job").Spec with { RestartPolicy = "Never" } });
        var pod = await node.AdvanceUntilAsync("job", pod => pod.Status.Phase == "Succeeded", "done");
        Assert.Equal("PodCompleted", pod.Status.Conditions.First(condition => condition.Type == "Ready").Reason);
        Assert.Equal("Completed", pod.Status.ContainerStatuses[0].State.Terminated!.Reason);
        Assert.Single(await node.Runtime.ListContainersAsync(node.Deadline));
        Assert.All(await node.Runtime.ListSandboxesAsync(node.Deadline), sandbox => Assert.Equal(SandboxState.NotReady, sandbox.State));
    }

    [Fact]
    public async Task An_image_that_cannot_be_pulled_shows_the_error_then_the_back_off_then_runs_once_it_is_there()
    {
        await using var node = await TestNode.StartAsync(
            node => node.Images.Break("none:1", new ImageException("ErrImagePull", "manifest unknown")));
        await node.CreateAsync(Make.Pod("web", Make.Container("web", "none:1")));
        var failed = await node.AdvanceUntilAsync("web", pod => Waiting(pod)?.Reason == "ErrImagePull", "failing");
        Assert.Equal("manifest unknown", Waiting(failed)!.Message);
        var backing = await node.AdvanceUntilAsync("web", pod => Waiting(pod)?.Reason == "ImagePullBackOff", "backing off");
        Assert.Equal("Back-off pulling image \"none:1\": ErrImagePull: manifest unknown", Waiting(backing)!.Message);
        node.Images.Break("none:1", null);
        await node.AdvanceUntilAsync("web", TestNode.IsReady, "ready", TimeSpan.FromSeconds(1));
        await node.UntilEventAsync("web", "Started");
        var messages = node.Api.EventsOf("web").Select(e => $"{e.Type} {e.Reason}: {e.Message}").ToList();
        Assert.Contains("Normal Pulling: Pulling image \"none:1\"", messages);
        Assert.Contains("Warning Failed: Failed to pull image \"none:1\": manifest unknown", messages);
        Assert.Contains("Warning Failed: Error: ErrImagePull", messages);
        Assert.Contains("Normal BackOff: Back-off pulling image \"none:1\"", messages);
        Assert.Contains("Warning Failed: Error: ImagePullBackOff", messages);
    }

    [Fact]
    public async Task An_image_name_that_is_none_says_so()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web", Make.Container("web", "a!!b")));
        var pod = await node.AdvanceUntilAsync("web", pod => Waiting(pod)?.Reason == "InvalidImageName", "refused");
        Assert.Equal(
            "Failed to apply default image tag \"a!!b\": couldn't parse image name \"a!!b\": invalid reference format", Waiting(pod)!.Message);
    }

    [Fact]
    public async Task A_pull_policy_of_never_does_not_pull()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web", Make.Container("web", "other:1") with { ImagePullPolicy = "Never" }));
        var pod = await node.AdvanceUntilAsync("web", pod => Waiting(pod)?.Reason == "ErrImageNeverPull", "refused");
        Assert.Equal("Container image \"other:1\" is not present with pull policy of Never", Waiting(pod)!.Message);
    }

    [Fact]
    public async Task A_root_image_is_refused_when_root_is_forbidden()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web", Make.Container("web") with { SecurityContext = new SecurityContext { RunAsNonRoot = true } }));
        var pod = await node.AdvanceUntilAsync("web", pod => Waiting(pod)?.Reason == "CreateContainerConfigError", "refused");
        Assert.Equal(
            $"container has runAsNonRoot and image will run as root (pod: \"web_default({pod.Metadata.Uid})\", container: web)", Waiting(pod)!.Message);
    }

    [Fact]
    public async Task A_container_that_lacks_a_source_starts_when_the_source_comes_and_not_by_the_clock()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web", Make.Container("web") with
        {
            Env = [new EnvVar { Name = "COLOR", ValueFrom = new EnvVarSource { ConfigMapKeyRef = new ConfigMapKeySelector { Name = "settings", Key = "color" } } }],
            EnvFrom = [new EnvFromSource { SecretRef = new SecretEnvSource { Name = "secrets" } }],
        }));
        await node.AdvanceUntilAsync("web", pod => Waiting(pod) is { Reason: "CreateContainerConfigError", Message: "secret \"secrets\" not found" }, "without its secret");

        // The clock stands from here on.
        await node.Api.CreateAsync(new Secret { Metadata = new() { Name = "secrets", Namespace = "default" } }, node.Deadline);
        await node.UntilAsync("web", pod => Waiting(pod)?.Message == "configmap \"settings\" not found", "without its config map");
        var settings = await node.Api.CreateAsync(new ConfigMap { Metadata = new() { Name = "settings", Namespace = "default" } }, node.Deadline);
        await node.UntilAsync("web", pod => Waiting(pod)?.Message == "couldn't find key color in ConfigMap default/settings", "without its key");
        await node.Api.UpdateAsync(settings with { Data = settings.Data.With("color", "blue") }, node.Deadline);
        await node.UntilRunningAsync("web");
    }

    [Fact]
    public async Task A_missing_volume_is_an_event_and_the_pod_starts_once_it_is_there()
    {
        await using var node = await TestNode.StartAsync(node => node.Volumes.Failure = _ =>
            new VolumeException([new("config", "FailedMount", "MountVolume.SetUp failed for volume \"config\" : configmap \"web\" not found")]));
        await node.CreateAsync(Make.Pod("web"));
        var pod = await node.AdvanceUntilAsync("web", pod => Waiting(pod)?.Reason == "ContainerCreating", "being made");
        Assert.Equal("", pod.Status.PodIP);
        await node.UntilEventAsync("web", "FailedMount");
        node.Volumes.Failure = _ => null;
        await node.AdvanceUntilAsync("web", TestNode.IsReady, "ready");
    }

    [Fact]
    public async Task A_program_that_cannot_start_is_a_run_error_with_its_message()
    {
        await using var node = await TestNode.StartAsync(
            node => node.Runtime.Programs = (_, _) => new SimulatedProgram { StartError = "exec: \"nope\": executable file not found in $PATH" });
        await node.CreateAsync(Make.Pod("web"));
        var pod = await node.AdvanceUntilAsync("web", pod => Waiting(pod)?.Reason is "RunContainerError" or "CrashLoopBackOff", "failing");
        Assert.Equal(128, pod.Status.ContainerStatuses[0].LastState.Terminated!.ExitCode);
        await node.UntilEventAsync("web", "Failed");
        Assert.Contains(node.Api.EventsOf("web"), e => e is { Reason: "Failed", Message: "Error: exec: \"nope\": executable file not found in $PATH" });
    }

    [Fact]
    public async Task A_sandbox_that_fails_is_told_and_tried_again()
    {
        await using var node = await TestNode.StartAsync(node => node.Runtime.Fail(RuntimeVerb.RunSandbox, new RuntimeException("no address left"), times: 2));
        await node.CreateAsync(Make.Pod("web"));
        await node.AdvanceUntilAsync("web", TestNode.IsReady, "ready");
        await node.UntilEventAsync("web", "Started");
        Assert.Contains(node.Api.EventsOf("web"), e => e is { Reason: "FailedCreatePodSandBox", Message: "Failed to create pod sandbox: no address left", Count: 2 });
    }

    [Fact]
    public async Task After_a_reboot_the_sandbox_is_made_anew_and_the_container_counts_a_restart()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web"));
        await node.UntilRunningAsync("web");
        await node.StopAsync();
        node.Runtime.Reboot();
        await node.RestartAsync();
        var pod = await node.AdvanceUntilAsync("web", pod => TestNode.IsReady(pod) && pod.Status.ContainerStatuses[0].RestartCount == 1, "back");
        Assert.Equal("10.42.0.2", pod.Status.PodIP);
        Assert.Equal(255, pod.Status.ContainerStatuses[0].LastState.Terminated!.ExitCode);
        await node.UntilEventAsync("web", "SandboxChanged");
    }

    [Fact]
    public async Task Past_its_deadline_a_pod_fails()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web") with { Spec = Make.Pod("web").Spec with { ActiveDeadlineSeconds = 5 } });
        await node.UntilRunningAsync("web");
        var pod = await node.AdvanceUntilAsync("web", pod => pod.Status.Phase == "Failed", "failed");
        Assert.Equal(("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"), (pod.Status.Reason, pod.Status.Message));
    }

    [Fact]
    public async Task A_failing_liveness_probe_restarts_the_container()
    {
        var fails = false;
        await using var node = await TestNode.StartAsync(node => node.Prober.Answer = (_, _) =>
            fails ? new(ProbeOutcome.Failure, "HTTP probe failed with statuscode: 500") : new(ProbeOutcome.Success, ""));
        await node.CreateAsync(Make.Pod("web", Make.Container("web") with { LivenessProbe = Make.Probe() }));
        await node.UntilRunningAsync("web");
        fails = true;
        await node.AdvanceUntilAsync("web", pod => pod.Status.ContainerStatuses[0].RestartCount == 1, "restarted");
        fails = false;
        await node.UntilEventAsync("web", "Killing");
        var messages = node.Api.EventsOf("web").Select(e => e.Message).ToList();
        Assert.Contains("Liveness probe failed: HTTP probe failed with statuscode: 500", messages);
        Assert.Contains("Container web failed liveness probe, will be restarted", messages);
    }

    [Fact]
    public async Task A_readiness_probe_decides_ready_and_a_startup_probe_comes_first()
    {
        var started = false;
        var ready = false;
        await using var node = await TestNode.StartAsync(node => node.Prober.Answer = (_, probe) =>
            (probe.FailureThreshold == 100 ? started : ready) ? new(ProbeOutcome.Success, "") : new(ProbeOutcome.Failure, "no"));
        await node.CreateAsync(Make.Pod("web", Make.Container("web") with
        {
            StartupProbe = Make.Probe(failures: 100),
            ReadinessProbe = Make.Probe(),
        }));
        var pod = await node.AdvanceUntilAsync("web", pod => pod.Status.Phase == "Running", "running");
        Assert.False(pod.Status.ContainerStatuses[0].Started);
        Assert.Equal("containers with unready status: [web]", pod.Status.Conditions.First(condition => condition.Type == "Ready").Message);
        started = true;
        pod = await node.AdvanceUntilAsync("web", pod => pod.Status.ContainerStatuses[0].Started == true, "started");
        Assert.False(pod.Status.ContainerStatuses[0].Ready);
        ready = true;
        await node.AdvanceUntilAsync("web", TestNode.IsReady, "ready");
        ready = false;
        await node.AdvanceUntilAsync("web", pod => !TestNode.IsReady(pod), "unready");
    }

    [Fact]
    public async Task A_pod_the_node_cannot_hold_is_rejected()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("big", Make.Container("big") with
        {
            Resources = new ResourceRequirements { Requests = [KeyValuePair.Create("cpu", Minke.Api.Quantity.Parse("64"))] },
        }));
        var pod = await node.UntilAsync("big", pod => pod.Status.Phase == "Failed", "rejected");
        Assert.Equal("OutOfcpu", pod.Status.Reason);
        Assert.Equal("Pod was rejected: Node didn't have enough resource: cpu, requested: 64000, used: 0, capacity: 4000", pod.Status.Message);
        await node.UntilEventAsync("big", "OutOfcpu");
        await node.Api.DeleteAsync<Pod>("default", "big", new(), node.Deadline);
        await node.UntilGoneAsync("big");
    }

    private static ContainerStateWaiting? Waiting(Pod pod) =>
        pod.Status.ContainerStatuses.Count > 0 ? pod.Status.ContainerStatuses[0].State.Waiting : null;
}
