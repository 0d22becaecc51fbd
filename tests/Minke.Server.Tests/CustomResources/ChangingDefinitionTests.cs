using System.Text.Json.Nodes;

namespace Minke.Server.Tests.CustomResources;

/// <summary>A definition that changes, goes and comes back while clients write, list and watch its objects.</summary>
public sealed class ChangingDefinitionTests
{
    private const string Definition = Definitions.Path + "/crontabs.stable.example.com";

    private static string ItemsOf(string version) => $"/apis/stable.example.com/{version}/namespaces/default/crontabs";

    [Fact]
    public async Task Schemas_and_storage_versions_change_under_its_writers()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(TwoVersions("integer", "v1"));
        await UnderLoadAsync(server, async () =>
        {
            for (var round = 0; round < 12; round++)
            {
                (await server.PatchAsync(Definition, TwoVersions(round % 2 == 0 ? "string" : "integer", round % 3 == 0 ? "v2" : "v1"))).Expect(200);
                (await server.GetAsync(ItemsOf("v1"))).Expect(200);
            }
        });
        // Whatever was written by whichever schema is readable in every version, in the version asked for and without what was never a field.
        foreach (var version in (string[])["v1", "v2"])
        {
            var items = (await server.GetAsync(ItemsOf(version))).Expect(200).Json["items"]!.AsArray();
            Assert.NotEmpty(items);
            Assert.All(items, item => Assert.Equal(($"stable.example.com/{version}", null), (item!["apiVersion"]!.ToString(), item["spec"]!["unknown"])));
        }
    }

    [Fact]
    public async Task It_goes_and_comes_back_under_its_writers()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(TwoVersions("integer", "v1"));
        await UnderLoadAsync(server, async () =>
        {
            for (var round = 0; round < 4; round++)
            {
                (await server.DeleteAsync(Definition)).Expect(200);
                await server.UntilGoneAsync(Definition);
                await server.EstablishAsync(TwoVersions("integer", round % 2 == 0 ? "v2" : "v1"));
            }
        });
        (await server.DeleteAsync(Definition)).Expect(200);
        await server.UntilGoneAsync(Definition);
        // Nothing that was written too late is there when the kind is.
        await server.EstablishAsync(TwoVersions("integer", "v1"));
        Assert.Empty((await server.GetAsync(ItemsOf("v1"))).Expect(200).Names);
    }

    /// <summary>Changes while three write and one watches; none of them is told that the server failed.</summary>
    private static async Task UnderLoadAsync(TestServer server, Func<Task> changeAsync)
    {
        using var stop = new CancellationTokenSource();
        var work = Enumerable.Range(0, 3).Select(number => WriteAsync(server, number, stop.Token)).Append(WatchAsync(server, stop.Token)).ToList();
        try
        {
            await changeAsync();
        }
        finally
        {
            await stop.CancelAsync();
        }
        await Task.WhenAll(work);
    }

    private static async Task WriteAsync(TestServer server, int number, CancellationToken stop)
    {
        for (var round = 0; !stop.IsCancellationRequested; round++)
        {
            var version = (round + number) % 2 == 0 ? "v1" : "v2";
            var (items, name) = (ItemsOf(version), $"n{number}-{round % 5}");
            var spec = $$"""{"size":{{(round % 2 == 0 ? "1" : "\"x\"")}},"unknown":true}""";
            Judge(await server.PostAsync(items, Item(version, name, spec)));
            Judge(await server.PatchAsync($"{items}/{name}", $$"""{"spec":{{spec}}}"""));
            Judge(await server.SendAsync(HttpMethod.Patch, $"{items}/{name}?fieldManager=m&force=true", Item(version, name, "{}"), "application/apply-patch+yaml"));
            Judge(await server.GetAsync(items));
            if (round % 7 == 6)
                Judge(await server.DeleteAsync($"{items}/{name}"));
        }
    }

    private static string Item(string version, string name, string spec) =>
        $$"""{"apiVersion":"stable.example.com/{{version}}","kind":"CronTab","metadata":{"name":"{{name}}"},"spec":{{spec}}}""";

    /// <summary>Done, or refused for a reason: invalid by the schema of the moment, taken, changed by another, not there, or not to be created because it is going.</summary>
    private static void Judge(Reply reply) =>
        Assert.True(reply.Code is 200 or 201 or 404 or 405 or 409 or 422, $"{reply.Code}: {reply.Text}");

    private static async Task WatchAsync(TestServer server, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            var list = await server.GetAsync(ItemsOf("v1"));
            Judge(list);
            if (list.Code != 200)
                continue;
            try
            {
                // Ends with every change of the definition.
                await foreach (var (type, value) in server.WatchAsync($"{ItemsOf("v1")}?resourceVersion={list.Version}", stop))
                    Assert.True(type != "ERROR" || value["code"]!.GetValue<int>() == 410, value.ToJsonString());
            }
            catch (HttpRequestException e) when (e.StatusCode is System.Net.HttpStatusCode.NotFound)
            {
                // The kind is not there just now.
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // The end.
            }
        }
    }

    private static string TwoVersions(string type, string stored)
    {
        string Version(string name) => $$$"""
            {"name":"{{{name}}}","served":true,"storage":{{{(name == stored ? "true" : "false")}}},"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"{{{type}}}"} } } } } } }
            """;
        return $$$"""
            {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"crontabs.stable.example.com"},
             "spec":{"group":"stable.example.com","scope":"Namespaced","names":{"plural":"crontabs","kind":"CronTab"},"versions":[{{{Version("v1")}}},{{{Version("v2")}}}]} }
            """;
    }
}
