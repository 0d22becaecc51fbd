using System.Text;
using System.Text.Json.Nodes;

namespace Minke.Node.Tests.Pods;

/// <summary>The pages a node has about itself, at the kubelet's paths.</summary>
public sealed class NodeDocumentTests
{
    [Fact]
    public async Task A_node_tells_of_its_pods_their_use_and_its_settings()
    {
        await using var node = await TestNode.StartAsync();
        await node.CreateAsync(Make.Pod("web"));
        var pod = await node.UntilRunningAsync("web");

        Assert.Equal("ok", await TextAsync("/healthz"));
        var pods = JsonNode.Parse(await TextAsync("/pods"))!;
        Assert.Equal(("PodList", "web", "Running"), ((string?)pods["kind"], (string?)pods["items"]![0]!["metadata"]!["name"], (string?)pods["items"]![0]!["status"]!["phase"]));
        Assert.Single(JsonNode.Parse(await TextAsync("/runningpods/"))!["items"]!.AsArray());
        var settings = JsonNode.Parse(await TextAsync("/configz"))!["kubeletconfig"]!;
        Assert.Equal(("KubeletConfiguration", "cluster.local", 500), ((string?)settings["kind"], (string?)settings["clusterDomain"], (int)settings["maxPods"]!));
        Assert.Contains("kubelet_running_containers{container_state=\"running\"} 1\n", await TextAsync("/metrics"), StringComparison.Ordinal);
        Assert.Matches("(?m)^container_memory_working_set_bytes\\{container=\"web\",namespace=\"default\",pod=\"web\"\\} [0-9]+ [0-9]+$", await TextAsync("/metrics/resource"));

        var asking = TextAsync("/stats/summary");
        while (!asking.IsCompleted)
        {
            node.Time.Advance(TimeSpan.FromSeconds(1)); // A rate is of the time between two looks.
            await Task.Yield();
        }
        var summary = JsonNode.Parse(await asking)!;
        Assert.Equal(pod.Metadata.Uid, (string?)summary["pods"]![0]!["podRef"]!["uid"]);
        Assert.NotNull(summary["pods"]![0]!["containers"]![0]!["cpu"]!["usageCoreNanoSeconds"]);
        Assert.NotNull(summary["node"]!["memory"]!["workingSetBytes"]);
        Assert.Null(await node.Agent.Endpoint.ReadAsync("/run/default/web/web", node.Deadline));

        async Task<string> TextAsync(string path) => Encoding.UTF8.GetString((await node.Agent.Endpoint.ReadAsync(path, node.Deadline))!.Body);
    }
}
