using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Node.Runtime.Simulated;

namespace Minke.Node.Tests.Pods;

public sealed class StaticPodTests
{
    private const string Manifest = """
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"etcd","namespace":"kube-system"},"spec":{"containers":[{"name":"etcd","image":"app:1"}]}}
        """;

    [Fact]
    public async Task A_manifest_in_the_directory_runs_shows_as_a_mirror_and_goes_with_its_file()
    {
        await using var node = await StartAsync();
        var file = Path.Combine(node.Settings.StaticPodDirectory, "etcd.json");
        await File.WriteAllTextAsync(file, Manifest, node.Deadline);
        var mirror = await node.UntilRunningAsync("etcd-node");
        Assert.Equal(mirror.Metadata.Annotations["kubernetes.io/config.hash"], mirror.Metadata.Annotations["kubernetes.io/config.mirror"]);
        Assert.Equal("file", mirror.Metadata.Annotations["kubernetes.io/config.source"]);
        Assert.Equal("Node", mirror.Metadata.OwnerReferences[0].Kind);

        File.Delete(file);
        await node.UntilGoneAsync("etcd-node");
        while ((await node.Runtime.ListSandboxesAsync(node.Deadline)).Count > 0)
            await Task.Delay(1, node.Deadline);
    }

    [Fact]
    public async Task A_deleted_mirror_comes_back_and_the_pod_does_not_notice()
    {
        await using var node = await StartAsync();
        await File.WriteAllTextAsync(Path.Combine(node.Settings.StaticPodDirectory, "etcd.json"), Manifest, node.Deadline);
        var first = await node.UntilRunningAsync("etcd-node");
        await node.Api.DeleteAsync<Pod>("kube-system", "etcd-node", new(), node.Deadline);
        await node.AdvanceUntilAsync("etcd-node", pod => pod.Metadata.Uid != first.Metadata.Uid && TestNode.IsReady(pod), "back");
        Assert.DoesNotContain(node.Runtime.Calls, call => call.Verb == RuntimeVerb.StopContainer);
        Assert.Single(await node.Runtime.ListContainersAsync(node.Deadline));
    }

    [Fact]
    public async Task A_restarted_node_takes_its_static_pods_up_again()
    {
        await using var node = await StartAsync();
        await File.WriteAllTextAsync(Path.Combine(node.Settings.StaticPodDirectory, "etcd.json"), Manifest, node.Deadline);
        await node.UntilRunningAsync("etcd-node");
        await node.RestartAsync();
        await node.CreateAsync(Make.Pod("web"));
        await node.UntilRunningAsync("web");
        Assert.DoesNotContain(node.Runtime.Calls, call => call.Verb is RuntimeVerb.StopContainer or RuntimeVerb.StopSandbox);
    }

    [Fact]
    public async Task A_manifest_that_the_API_would_refuse_is_passed_over()
    {
        await using var node = await StartAsync();
        var bad = Manifest.Replace("\"etcd\",\"namespace\"", "\"../../etcd\",\"namespace\"", StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(node.Settings.StaticPodDirectory, "bad.json"), bad, node.Deadline);
        await File.WriteAllTextAsync(Path.Combine(node.Settings.StaticPodDirectory, "etcd.json"), Manifest, node.Deadline);

        await node.UntilRunningAsync("etcd-node");
        Assert.Equal("etcd-node", Assert.Single(await node.Runtime.ListSandboxesAsync(node.Deadline)).Config.Name);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task A_mirror_comes_back_however_late_answers_are(int seed)
    {
        var random = new Random(seed);
        await using var node = await StartAsync();
        var isSlow = true;
        node.Api.BeforeAnswer = async (_, value) =>
        {
            for (var i = value is Pod && isSlow ? Next(12) : 0; i > 0; i--)
                await Task.Yield();
        };
        var file = Path.Combine(node.Settings.StaticPodDirectory, "etcd.json");
        await File.WriteAllTextAsync(file, Manifest, node.Deadline);
        for (var round = 0; round < 12; round++)
        {
            var mirror = await node.AdvanceUntilAsync("etcd-node", pod => pod.Metadata.DeletionTimestamp is null, $"there in round {round} of seed {seed}");
            switch (Next(4))
            {
                case 0:
                    foreach (var container in (await node.Runtime.ListContainersAsync(node.Deadline)).Where(container => container.State == Minke.Node.Runtime.ContainerState.Running))
                        node.Runtime.Exit(container.Id, 1);
                    break;
                case 1:
                    await File.WriteAllTextAsync(file, Manifest.Replace("\"spec\":{", $"\"spec\":{{\"terminationGracePeriodSeconds\":{round + 2},", StringComparison.Ordinal), node.Deadline);
                    break;
                default:
                    try
                    {
                        await node.Api.DeleteAsync<Pod>("kube-system", "etcd-node", new() { GracePeriodSeconds = Next(2) == 0 ? 0 : null }, node.Deadline);
                    }
                    catch (StatusException e) when (e.Code == 404)
                    {
                        // The node was faster.
                    }
                    await node.AdvanceUntilAsync("etcd-node", pod => pod.Metadata.Uid != mirror.Metadata.Uid, $"made anew in round {round} of seed {seed}");
                    break;
            }
        }
        isSlow = false;
        await node.AdvanceUntilAsync("etcd-node", pod => pod.Metadata.DeletionTimestamp is null && TestNode.IsReady(pod), $"ready after seed {seed}");
        File.Delete(file);
        for (var i = 0; i < 2000 && (node.Api.All<Pod>().Count > 0 || (await node.Runtime.ListSandboxesAsync(node.Deadline)).Count > 0); i++)
        {
            node.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(1, node.Deadline);
        }
        Assert.Empty(node.Api.All<Pod>());
        Assert.Empty(await node.Runtime.ListSandboxesAsync(node.Deadline));

        int Next(int below)
        {
            lock (random)
                return random.Next(below);
        }
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 20)];

    private static Task<TestNode> StartAsync() => TestNode.StartAsync(node => node.Settings = node.Settings with
    {
        StaticPodDirectory = Directory.CreateDirectory(Path.Combine(node.Settings.Paths.DataDirectory, "manifests")).FullName,
    });
}
