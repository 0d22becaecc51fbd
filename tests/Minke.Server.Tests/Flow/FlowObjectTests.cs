using System.Text.Json.Nodes;

namespace Minke.Server.Tests.Flow;

/// <summary>Flow schemas and priority levels as objects: what they say of themselves, and what stays as it should be.</summary>
public sealed class FlowObjectTests
{
    private const string Schemas = FlowServer.Group + "flowschemas";
    private const string Levels = FlowServer.Group + "prioritylevelconfigurations";

    [Fact]
    public async Task A_schema_says_whether_its_level_is_there()
    {
        await using var server = await TestServer.StartAsync();
        var created = (await server.PostAsync(Schemas, """
            {"metadata":{"name":"lost"},"spec":{"priorityLevelConfiguration":{"name":"nowhere"},"matchingPrecedence":500,
             "rules":[{"subjects":[{"kind":"User","user":{"name":"kate"}}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]}}
            """)).Expect(201);
        Assert.Empty(created.Warnings); // It is acted on.
        var dangling = await DanglingAsync(server, "lost", "True");
        Assert.Equal("NotFound", dangling["reason"]!.GetValue<string>());
        Assert.Equal("This FlowSchema references the PriorityLevelConfiguration object named \"nowhere\" but there is no such object", dangling["message"]!.GetValue<string>());
        Assert.NotNull(dangling["lastTransitionTime"]);

        // Somebody else's condition stays beside it.
        (await server.PatchAsync(Schemas + "/lost/status", """{"status":{"conditions":[{"type":"Mine","status":"True","reason":"ByMe","message":"x","lastTransitionTime":"2030-01-01T00:00:00Z"}]}}""")).Expect(200);
        await server.UntilAsync(Schemas + "/lost", schema => schema["status"]!["conditions"]!.AsArray().Count == 2);

        (await server.PostAsync(Levels, """{"metadata":{"name":"nowhere"},"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Reject"}}}}""")).Expect(201);
        var found = await DanglingAsync(server, "lost", "False");
        Assert.Equal("Found", found["reason"]!.GetValue<string>());
        Assert.Equal("This FlowSchema references the PriorityLevelConfiguration object named \"nowhere\" and it exists", found["message"]!.GetValue<string>());
        (await server.DeleteAsync(Levels + "/nowhere")).Expect(200);
        await DanglingAsync(server, "lost", "True");
    }

    [Fact]
    public async Task What_must_be_there_comes_back_and_stays_as_it_is()
    {
        await using var server = await TestServer.StartAsync();
        var uid = (await server.GetAsync(Levels + "/catch-all")).Json["metadata"]!["uid"]!.GetValue<string>();
        (await server.DeleteAsync(Levels + "/catch-all")).Expect(200);
        await server.UntilAsync(Levels + "/catch-all", level => level["metadata"]!["uid"]!.GetValue<string>() != uid);
        (await server.DeleteAsync(Schemas + "/exempt")).Expect(200);
        var exempt = await server.UntilAsync(Schemas + "/exempt", schema => schema["status"]?["conditions"] is JsonArray { Count: 1 });
        Assert.Equal(1, exempt["spec"]!["matchingPrecedence"]!.GetValue<int>());
        Assert.Equal(
            ["api-priority-and-fairness-config-consumer-v1 status", "api-priority-and-fairness-config-producer-v1 "],
            exempt["metadata"]!["managedFields"]!.AsArray().Select(entry => $"{entry!["manager"]} {entry["subresource"]}"));

        // Nobody can tell the server to leave these alone.
        (await server.PatchAsync(Schemas + "/catch-all", """{"metadata":{"annotations":{"apf.kubernetes.io/autoupdate-spec":"false"}}}""")).Expect(200);
        await server.UntilAsync(Schemas + "/catch-all", schema => Annotation(schema) == "true");
        // The shares of the exempt level are the operator's.
        (await server.PatchAsync(Levels + "/exempt", """{"spec":{"exempt":{"nominalConcurrencyShares":7}}}""")).Expect(200);
        (await server.PatchAsync(Levels + "/exempt", """{"metadata":{"annotations":{"apf.kubernetes.io/autoupdate-spec":"no"}}}""")).Expect(200);
        var level = await server.UntilAsync(Levels + "/exempt", level => Annotation(level) == "true");
        Assert.Equal(7, level["spec"]!["exempt"]!["nominalConcurrencyShares"]!.GetValue<int>());
    }

    [Fact]
    public async Task The_suggested_ones_follow_the_server_unless_told_not_to()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PatchAsync(Levels + "/workload-low", """{"spec":{"limited":{"nominalConcurrencyShares":1}}}""")).Expect(200);
        await server.UntilAsync(Levels + "/workload-low", level => level["spec"]!["limited"]!["nominalConcurrencyShares"]!.GetValue<int>() == 100);

        (await server.PatchAsync(Levels + "/workload-low", """{"metadata":{"annotations":{"apf.kubernetes.io/autoupdate-spec":"false"}},"spec":{"limited":{"nominalConcurrencyShares":1}}}""")).Expect(200);
        (await server.DeleteAsync(Schemas + "/probes")).Expect(200); // and comes back, after the other was looked at
        await server.UntilAsync(Schemas + "/probes", _ => true);
        Assert.Equal(1, (await server.GetAsync(Levels + "/workload-low")).Json["spec"]!["limited"]!["nominalConcurrencyShares"]!.GetValue<int>());

        // Without a word the spec decides whose it is: this one was changed.
        (await server.PatchAsync(Levels + "/workload-low", """{"metadata":{"annotations":null}}""")).Expect(200);
        await server.UntilAsync(Levels + "/workload-low", level => Annotation(level) == "false");
    }

    [Fact]
    public async Task Nothing_is_written_while_all_is_as_it_should_be()
    {
        await using var server = await TestServer.StartAsync();
        string[] before = [.. await VersionsAsync(server, Levels), .. await VersionsAsync(server, Schemas)];
        Assert.Equal(8 + 13, before.Length);
        await using var another = await server.StartAnotherAsync();
        (await another.PostAsync(Levels, """{"metadata":{"name":"mine"},"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Reject"}}}}""")).Expect(201);
        (await another.DeleteAsync(Schemas + "/probes")).Expect(200);
        await server.UntilAsync(Schemas + "/probes", schema => schema["status"]?["conditions"] is not null); // they have looked at everything
        string[] after = [.. await VersionsAsync(server, Levels), .. await VersionsAsync(server, Schemas)];
        Assert.Equal(before.Where(one => !one.StartsWith("probes ", StringComparison.Ordinal)), after.Where(one => !one.StartsWith("probes ", StringComparison.Ordinal) && !one.StartsWith("mine ", StringComparison.Ordinal)));

        static async Task<IEnumerable<string>> VersionsAsync(TestServer server, string path) =>
            (await server.GetAsync(path)).Json["items"]!.AsArray().Select(item => $"{item!["metadata"]!["name"]} {item["metadata"]!["resourceVersion"]}");
    }

    [Fact]
    public async Task What_an_older_server_left_behind_goes()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var (name, follows) in new[] { ("theirs", "true"), ("mine", "false") })
        {
            (await server.PostAsync(Levels, $$$"""
                {"metadata":{"name":"{{{name}}}","annotations":{"apf.kubernetes.io/autoupdate-spec":"{{{follows}}}"}},"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Reject"} } } }
                """)).Expect(201);
        }
        await server.UntilGoneAsync(Levels + "/theirs");
        (await server.GetAsync(Levels + "/mine")).Expect(200);
    }

    [Fact]
    public async Task Every_answer_says_by_which_objects_it_was_sorted()
    {
        await using var flow = await FlowServer.StartAsync();
        foreach (var (method, path, code) in new[]
        {
            (HttpMethod.Get, FlowServer.ConfigMaps, 200), (HttpMethod.Get, FlowServer.ConfigMaps + "/none", 404), (HttpMethod.Get, "/version", 200), (HttpMethod.Get, "/nowhere", 404),
            (HttpMethod.Put, FlowServer.ConfigMaps, 405), (HttpMethod.Get, FlowServer.ConfigMaps + "?limit=x", 400), (HttpMethod.Get, "/api/v1/none", 404),
        })
        {
            using var request = new HttpRequestMessage(method, path) { Version = new(2, 0) };
            using var answer = await flow.Server.Admin.SendAsync(request, TestServer.Cancelled);
            Assert.Equal((code, "exempt", "exempt"), ((int)answer.StatusCode, await NameAsync(flow, Schemas, answer, "FlowSchema"), await NameAsync(flow, Levels, answer, "PriorityLevel")));
        }
        using (var forbidden = await flow.GetAsync("stranger", group: "system:authenticated"))
            Assert.Equal((403, "global-default"), ((int)forbidden.StatusCode, await NameAsync(flow, Schemas, forbidden, "FlowSchema")));
        using (var tester = await flow.GetAsync("tester"))
            Assert.Equal((200, "testers", "small"), ((int)tester.StatusCode, await NameAsync(flow, Schemas, tester, "FlowSchema"), await NameAsync(flow, Levels, tester, "PriorityLevel")));
        // Nobody, and who looks on for long, is not sorted.
        using var anonymous = flow.Server.ClientOf(null);
        using var bad = new HttpRequestMessage(HttpMethod.Get, "/version") { Version = new(2, 0) };
        bad.Headers.Add("Authorization", "Bearer x");
        using var unknown = await anonymous.SendAsync(bad, TestServer.Cancelled);
        Assert.Equal((401, false), ((int)unknown.StatusCode, unknown.Headers.Contains("X-Kubernetes-PF-FlowSchema-UID")));
        using var log = await flow.GetAsync("tester", "/api/v1/namespaces/default/pods/none/log");
        Assert.Equal((404, false), ((int)log.StatusCode, log.Headers.Contains("X-Kubernetes-PF-FlowSchema-UID")));
    }

    [Fact]
    public async Task The_debug_pages_show_levels_queues_and_who_waits()
    {
        await using var flow = await FlowServer.StartAsync("""{"type":"Queue","queuing":{"queues":2,"handSize":1,"queueLengthLimit":5}}""");
        await flow.FillAsync("greedy");
        var waiting = flow.Begin("greedy");
        await flow.UntilAsync("current_inqueue_requests", 1);

        var levels = await TableAsync(flow, "dump_priority_levels");
        Assert.Equal(["PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests", "DispatchedRequests", "RejectedRequests", "TimedoutRequests", "CancelledRequests"], levels[0]);
        Assert.Contains(["small", "1", "false", "false", "1", "3", "3", "0", "0", "0"], levels);
        Assert.Equal(10, levels.Count);
        var queues = await TableAsync(flow, "dump_queues");
        Assert.Contains(queues, row => row is ["small", _, "1", "3", "3", ..]);
        Assert.Contains(["catch-all", .. Enumerable.Repeat("<none>", 8)], queues);
        var requests = await TableAsync(flow, "dump_requests?includeRequestDetails=1");
        Assert.Equal(FlowServer.Seats, requests.Count(row => row is ["small", "testers", _, "-1", "greedy", ..]));
        Assert.Contains(requests, row => row is ["exempt", "exempt", "-1", "-1", "", ..] && row[12] == "/debug/api_priority_and_fairness/dump_requests"); // itself
        var row = Assert.Single(requests, row => row[0] == "small" && row[3] != "-1");
        Assert.Equal(("testers", "0", "greedy", "1", "0s"), (row[1], row[3], row[4], row[6], row[8]));
        Assert.Equal(["greedy", "create", FlowServer.ConfigMaps, "default", "", "v1", "configmaps", ""], row[10..]);

        // A level that is gone serves whom it has before it is.
        (await flow.Server.DeleteAsync(Levels + "/small")).Expect(200);
        await DanglingAsync(flow.Server, "testers", "True");
        Assert.Contains(["small", "1", "false", "true", "1", "3", "3", "0", "0", "0"], await TableAsync(flow, "dump_priority_levels"));
        using (var elsewhere = await flow.GetAsync("greedy"))
            Assert.Equal(200, (int)elsewhere.StatusCode);
        (await flow.Server.GetAsync("/debug/api_priority_and_fairness/none")).Expect(404);
        Assert.False(waiting.Answer.IsCompleted);
    }

    private static async Task<List<string[]>> TableAsync(FlowServer flow, string page) =>
        [.. (await flow.Server.GetAsync("/debug/api_priority_and_fairness/" + page)).Expect(200).Text.TrimEnd('\n').Split('\n').Select(line => line.Split(',', StringSplitOptions.TrimEntries))];

    private static async Task<JsonNode> DanglingAsync(TestServer server, string name, string status)
    {
        var schema = await server.UntilAsync($"{Schemas}/{name}", schema => Find(schema)?["status"]?.GetValue<string>() == status);
        return Find(schema)!;

        static JsonNode? Find(JsonNode schema) => schema["status"]?["conditions"]?.AsArray().FirstOrDefault(one => one!["type"]!.GetValue<string>() == "Dangling");
    }

    private static async Task<string> NameAsync(FlowServer flow, string path, HttpResponseMessage answer, string kind)
    {
        var uid = Assert.Single(answer.Headers.GetValues($"X-Kubernetes-PF-{kind}-UID"));
        return (await flow.Server.GetAsync(path)).Json["items"]!.AsArray().Single(item => item!["metadata"]!["uid"]!.GetValue<string>() == uid)!["metadata"]!["name"]!.GetValue<string>();
    }

    private static string Annotation(JsonNode value) => value["metadata"]!["annotations"]?["apf.kubernetes.io/autoupdate-spec"]?.GetValue<string>() ?? "";
}
