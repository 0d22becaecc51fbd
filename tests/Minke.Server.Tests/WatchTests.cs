using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Minke.Client;
using Minke.Api.Core.V1;

namespace Minke.Server.Tests;

public sealed class WatchTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    [Fact]
    public async Task A_watch_from_nothing_begins_with_what_is_there()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        await using var watch = await Watch.OpenAsync(server, ConfigMaps + "?watch=1");
        Assert.Equal("ADDED a", await watch.NextAsync());
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"b"}}""")).Expect(201);
        Assert.Equal("ADDED b", await watch.NextAsync());
        (await server.PatchAsync(ConfigMaps + "/a", """{"data":{"k":"v"}}""")).Expect(200);
        Assert.Equal("MODIFIED a", await watch.NextAsync());
        (await server.DeleteAsync(ConfigMaps + "/a")).Expect(200);
        Assert.Equal("DELETED a", await watch.NextAsync());
        Assert.True(watch.LastVersion > 0);
    }

    [Fact]
    public async Task A_watch_from_a_revision_tells_what_came_after_it()
    {
        await using var server = await TestServer.StartAsync();
        var list = await server.GetAsync(ConfigMaps);
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        (await server.DeleteAsync(ConfigMaps + "/a")).Expect(200);
        await using var watch = await Watch.OpenAsync(server, $"{ConfigMaps}?watch=1&resourceVersion={list.Version}");
        Assert.Equal(["ADDED a", "DELETED a"], [await watch.NextAsync(), await watch.NextAsync()]);
    }

    [Fact]
    public async Task Objects_enter_and_leave_a_selector()
    {
        await using var server = await TestServer.StartAsync();
        await using var watch = await Watch.OpenAsync(server, ConfigMaps + "?watch=1&labelSelector=on");
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        (await server.PatchAsync(ConfigMaps + "/a", """{"metadata":{"labels":{"on":"1"}}}""")).Expect(200);
        Assert.Equal("ADDED a", await watch.NextAsync());
        (await server.PatchAsync(ConfigMaps + "/a", """{"metadata":{"labels":{"on":null}}}""")).Expect(200);
        Assert.Equal("DELETED a", await watch.NextAsync());
    }

    [Theory]
    [InlineData("/api/v1/watch/namespaces/default/configmaps", "ADDED a", "ADDED b")]
    [InlineData("/api/v1/watch/configmaps", "ADDED a", "ADDED b")]
    [InlineData("/api/v1/watch/namespaces/default/configmaps/b", "ADDED b")]
    public async Task The_old_paths_watch_too(string path, params string[] expected)
    {
        await using var server = await TestServer.StartAsync();
        foreach (var name in (string[])["a", "b"])
            (await server.PostAsync(ConfigMaps, $$"""{"metadata":{"name":"{{name}}"} }""")).Expect(201);
        await using var watch = await Watch.OpenAsync(server, path);
        foreach (var one in expected)
            Assert.Equal(one, await watch.NextAsync());
        // The name's own path does not: the parameter says nothing there.
        Assert.Equal("ConfigMap", (await server.GetAsync(ConfigMaps + "/a?watch=1")).Expect(200).Json["kind"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_streaming_list_ends_with_a_bookmark()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        await using var watch = await Watch.OpenAsync(
            server, ConfigMaps + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
        Assert.Equal("ADDED a", await watch.NextAsync());
        Assert.Equal("BOOKMARK ", await watch.NextAsync());
        Assert.Equal("true", watch.Last["metadata"]!["annotations"]!["k8s.io/initial-events-end"]!.GetValue<string>());
        Assert.Equal("""{"kind":"ConfigMapList","apiVersion":"v1","metadata":{},"items":[]}""", Blueprint(watch));
        await using var metadata = await Watch.OpenAsync(
            server, ConfigMaps + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=none",
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
        Assert.Equal("BOOKMARK ", await metadata.NextAsync());
        Assert.Equal("""{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{},"items":[]}""", Blueprint(metadata));

        // What client-go puts the objects into, when a list is streamed.
        static string Blueprint(Watch watch) => Encoding.UTF8.GetString(Convert.FromBase64String(
            watch.Last["metadata"]!["annotations"]!["kubernetes.io/initial-events-list-blueprint"]!.GetValue<string>()));
    }

    [Fact]
    public async Task A_watch_over_a_websocket_has_a_message_for_each_change()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        using var http = server.ClientOf(server.Pki.Admin, HttpVersion.Version11);
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new($"wss://{server.Endpoint}{ConfigMaps}?watch=1"), http, TestServer.Cancelled);
        Assert.Equal("ADDED a", await NextAsync());
        (await server.DeleteAsync(ConfigMaps + "/a")).Expect(200);
        Assert.Equal("DELETED a", await NextAsync());
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, TestServer.Cancelled);

        async Task<string> NextAsync()
        {
            var buffer = new byte[16 * 1024];
            var received = await socket.ReceiveAsync(buffer.AsMemory(), TestServer.Cancelled);
            Assert.Equal((WebSocketMessageType.Text, true), (received.MessageType, received.EndOfMessage));
            var change = JsonNode.Parse(buffer.AsSpan(0, received.Count))!;
            return $"{change["type"]} {change["object"]!["metadata"]!["name"]}";
        }
    }

    [Fact]
    public async Task A_watch_ends_when_its_time_is_up()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal("", (await server.GetAsync(ConfigMaps + "?watch=1&resourceVersion=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dnone")).Expect(200).Text);
    }

    [Fact]
    public async Task Tables_are_watched_row_by_row()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"b"}}""")).Expect(201);
        await using var watch = await Watch.OpenAsync(server, ConfigMaps + "?watch=1", "application/json;as=Table;v=v1;g=meta.k8s.io");
        await watch.NextAsync();
        Assert.Equal(3, watch.Last["columnDefinitions"]!.AsArray().Count);
        Assert.Equal("a", watch.Last["rows"]![0]!["cells"]![0]!.GetValue<string>());
        await watch.NextAsync();
        Assert.Null(watch.Last["columnDefinitions"]);
    }

    [Fact]
    public async Task In_process_clients_see_the_same_and_share_the_objects()
    {
        await using var server = await TestServer.StartAsync();
        var client = server.Server.Client;
        var list = await client.ListAsync<ConfigMap>(null, Selection.All, TestServer.Cancelled);
        var created = await client.CreateAsync(new ConfigMap { Metadata = new() { Name = "a", Namespace = "default" } }, TestServer.Cancelled);
        Assert.Same(created, await client.GetAsync<ConfigMap>("default", "a", TestServer.Cancelled));
        await foreach (var change in client.WatchAsync<ConfigMap>(null, Selection.All, list.Metadata.ResourceVersion, TestServer.Cancelled))
        {
            Assert.Equal(WatchEventType.Added, change.Type);
            Assert.Same(created, change.Object);
            break;
        }
    }
}
