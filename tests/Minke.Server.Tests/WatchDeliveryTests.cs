using Minke.Api.Core.V1;
using Minke.Client;
using Minke.TestSupport;

namespace Minke.Server.Tests;

/// <summary>Bookmarks, projections, and watchers that do not keep up.</summary>
public sealed class WatchDeliveryTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    [Fact]
    public async Task A_quiet_watch_gets_a_bookmark_a_minute_that_knows_of_everything_else()
    {
        var clock = new ManualTime();
        await using var server = await TestServer.StartAsync(clock);
        var client = server.Server.Client;
        var list = await client.ListAsync<ConfigMap>(null, Selection.All, TestServer.Cancelled);
        await using var watch = client.WatchAsync<ConfigMap>(null, Selection.All, list.Metadata.ResourceVersion, TestServer.Cancelled).GetAsyncEnumerator(TestServer.Cancelled);
        for (var i = 0; i < 2; i++)
        {
            var secret = await client.CreateAsync(new Secret { Metadata = new() { GenerateName = "s-", Namespace = "default" } }, TestServer.Cancelled);
            var next = watch.MoveNextAsync().AsTask();
            Assert.False(next.IsCompleted);
            clock.Advance(TimeSpan.FromSeconds(61));
            Assert.True(await next.WaitAsync(TimeSpan.FromSeconds(60), TestServer.Cancelled));
            Assert.Equal((WatchEventType.Bookmark, secret.Metadata.ResourceVersion), (watch.Current.Type, watch.Current.ResourceVersion));
        }
    }

    [Fact]
    public async Task A_watch_that_ends_says_first_how_far_it_came()
    {
        await using var server = await TestServer.StartAsync();
        await using var watch = await Watch.OpenAsync(server, ConfigMaps + "?watch=1&allowWatchBookmarks=true&timeoutSeconds=3&resourceVersion=1");
        Assert.Equal("BOOKMARK ", await watch.NextAsync());
        Assert.Equal(("ConfigMap", server.Store.CurrentRevision.Value), (watch.Last["kind"]!.GetValue<string>(), watch.LastVersion));
        Assert.Null(await watch.LineAsync());
        // Whoever did not ask for bookmarks gets none.
        await using var plain = await Watch.OpenAsync(server, ConfigMaps + "?watch=1&timeoutSeconds=3&resourceVersion=1");
        Assert.Null(await plain.LineAsync());
    }

    [Fact]
    public async Task Metadata_alone_can_be_watched()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"},"data":{"k":"v"}}""")).Expect(201);
        await using var watch = await Watch.OpenAsync(server, ConfigMaps + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
        Assert.Equal("ADDED a", await watch.NextAsync());
        Assert.Equal("PartialObjectMetadata", watch.Last["kind"]!.GetValue<string>());
        Assert.Null(watch.Last["data"]);
        Assert.Equal("BOOKMARK ", await watch.NextAsync());
        Assert.Equal("true", watch.Last["metadata"]!["annotations"]!["k8s.io/initial-events-end"]!.GetValue<string>());
    }

    /// <summary>Watchers share encodings: each must get the one it asked for.</summary>
    [Fact]
    public async Task Watchers_of_one_change_each_get_it_in_their_own_form()
    {
        await using var server = await TestServer.StartAsync();
        const string events = "/apis/events.k8s.io/v1/namespaces/default/events";
        (string Path, string Accept, string Kind, string ApiVersion)[] forms =
        [
            (events, "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "PartialObjectMetadata", "meta.k8s.io/v1"),
            (events, "application/json;as=PartialObjectMetadata;v=v1beta1;g=meta.k8s.io", "PartialObjectMetadata", "meta.k8s.io/v1beta1"),
            (events, "application/json", "Event", "events.k8s.io/v1"),
            ("/api/v1/namespaces/default/events", "application/json", "Event", "v1"),
            (events, "application/json", "Event", "events.k8s.io/v1"),
        ];
        var watches = new List<Watch>();
        foreach (var (path, accept, _, _) in forms)
            watches.Add(await Watch.OpenAsync(server, path + "?watch=1", accept));
        (await server.PostAsync(events, """
            {"metadata":{"name":"e"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"x/y","reportingInstance":"z","action":"a","reason":"r","type":"Normal",
            "regarding":{"kind":"Pod","namespace":"default","name":"p"} }
            """)).Expect(201);
        foreach (var (watch, form) in watches.Zip(forms))
        {
            Assert.Equal("ADDED e", await watch.NextAsync());
            Assert.Equal((form.Kind, form.ApiVersion), ((string)watch.Last["kind"]!, (string)watch.Last["apiVersion"]!));
            await watch.DisposeAsync();
        }
    }

    [Fact]
    public async Task What_enters_and_leaves_a_selection_comes_and_goes_for_its_watcher()
    {
        await using var server = await TestServer.StartAsync();
        const string Pods = "/api/v1/namespaces/default/pods";
        await using var running = await Watch.OpenAsync(server, Pods + "?watch=1&fieldSelector=status.phase%3DRunning");
        await using var labelled = await Watch.OpenAsync(server, Pods + "?watch=1&labelSelector=on");
        await using var named = await Watch.OpenAsync(server, Pods + "?watch=1&fieldSelector=metadata.name%3Da");
        (await server.PostAsync(Pods, """{"metadata":{"name":"a"},"spec":{"nodeName":"n","containers":[{"name":"x","image":"x"}]}}""")).Expect(201);
        (await server.PostAsync(Pods, """{"metadata":{"name":"b"},"spec":{"containers":[{"name":"x","image":"x"}]}}""")).Expect(201);
        (await server.PatchAsync(Pods + "/a/status", """{"status":{"phase":"Running"}}""")).Expect(200);
        (await server.PatchAsync(Pods + "/a", """{"metadata":{"labels":{"on":"1"}}}""")).Expect(200);
        var ended = (await server.PatchAsync(Pods + "/a/status", """{"status":{"phase":"Failed","message":"gone"}}""")).Expect(200);
        (await server.PatchAsync(Pods + "/a", """{"metadata":{"labels":{"on":null}}}""")).Expect(200);

        Assert.Equal(["ADDED a", "MODIFIED a", "DELETED a"], [await running.NextAsync(), await running.NextAsync(), await running.NextAsync()]);
        // What left is shown as it last was in the selection, at the revision of its leaving.
        Assert.Equal(("Running", ended.Version), (running.Last["status"]!["phase"]!.GetValue<string>(), running.Last["metadata"]!["resourceVersion"]!.GetValue<string>()));
        Assert.Equal(["ADDED a", "MODIFIED a", "DELETED a"], [await labelled.NextAsync(), await labelled.NextAsync(), await labelled.NextAsync()]);
        Assert.Equal("1", labelled.Last["metadata"]!["labels"]!["on"]!.GetValue<string>());
        foreach (var expected in (string[])["ADDED a", "MODIFIED a", "MODIFIED a", "MODIFIED a", "MODIFIED a"])
            Assert.Equal(expected, await named.NextAsync());
    }

    [Fact]
    public async Task A_watcher_that_does_not_read_is_cut_off_and_told_and_slows_nobody()
    {
        const int Writes = 120;
        await using var server = await TestServer.StartAsync(store: new() { WatchLagAtMost = 20 });
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        await using var slow = await Watch.OpenAsync(server, ConfigMaps + "?watch=1");
        await using var quick = await Watch.OpenAsync(server, ConfigMaps + "?watch=1");
        Assert.Equal("ADDED a", await quick.NextAsync());
        var filler = new string('x', 200_000);
        for (var i = 0; i < Writes; i++)
        {
            (await server.PatchAsync(ConfigMaps + "/a", $$"""{"data":{"filler":"{{filler}}","n":"{{i}}"} }""")).Expect(200);
            Assert.Equal("MODIFIED a", await quick.NextAsync());
        }

        // It gets what was under way, then the reason, then the end.
        var seen = new List<string>();
        while (seen.Count == 0 || !seen[^1].StartsWith("ERROR", StringComparison.Ordinal))
            seen.Add(await slow.NextAsync());
        Assert.InRange(seen.Count, 2, Writes);
        Assert.Equal((410, "Expired", "too old resource version: the watch was not read fast enough"),
            (slow.Last["code"]!.GetValue<int>(), slow.Last["reason"]!.GetValue<string>(), slow.Last["message"]!.GetValue<string>()));
        Assert.Null(await slow.LineAsync());
    }
}
