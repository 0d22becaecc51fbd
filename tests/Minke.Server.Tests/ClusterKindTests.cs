using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Minke.Server.Tests.OpenApi;

namespace Minke.Server.Tests;

/// <summary>The kinds that say how a cluster is set up, as kubectl and others meet them.</summary>
public sealed class ClusterKindTests(KubectlServer kubectl) : IClassFixture<KubectlServer>
{
    [Fact]
    public async Task What_kubectl_lists_is_what_kubernetes_1_32_serves_of_these_groups()
    {
        var served = ServedKinds.Default.Select(kind => kind.ApiVersion).ToHashSet(StringComparer.Ordinal);
        var expected = Lines(await File.ReadAllTextAsync(Path.Combine(Root(), "testdata", "api-resources.txt"), TestServer.Cancelled))
            .Where(line => line.StartsWith("NAME ", StringComparison.Ordinal) || served.Overlaps(line.Split(' ')));
        var shown = await kubectl.RunAsync("api-resources -o wide");
        Assert.Equal(string.Join('\n', expected), string.Join('\n', Lines(shown.Output)));

        static IEnumerable<string> Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => Regex.Replace(line.Trim(), " +", " "));
    }

    [Fact]
    public async Task A_cluster_begins_with_its_priority_classes_and_flows()
    {
        var classes = await kubectl.RunAsync("get priorityclasses --no-headers -o custom-columns=N:.metadata.name,V:.value,P:.preemptionPolicy,G:.metadata.generation");
        Assert.Equal(["system-cluster-critical 2000000000 PreemptLowerPriority 1", "system-node-critical 2000001000 PreemptLowerPriority 1"], Lines(classes.Output)[..2]);

        var levels = await kubectl.RunAsync("get prioritylevelconfigurations --no-headers");
        Assert.Equal(
            [
                "catch-all Limited 5 <none> <none> <none>", "exempt Exempt <none> <none> <none> <none>", "global-default Limited 20 128 6 50",
                "leader-election Limited 10 16 4 50", "node-high Limited 40 64 6 50", "system Limited 30 64 6 50",
                "workload-high Limited 40 128 6 50", "workload-low Limited 100 128 6 50",
            ],
            Lines(levels.Output).Select(WithoutAge));

        var flows = await kubectl.RunAsync("get flowschemas --no-headers");
        Assert.Equal(13, Lines(flows.Output).Length);
        Assert.Contains(Lines(flows.Output), line => Regex.IsMatch(line, "^system-node-high node-high 400 ByUser [0-9]+s False$"));
        Assert.Contains(Lines(flows.Output), line => Regex.IsMatch(line, "^probes exempt 2 <none> [0-9]+s False$"));

        static string WithoutAge(string line) => line[..line.LastIndexOf(' ')];
    }

    [Fact]
    public async Task What_the_system_needs_is_neither_deleted_nor_changed()
    {
        var server = kubectl.Server;
        var refused = (await server.DeleteAsync("/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical")).Expect(403);
        Assert.Equal("priorityclasses.scheduling.k8s.io \"system-node-critical\" is forbidden: this is a system priority class and cannot be deleted", refused.Message);
        refused = (await server.PatchAsync("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/catch-all", """{"spec":{"matchingPrecedence":5}}""")).Expect(422);
        Assert.EndsWith("spec of 'catch-all' must equal the fixed value", refused.Message, StringComparison.Ordinal);
        refused = (await server.PatchAsync("/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/exempt", """{"spec":{"type":"Limited"}}""")).Expect(422);
        Assert.Contains("except the 'spec.exempt' field must equal the fixed value", refused.Message, StringComparison.Ordinal);
        (await server.PatchAsync("/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/exempt", """{"spec":{"exempt":{"lendablePercent":10}}}""")).Expect(200);
    }

    [Fact]
    public async Task One_priority_class_at_most_is_everybodys()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync("/apis/scheduling.k8s.io/v1/priorityclasses", """{"metadata":{"name":"a"},"value":1,"globalDefault":true}""")).Expect(201);
        var refused = (await server.PostAsync("/apis/scheduling.k8s.io/v1/priorityclasses", """{"metadata":{"name":"b"},"value":2,"globalDefault":true}""")).Expect(403);
        Assert.Equal("priorityclasses.scheduling.k8s.io \"b\" is forbidden: PriorityClass a is already marked as default. Only one default can exist", refused.Message);
        (await server.PostAsync("/apis/scheduling.k8s.io/v1/priorityclasses", """{"metadata":{"name":"b"},"value":2}""")).Expect(201);
        (await server.PatchAsync("/apis/scheduling.k8s.io/v1/priorityclasses/b", """{"globalDefault":true}""")).Expect(403);
        var changed = (await server.PatchAsync("/apis/scheduling.k8s.io/v1/priorityclasses/a", """{"description":"for most"}""")).Expect(200);
        Assert.Equal(1, changed.Json["metadata"]!["generation"]!.GetValue<long>());
    }

    private static string[] Lines(string text) => [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => Regex.Replace(line.Trim(), " +", " "))];

    private static string Root([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
