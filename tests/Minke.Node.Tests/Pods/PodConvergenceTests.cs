using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Node.Runtime;
using Minke.Node.Runtime.Simulated;
using Minke.Node.Volumes;
using ContainerState = Minke.Node.Runtime.ContainerState;

namespace Minke.Node.Tests.Pods;

/// <summary>Whatever goes wrong meanwhile: once it stops going wrong, what should run runs, once, and what should be gone is gone.</summary>
public sealed class PodConvergenceTests
{
    private const int Rounds = 40;

    private static readonly RuntimeVerb[] Failing =
        [RuntimeVerb.RunSandbox, RuntimeVerb.CreateContainer, RuntimeVerb.StartContainer, RuntimeVerb.StopContainer, RuntimeVerb.StopSandbox, RuntimeVerb.Status];

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Pods_converge_after_any_faults(int seed)
    {
        var random = new Random(seed);
        var broken = true;
        await using var node = await TestNode.StartAsync(node =>
        {
            node.Runtime.Programs = (_, container) =>
                container.Name.StartsWith("init", StringComparison.Ordinal) ? SimulatedProgram.Exits(0, TimeSpan.FromSeconds(1)) : SimulatedProgram.RunsForever;
            node.Volumes.Failure = _ => broken && Chance(3) ? new VolumeException([new("v", "FailedMount", "no")]) : null;
            node.Api.BeforeWrite = (verb, value) =>
            {
                if (broken && value is Pod pod && verb == "status" && Chance(4))
                    throw Chance(2) ? StatusException.Modified(Pod.KindInfo, pod.Metadata.Name) : StatusException.ServiceUnavailable("not now");
            };
        });
        var expected = new Dictionary<string, Pod>(StringComparer.Ordinal);
        for (var round = 0; round < Rounds; round++)
        {
            await StepAsync(round);
            node.Time.Advance(TimeSpan.FromMilliseconds(random.Next(1, 3000)));
            await Task.Delay(1, node.Deadline);
        }
        broken = false;
        foreach (var (name, _) in expected)
            await node.AdvanceUntilAsync(name, TestNode.IsReady, $"ready after the faults of seed {seed}", TimeSpan.FromSeconds(2));
        for (var i = 0; i < 2000 && (node.Api.All<Pod>().Count != expected.Count || !await IsCleanAsync()); i++)
        {
            node.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(1, node.Deadline);
        }
        Assert.True(await IsCleanAsync(), $"seed {seed}: {string.Join("; ", (await node.Runtime.ListContainersAsync(node.Deadline)).Select(c => $"{c.Config.Labels["io.kubernetes.pod.name"]}/{c.Config.Name} {c.State}"))}");
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), node.Api.All<Pod>().Select(pod => pod.Metadata.Name).Order(StringComparer.Ordinal));

        bool Chance(int oneIn)
        {
            lock (random)
                return random.Next(oneIn) == 0;
        }

        async Task StepAsync(int round)
        {
            switch (random.Next(8))
            {
                case 0 or 1 when expected.Count < 4:
                    var name = $"pod-{round}";
                    expected[name] = await node.CreateAsync(RandomPod(name, random));
                    break;
                case 2 when expected.Count > 1:
                    var victim = expected.Keys.Order(StringComparer.Ordinal).ElementAt(random.Next(expected.Count));
                    expected.Remove(victim);
                    await node.Api.DeleteAsync<Pod>("default", victim, new() { GracePeriodSeconds = random.Next(4) == 0 ? 0 : null }, node.Deadline);
                    break;
                case 3:
                    node.Runtime.Fail(Failing[random.Next(Failing.Length)], new RuntimeException("injected"), random.Next(1, 3));
                    break;
                case 4:
                    var running = (await ContainersAsync()).Where(container => container.State == ContainerState.Running).ToList();
                    if (running.Count > 0)
                        node.Runtime.Exit(running[random.Next(running.Count)].Id, random.Next(3));
                    break;
                case 5 when random.Next(3) == 0:
                    await node.RestartAsync();
                    break;
                case 6 when random.Next(6) == 0:
                    await node.StopAsync();
                    node.Runtime.Reboot();
                    await node.RestartAsync();
                    break;
                default:
                    break;
            }
        }

        async Task<IReadOnlyList<Minke.Node.Runtime.ContainerStatus>> ContainersAsync()
        {
            while (true)
            {
                try
                {
                    return await node.Runtime.ListContainersAsync(node.Deadline);
                }
                catch (RuntimeException)
                {
                    // An injected failure may hit the test's own look.
                }
            }
        }

        // One ready sandbox a pod, one running instance of each container that should run, nothing of pods that are gone.
        async Task<bool> IsCleanAsync()
        {
            var uids = node.Api.All<Pod>().Select(pod => pod.Metadata.Uid).ToHashSet(StringComparer.Ordinal);
            var sandboxes = await node.Runtime.ListSandboxesAsync(node.Deadline);
            var running = (await ContainersAsync()).Where(container => container.State == ContainerState.Running).ToList();
            return sandboxes.All(sandbox => uids.Contains(sandbox.Config.Uid))
                && uids.All(uid => sandboxes.Count(sandbox => sandbox.Config.Uid == uid && sandbox.State == SandboxState.Ready) == 1)
                && running.Select(container => (container.Sandbox, container.Config.Name)).Distinct().Count() == running.Count
                && node.Volumes.Prepared.All(uids.Contains);
        }
    }

    private static Pod RandomPod(string name, Random random)
    {
        var containers = Enumerable.Range(0, random.Next(1, 4)).Select(i => Make.Container($"c{i}")).ToArray();
        var init = Enumerable.Range(0, random.Next(3)).Select(i =>
            random.Next(2) == 0 ? Make.Container($"side{i}") with { RestartPolicy = "Always" } : Make.Container($"init{i}")).ToArray();
        if (random.Next(2) == 0)
            containers[0] = containers[0] with { ReadinessProbe = Make.Probe() };
        var pod = Make.Pod(name, containers);
        return pod with { Spec = pod.Spec with { InitContainers = init } };
    }
}
