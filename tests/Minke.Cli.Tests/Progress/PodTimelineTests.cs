using System.Text.Json.Nodes;
using Minke.Cli.Progress;

namespace Minke.Cli.Tests.Progress;

public class PodTimelineTests
{
    private readonly PodTimeline _pod = new("shop", "web", Ms(100));

    [Fact]
    public void Steps_are_timed_from_the_beginning_and_counted_once()
    {
        Assert.Equal(["scheduled 5 ms"], See("""{"conditions":[{"type":"PodScheduled","status":"True"}]}""", 105));
        Assert.Empty(See("""{"conditions":[{"type":"PodScheduled","status":"True"}]}""", 110));
        Assert.Equal(["started 40 ms", "ready 40 ms"], See("""
            {"phase":"Running","podIP":"10.42.0.2","conditions":[{"type":"PodScheduled","status":"True"},{"type":"Ready","status":"True"}],
             "containerStatuses":[{"name":"web","state":{"running":{}}}]}
            """, 140));
        Assert.Equal("10.42.0.2", _pod.Address);
        Assert.Equal(["http://10.42.0.2:8080/", "10.42.0.2:9090"], _pod.Endpoints);
        Assert.Equal(ReadyState.Ready, _pod.Readiness.State);
    }

    [Fact]
    public void Pulls_are_seen_in_events()
    {
        Assert.Empty(_pod.SeeEvent("Pulling", "Pulling image \"web:1\"", Ms(110)));
        Assert.Equal("Pulling image \"web:1\"", _pod.Note);
        Assert.Equal("image 20 ms", Assert.Single(_pod.SeeEvent("Pulled", "Successfully pulled", Ms(120))).ToString());
        Assert.Equal("", _pod.Note);
    }

    [Fact]
    public void How_far_a_pull_is_shows_on_a_terminal_always_and_in_a_log_ten_times()
    {
        var output = new StringWriter();
        var plain = new PlainView(output);
        foreach (var percent in (int[])[0, 3, 11, 12, 19, 20, 99, 100])
        {
            See($$$$"""{"phase":"Pending","containerStatuses":[{"name":"c","state":{"waiting":{"reason":"ContainerCreating","message":"Pulling image \"x\": {{{{percent}}}} % of 5.0 MB"}}}]}""", 200);
            Assert.Equal($"Pulling image \"x\": {percent} % of 5.0 MB", _pod.Note);
            plain.Show(_pod, []);
        }
        See("""{"phase":"Pending","containerStatuses":[{"name":"c","state":{"waiting":{"reason":"ContainerCreating"}}}]}""", 200);
        Assert.Equal("", _pod.Note);
        Assert.Equal(["0", "11", "20", "99", "100"], output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(": ")[2].Split(' ')[0]));
    }

    [Theory]
    [InlineData("""{"phase":"Pending","containerStatuses":[{"name":"c","state":{"waiting":{"reason":"ImagePullBackOff","message":"Back-off pulling image \"x\""}}}]}""",
        ReadyState.Waiting, "container c: ImagePullBackOff: Back-off pulling image \"x\"")]
    [InlineData("""{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/1 nodes are available"}]}""",
        ReadyState.Waiting, "Unschedulable: 0/1 nodes are available")]
    [InlineData("""{"phase":"Failed","reason":"DeadlineExceeded","message":"Pod was active on the node longer than the specified deadline"}""",
        ReadyState.Failed, "DeadlineExceeded: Pod was active on the node longer than the specified deadline")]
    [InlineData("""{"phase":"Failed","containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":2,"reason":"Error"}}}]}""",
        ReadyState.Failed, "container c: Error, exit code 2")]
    [InlineData("""{"phase":"Pending","containerStatuses":[{"name":"c","state":{"waiting":{"reason":"ContainerCreating"}}}]}""", ReadyState.Waiting, "Pending")]
    [InlineData("""{"phase":"Succeeded"}""", ReadyState.Ready, "")]
    public void What_is_in_the_way_is_said(string status, object state, string why)
    {
        See(status, 200);
        Assert.Equal(new Readiness((ReadyState)state, why), _pod.Readiness);
    }

    [Theory]
    [InlineData("""{"kind":"Deployment","metadata":{"generation":2},"spec":{"replicas":2},"status":{"observedGeneration":2,"readyReplicas":2}}""", ReadyState.Ready)]
    [InlineData("""{"kind":"Deployment","metadata":{"generation":2},"spec":{"replicas":2},"status":{"observedGeneration":1,"readyReplicas":2}}""", ReadyState.Waiting)]
    [InlineData("""{"kind":"Deployment","metadata":{"generation":1},"spec":{"replicas":2},"status":{"observedGeneration":1}}""", ReadyState.Waiting)]
    [InlineData("""{"kind":"Job","spec":{},"status":{"conditions":[{"type":"Complete","status":"True"}]}}""", ReadyState.Ready)]
    [InlineData("""{"kind":"Job","spec":{},"status":{"conditions":[{"type":"Failed","status":"True","reason":"BackoffLimitExceeded"}]}}""", ReadyState.Failed)]
    [InlineData("""{"kind":"ConfigMap"}""", ReadyState.Ready)]
    public void Workloads_are_ready_when_all_they_ask_for_is(string live, object state) =>
        Assert.Equal((ReadyState)state, Readiness.Of((JsonObject)JsonNode.Parse(live)!).State);

    private string[] See(string status, int at)
    {
        var pod = (JsonObject)JsonNode.Parse("""{"kind":"Pod","spec":{"containers":[{"name":"web","ports":[{"name":"http","containerPort":8080},{"containerPort":9090}]}]}}""")!;
        pod["status"] = JsonNode.Parse(status);
        return [.. _pod.See(pod, Ms(at)).Select(step => step.ToString())];
    }

    private static TimeSpan Ms(int milliseconds) => TimeSpan.FromMilliseconds(milliseconds);
}
