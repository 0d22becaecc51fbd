namespace Minke.Server.Tests;

/// <summary>Evictions stand under the PodDisruptionBudgets of their pods.</summary>
public sealed class EvictionTests
{
    private const string Pods = "/api/v1/namespaces/default/pods";
    private const string Budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    private const string Refused = "Cannot evict pod as it would violate the pod's disruption budget.";

    private static async Task<TestServer> StartAsync(string phase = "Running", bool isReady = true)
    {
        var server = await TestServer.StartAsync();
        (await server.PostAsync(Pods, """{"metadata":{"name":"web","labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"i"}]}}""")).Expect(201);
        var ready = isReady ? "True" : "False";
        (await server.PatchAsync(Pods + "/web/status", $$$"""{"status":{"phase":"{{{phase}}}","conditions":[{"type":"Ready","status":"{{{ready}}}"}]}}""")).Expect(200);
        return server;
    }

    private static async Task BudgetAsync(TestServer server, string status, string extra = "", string name = "budget")
    {
        (await server.PostAsync(Budgets, $$$"""{"metadata":{"name":"{{{name}}}"},"spec":{"minAvailable":1,"selector":{"matchLabels":{"app":"web"}}{{{extra}}}}}""")).Expect(201);
        if (status.Length > 0)
            (await server.PatchAsync($"{Budgets}/{name}/status", $$$"""{"status":{"observedGeneration":1,{{{status}}}}}""")).Expect(200);
    }

    private static Task<Reply> EvictAsync(TestServer server) =>
        server.PostAsync(Pods + "/web/eviction", """{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"web"}}""");

    private static string CauseOf(Reply reply) => reply.Json["details"]!["causes"]![0]!["message"]!.GetValue<string>();

    [Fact]
    public async Task A_budget_that_nobody_has_counted_yet_lets_no_pod_go()
    {
        await using var server = await StartAsync();
        await BudgetAsync(server, "");
        var refused = (await EvictAsync(server)).Expect(429);
        Assert.Equal(Refused, refused.Message);
        Assert.Equal("TooManyRequests", refused.Reason);
        Assert.Equal("""{"causes":[{"reason":"DisruptionBudget","message":"The disruption budget budget is still being processed by the server."}],"retryAfterSeconds":10}""",
            refused.Json["details"]!.ToJsonString());
    }

    [Fact]
    public async Task An_exhausted_budget_says_what_it_needs()
    {
        await using var server = await StartAsync();
        await BudgetAsync(server, "\"disruptionsAllowed\":0,\"currentHealthy\":1,\"desiredHealthy\":1,\"expectedPods\":1");
        Assert.Equal("The disruption budget budget needs 1 healthy pods and has 1 currently", CauseOf((await EvictAsync(server)).Expect(429)));
    }

    [Fact]
    public async Task An_eviction_is_written_into_its_budget()
    {
        await using var server = await StartAsync();
        await BudgetAsync(server, "\"disruptionsAllowed\":1,\"currentHealthy\":2,\"desiredHealthy\":1,\"expectedPods\":2");
        (await server.PostAsync(Pods + "/web/eviction?dryRun=All", """{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"web"}}""")).Expect(201);
        Assert.Equal(1, (await server.GetAsync(Budgets + "/budget")).Json["status"]!["disruptionsAllowed"]!.GetValue<int>());
        (await EvictAsync(server)).Expect(201);
        (await server.GetAsync(Pods + "/web")).Expect(404);
        var status = (await server.GetAsync(Budgets + "/budget")).Json["status"]!;
        Assert.Equal(0, status["disruptionsAllowed"]!.GetValue<int>());
        Assert.Equal(["web"], status["disruptedPods"]!.AsObject().Select(pair => pair.Key));
        Assert.Equal("InsufficientPods", status["conditions"]![0]!["reason"]!.GetValue<string>());
    }

    [Fact]
    public async Task Two_budgets_for_one_pod_are_one_too_many()
    {
        await using var server = await StartAsync();
        await BudgetAsync(server, "");
        await BudgetAsync(server, "", name: "other");
        Assert.Equal("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.", (await EvictAsync(server)).Expect(500).Message);
    }

    [Theory]
    [InlineData("Pending", false, "", "")]
    [InlineData("Succeeded", false, "", "")]
    [InlineData("Running", false, "\"disruptionsAllowed\":0,\"currentHealthy\":1,\"desiredHealthy\":1,\"expectedPods\":2", "")]
    [InlineData("Running", false, "\"disruptionsAllowed\":0,\"currentHealthy\":0,\"desiredHealthy\":1,\"expectedPods\":2", ",\"unhealthyPodEvictionPolicy\":\"AlwaysAllow\"")]
    public async Task A_pod_that_serves_nobody_may_go(string phase, bool isReady, string status, string extra)
    {
        await using var server = await StartAsync(phase, isReady);
        await BudgetAsync(server, status, extra);
        (await EvictAsync(server)).Expect(201);
        (await server.GetAsync(Pods + "/web")).Expect(404);
    }

    [Fact]
    public async Task A_failed_count_is_told()
    {
        await using var server = await StartAsync();
        await BudgetAsync(server,
            "\"conditions\":[{\"type\":\"DisruptionAllowed\",\"status\":\"False\",\"reason\":\"SyncFailed\",\"message\":\"no scale\",\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}]");
        Assert.Equal("The disruption budget budget does not allow evicting pods currently because it failed sync: no scale", CauseOf((await EvictAsync(server)).Expect(429)));
    }

    [Fact]
    public async Task A_budget_counts_its_generations_and_shows_its_shares()
    {
        await using var server = await StartAsync();
        await BudgetAsync(server, "");
        var changed = (await server.PatchAsync(Budgets + "/budget", """{"spec":{"minAvailable":"50%"}}""")).Expect(200);
        Assert.Equal(2, changed.Json["metadata"]!["generation"]!.GetValue<int>());
        var table = (await server.GetAsync(Budgets, "application/json;as=Table;v=v1;g=meta.k8s.io")).Json;
        Assert.Equal(["budget", "50%", "N/A", "0"], table["rows"]![0]!["cells"]!.AsArray().Take(4).Select(cell => cell!.ToString()));
    }
}
