using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Control.Lifecycle.Ownership;

namespace Minke.Server.Tests.Lifecycle;

/// <summary>The garbage collector over a whole API server; ConfigMaps own each other, as they need no other controller.</summary>
public sealed class GarbageCollectorTests : IAsyncLifetime
{
    private const string Maps = "/api/v1/namespaces/default/configmaps";

    private readonly CancellationTokenSource _stop = new();
    private TestServer _server = null!;
    private Task _collecting = Task.CompletedTask;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync(change: options => options with { HasGarbageCollector = true });
        _collecting = new GarbageCollector(
            _server.Server.Client.As("generic-garbage-collector"), _server.Server.Kinds, TimeProvider.System, NullLoggerFactory.Instance).RunAsync(_stop.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _collecting;
        await _server.DisposeAsync();
        _stop.Dispose();
    }

    [Fact]
    public async Task What_an_owner_leaves_behind_is_deleted_through_all_generations()
    {
        var grandparent = await CreateAsync("grandparent");
        var parent = await CreateAsync("parent", owners: [grandparent]);
        await CreateAsync("child", owners: [parent]);

        Assert.Equal(200, (await _server.SendAsync(HttpMethod.Delete, $"{Maps}/grandparent")).Code);

        await GoneAsync("parent");
        await GoneAsync("child");
    }

    [Fact]
    public async Task An_owner_in_another_namespace_owns_nothing_and_an_event_says_so()
    {
        var elsewhere = (await _server.PostAsync("/api/v1/namespaces/kube-system/configmaps", """{"metadata":{"name":"owner"}}""")).Expect(201).Json;
        var uid = (string)elsewhere["metadata"]!["uid"]!;
        await CreateAsync("child", owners: [("owner", uid)]);

        await GoneAsync("child");
        var events = await _server.UntilAsync("/api/v1/namespaces/default/events?fieldSelector=reason=OwnerRefInvalidNamespace", list => list["items"]!.AsArray().Count == 1);
        Assert.Equal(
            $"ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: {uid}] does not exist in namespace \"default\"",
            (string?)events["items"]![0]!["message"]);
        Assert.Equal("garbage-collector-controller", (string?)events["items"]![0]!["source"]!["component"]);
    }

    [Fact]
    public async Task With_another_owner_left_only_the_reference_goes()
    {
        var one = await CreateAsync("one");
        var other = await CreateAsync("other");
        await CreateAsync("child", owners: [one, other]);

        await _server.SendAsync(HttpMethod.Delete, $"{Maps}/one");

        var child = await _server.UntilAsync($"{Maps}/child", map => map["metadata"]!["ownerReferences"]!.AsArray().Count == 1);
        Assert.Equal("other", (string?)child["metadata"]!["ownerReferences"]![0]!["name"]);
    }

    [Fact]
    public async Task Foreground_deletion_waits_for_dependents_that_block_it()
    {
        var parent = await CreateAsync("parent");
        await CreateAsync("held", owners: [parent], finalizers: ["example.com/held"], blocks: true);
        await CreateAsync("bystander", owners: [parent]);

        var reply = await _server.SendAsync(HttpMethod.Delete, $"{Maps}/parent", """{"propagationPolicy":"Foreground"}""");
        Assert.Equal(202, reply.Code);
        Assert.Equal("foregroundDeletion", (string?)reply.Json["metadata"]!["finalizers"]![0]);
        await _server.UntilAsync($"{Maps}/held", map => map["metadata"]!["deletionTimestamp"] is not null);
        Assert.Equal(200, (await _server.GetAsync($"{Maps}/parent")).Code);

        await _server.SendAsync(HttpMethod.Patch, $"{Maps}/held", """{"metadata":{"finalizers":null}}""", "application/merge-patch+json");
        await GoneAsync("parent");
        await GoneAsync("bystander");
    }

    [Fact]
    public async Task Orphans_lose_the_reference_and_stay()
    {
        var parent = await CreateAsync("parent");
        await CreateAsync("child", owners: [parent]);

        await _server.SendAsync(HttpMethod.Delete, $"{Maps}/parent", """{"propagationPolicy":"Orphan"}""");

        await GoneAsync("parent");
        var child = (await _server.GetAsync($"{Maps}/child")).Json;
        Assert.Null(child["metadata"]!["ownerReferences"]);
        Assert.Null(child["metadata"]!["deletionTimestamp"]);
    }

    [Fact]
    public async Task An_owner_that_never_was_or_lives_in_another_namespace_is_no_owner()
    {
        await CreateAsync("nobodys", owners: [("ghost", "11111111-2222-3333-4444-555555555555")]);
        await GoneAsync("nobodys");

        var elsewhere = (await _server.PostAsync("/api/v1/namespaces/kube-system/configmaps", """{"metadata":{"name":"elsewhere"}}""")).Json;
        await CreateAsync("astray", owners: [("elsewhere", (string)elsewhere["metadata"]!["uid"]!)]);
        await GoneAsync("astray");
        Assert.Equal(200, (await _server.GetAsync("/api/v1/namespaces/kube-system/configmaps/elsewhere")).Code);
    }

    [Fact]
    public async Task A_name_that_was_taken_again_by_another_is_not_the_owner()
    {
        var (name, uid) = await CreateAsync("parent");
        await _server.SendAsync(HttpMethod.Delete, $"{Maps}/parent");
        await CreateAsync("parent");
        await CreateAsync("child", owners: [(name, uid)]);

        await GoneAsync("child");
        Assert.Equal(200, (await _server.GetAsync($"{Maps}/parent")).Code);
    }

    [Fact]
    public async Task Owners_in_a_circle_go_together()
    {
        var one = await CreateAsync("one");
        var two = await CreateAsync("two", owners: [one], blocks: true);
        await _server.SendAsync(HttpMethod.Patch, $"{Maps}/one", new JsonObject
        {
            ["metadata"] = new JsonObject { ["ownerReferences"] = References([two], blocks: true) },
        }.ToJsonString(), "application/merge-patch+json");

        await _server.SendAsync(HttpMethod.Delete, $"{Maps}/one", """{"propagationPolicy":"Foreground"}""");

        await GoneAsync("one");
        await GoneAsync("two");
    }

    private async Task<(string Name, string Uid)> CreateAsync(
        string name, (string Name, string Uid)[]? owners = null, string[]? finalizers = null, bool blocks = false)
    {
        var metadata = new JsonObject { ["name"] = name };
        if (owners is not null)
            metadata["ownerReferences"] = References(owners, blocks);
        if (finalizers is not null)
            metadata["finalizers"] = new JsonArray([.. finalizers]);
        var reply = await _server.PostAsync(Maps, new JsonObject { ["metadata"] = metadata }.ToJsonString());
        Assert.Equal(201, reply.Code);
        return (name, (string)reply.Json["metadata"]!["uid"]!);
    }

    private static JsonArray References((string Name, string Uid)[] owners, bool blocks) => [.. owners.Select(owner => new JsonObject
    {
        ["apiVersion"] = "v1", ["kind"] = "ConfigMap", ["name"] = owner.Name, ["uid"] = owner.Uid, ["blockOwnerDeletion"] = blocks,
    })];

    private Task GoneAsync(string name) => _server.UntilAsync(Maps, list => list["items"]!.AsArray().All(item => (string?)item!["metadata"]!["name"] != name));
}
