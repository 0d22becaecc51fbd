using Minke.Api.Core.V1;
using Minke.Client;
using Minke.TestSupport;

namespace Minke.Server.Tests;

public sealed class PodSubresourceTests
{
    private const string Pods = "/api/v1/namespaces/default/pods";
    private const string TwoContainers = """{"metadata":{"name":"a"},"spec":{"nodeName":"n","containers":[{"name":"x","image":"x"},{"name":"y","image":"y"}]}}""";

    [Fact]
    public async Task A_pod_is_bound_once()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Pods, """{"metadata":{"name":"a"},"spec":{"containers":[{"name":"x","image":"x"}]}}""")).Expect(201);
        const string Binding = """{"apiVersion":"v1","kind":"Binding","metadata":{"name":"a"},"target":{"kind":"Node","name":"n"}}""";
        Assert.Equal("Success", (await server.PostAsync(Pods + "/a/binding", Binding)).Expect(201).Json["status"]!.GetValue<string>());
        var pod = (await server.GetAsync(Pods + "/a")).Json;
        Assert.Equal("n", pod["spec"]!["nodeName"]!.GetValue<string>());
        Assert.Contains(pod["status"]!["conditions"]!.AsArray(), condition => condition!["type"]!.GetValue<string>() == "PodScheduled");
        Assert.Equal("Operation cannot be fulfilled on pods/binding \"a\": pod a is already assigned to node \"n\"", (await server.PostAsync(Pods + "/a/binding", Binding)).Expect(409).Message);
        Assert.Equal(["a"], (await server.GetAsync(Pods + "?fieldSelector=spec.nodeName%3Dn")).Names);
    }

    [Fact]
    public async Task A_binding_is_to_a_node()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Pods, """{"metadata":{"name":"a"},"spec":{"containers":[{"name":"x","image":"x"}]}}""")).Expect(201);
        Assert.Equal("""Binding "a" is invalid: [target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>", target.name: Required value]""",
            (await server.PostAsync(Pods + "/a/binding", """{"apiVersion":"v1","kind":"Binding","metadata":{"name":"a"},"target":{"kind":"Pod"}}""")).Expect(422).Message);
    }

    [Fact]
    public async Task An_eviction_deletes()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Pods, """{"metadata":{"name":"a"},"spec":{"containers":[{"name":"x","image":"x"}]}}""")).Expect(201);
        (await server.PostAsync(Pods + "/a/eviction", """{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"a"}}""")).Expect(201);
        (await server.GetAsync(Pods + "/a")).Expect(404);
    }

    [Fact]
    public async Task Logs_come_from_the_node_of_the_container_that_is_named()
    {
        await using var server = await TestServer.StartAsync(change: options => options with { Nodes = new FakeNode() });
        (await server.PostAsync(Pods, TwoContainers)).Expect(201);
        Assert.Equal("a/y tail=5 follow=False\n", (await server.GetAsync(Pods + "/a/log?container=y&tailLines=5")).Expect(200).Text);
        Assert.Equal("a container name must be specified for pod a, choose one of: [x y]", (await server.GetAsync(Pods + "/a/log")).Expect(400).Message);
        Assert.Equal("container z is not valid for pod a", (await server.GetAsync(Pods + "/a/log?container=z")).Expect(400).Message);
        Assert.Equal("PodLogOptions \"a\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0",
            (await server.GetAsync(Pods + "/a/log?container=x&tailLines=-1")).Expect(422).Message);
        Assert.Equal("pods \"b\" not found", (await server.GetAsync(Pods + "/b/log")).Expect(404).Message);
    }

    [Fact]
    public async Task Use_is_asked_of_the_nodes()
    {
        await using var server = await TestServer.StartAsync(change: options => options with { Nodes = new FakeNode() });
        (await server.PostAsync("/api/v1/nodes", """{"metadata":{"name":"n"}}""")).Expect(201);
        var usage = (await server.GetAsync("/apis/metrics.k8s.io/v1beta1/nodes/n")).Expect(200).Json["usage"]!;
        Assert.Equal(("1500m", "3Mi"), (usage["cpu"]!.GetValue<string>(), usage["memory"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Events_have_two_forms_and_an_hour()
    {
        var clock = new ManualTime();
        await using var server = await TestServer.StartAsync(clock);
        var client = server.Server.Client;
        await client.CreateAsync(new Event
        {
            Metadata = new() { Name = "e", Namespace = "default" },
            InvolvedObject = new() { Kind = "Pod", Name = "a", Namespace = "default" },
            Reason = "Started",
            Message = "hello",
            Type = "Normal",
            LastTimestamp = Minke.Api.Time.From(clock.GetUtcNow()),
        }, TestServer.Cancelled);
        Assert.Equal("hello", (await client.GetAsync<Minke.Api.Events.V1.Event>("default", "e", TestServer.Cancelled)).Note);

        var list = await client.ListAsync<Event>("default", Selection.All, TestServer.Cancelled);
        clock.Advance(TimeSpan.FromHours(2) + TimeSpan.FromMinutes(1));
        await foreach (var change in client.WatchAsync<Event>("default", Selection.All, list.Metadata.ResourceVersion, TestServer.Cancelled))
        {
            if (change.Type == WatchEventType.Deleted)
                break;
        }
    }
}
