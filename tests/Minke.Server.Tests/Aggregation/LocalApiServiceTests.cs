using System.Text.Json.Nodes;
using Minke.Server.Tests.CustomResources;

namespace Minke.Server.Tests.Aggregation;

/// <summary>Every group and version that the server serves itself has an APIService that says so.</summary>
public sealed class LocalApiServiceTests
{
    private const string Path = "/apis/apiregistration.k8s.io/v1/apiservices";

    [Fact]
    public async Task What_is_built_in_is_registered_with_upstreams_priorities()
    {
        await using var server = await TestServer.StartAsync();
        var all = (await server.GetAsync(Path)).Expect(200).Json["items"]!.AsArray().ToDictionary(one => (string)one!["metadata"]!["name"]!, one => one!);
        Assert.Equal([18000, 1], Priorities(all["v1."]));
        Assert.Equal([17800, 15], Priorities(all["v1.apps"]));
        Assert.Equal([17500, 15], Priorities(all["v1.autoscaling"]));
        Assert.Equal([17500, 30], Priorities(all["v2.autoscaling"]));
        Assert.Equal([16100, 21], Priorities(all["v1.flowcontrol.apiserver.k8s.io"]));
        Assert.Equal([100, 100], Priorities(all["v1beta1.metrics.k8s.io"]));
        Assert.DoesNotContain("v1.apiregistration.k8s.io", all.Keys);
        Assert.Equal("onstart", (string?)all["v1.apps"]["metadata"]!["labels"]!["kube-aggregator.kubernetes.io/automanaged"]);
        Assert.Equal("True Local Local APIServices are always available", Condition(all["v1.apps"]));
        Assert.All(all.Values, one => Assert.Null(one["spec"]!["service"]));
    }

    [Fact]
    public async Task One_of_custom_kinds_lives_as_long_as_they_are_served()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab());
        var made = await server.UntilAsync(Path + "/v1.stable.example.com", _ => true);
        Assert.Equal([1000, 100], Priorities(made));
        Assert.Equal("true", (string?)made["metadata"]!["labels"]!["kube-aggregator.kubernetes.io/automanaged"]);
        // Whoever deletes or changes it has it back.
        (await server.PatchAsync(Path + "/v1.stable.example.com", """{"spec":{"versionPriority":7}}""")).Expect(200);
        await server.UntilAsync(Path + "/v1.stable.example.com", one => Priorities(one)[1] == 100);
        (await server.DeleteAsync(Path + "/v1.stable.example.com")).Expect(200);
        await server.UntilAsync(Path + "/v1.stable.example.com", one => (string?)one["metadata"]!["uid"] != (string?)made["metadata"]!["uid"]);
        (await server.DeleteAsync(Definitions.Path + "/crontabs.stable.example.com")).Expect(200);
        await server.UntilGoneAsync(Path + "/v1.stable.example.com");
    }

    [Fact]
    public async Task One_that_is_built_in_is_put_right_by_a_start_and_left_alone_between()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PatchAsync(Path + "/v1.batch", """{"spec":{"groupPriorityMinimum":1}}""")).Expect(200);
        (await server.DeleteAsync(Path + "/v1.policy")).Expect(200);
        (await server.PatchAsync(Path + "/v1.apps", """{"metadata":{"labels":{"kube-aggregator.kubernetes.io/automanaged":null}},"spec":{"groupPriorityMinimum":2}}""")).Expect(200);
        var groups = await GroupsAsync(server);
        Assert.Equal(["metrics.k8s.io", "apps", "batch"], groups[^3..]);
        await using var again = await server.StartAnotherAsync();
        await again.UntilAsync(Path + "/v1.batch", one => Priorities(one)[0] == 17400);
        (await again.GetAsync(Path + "/v1.policy")).Expect(200);
        Assert.Equal(2, Priorities((await again.GetAsync(Path + "/v1.apps")).Expect(200).Json)[0]);
    }

    private static async Task<string[]> GroupsAsync(TestServer server)
    {
        var list = await server.AskUntilAsync("/apis", reply => (string?)reply.Json["groups"]!.AsArray()[^1]!["name"] == "batch");
        return [.. list.Json["groups"]!.AsArray().Select(group => (string)group!["name"]!)];
    }

    private static int[] Priorities(JsonNode service) => [(int)service["spec"]!["groupPriorityMinimum"]!, (int)service["spec"]!["versionPriority"]!];

    private static string Condition(JsonNode service) =>
        service["status"]!["conditions"]!.AsArray().Single()! is var one ? $"{one["status"]} {one["reason"]} {one["message"]}" : "";
}
