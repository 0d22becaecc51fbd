namespace Minke.Server.Tests;

public sealed class ListTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    [Fact]
    public async Task A_list_in_pieces_shows_one_revision()
    {
        await using var server = await WithConfigMapsAsync("a", "b", "c", "d", "e");
        var first = (await server.GetAsync(ConfigMaps + "?limit=2")).Expect(200);
        Assert.Equal(["a", "b"], first.Names);
        Assert.Equal(3, first.Json["metadata"]!["remainingItemCount"]!.GetValue<int>());
        var token = first.Json["metadata"]!["continue"]!.GetValue<string>();

        (await server.DeleteAsync(ConfigMaps + "/c")).Expect(200);
        var second = (await server.GetAsync($"{ConfigMaps}?limit=2&continue={token}")).Expect(200);
        Assert.Equal(["c", "d"], second.Names);
        Assert.Equal(first.Version, second.Version);
        token = second.Json["metadata"]!["continue"]!.GetValue<string>();
        var third = (await server.GetAsync($"{ConfigMaps}?limit=2&continue={token}")).Expect(200);
        Assert.Equal(["e"], third.Names);
        Assert.Null(third.Json["metadata"]!["continue"]);
    }

    [Theory]
    [InlineData("labelSelector=name%3Da", "a")]
    [InlineData("labelSelector=name+in+(a,b)", "a b")]
    [InlineData("labelSelector=name+notin+(a,b)", "c")]
    [InlineData("labelSelector=name!=a", "b c")]
    [InlineData("labelSelector=name,!other", "a b c")]
    [InlineData("labelSelector=other", "")]
    [InlineData("fieldSelector=metadata.name%3Db", "b")]
    [InlineData("fieldSelector=metadata.name!%3Db", "a c")]
    [InlineData("fieldSelector=metadata.namespace%3Ddefault", "a b c")]
    public async Task Selectors_choose(string query, string expected)
    {
        await using var server = await WithConfigMapsAsync("a", "b", "c");
        Assert.Equal(expected.Split(' ', StringSplitOptions.RemoveEmptyEntries), (await server.GetAsync($"{ConfigMaps}?{query}")).Expect(200).Names);
    }

    [Theory]
    [InlineData("labelSelector=a+in+(x", 400, "unable to parse requirement: found '', expected: ',' or ')'")]
    [InlineData("labelSelector=,", 400, "found ',', expected: !, identifier, or 'end of string'")]
    [InlineData("labelSelector=a,", 400, "found '', expected: identifier after ','")]
    [InlineData("labelSelector=a+b", 400, "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt")]
    [InlineData("fieldSelector=spec.x%3Dy", 400, "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")]
    [InlineData("fieldSelector=x", 400, "invalid selector: 'x'; can't understand 'x'")]
    [InlineData("resourceVersionMatch=Exact", 422,
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")]
    [InlineData("resourceVersionMatch=Exact&resourceVersion=0", 422,
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"")]
    [InlineData("sendInitialEvents=true", 422,
        "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list")]
    [InlineData("continue=nonsense", 400, null)]
    public async Task A_bad_question_is_told_why(string query, int code, string? message)
    {
        await using var server = await TestServer.StartAsync();
        var reply = (await server.GetAsync($"{ConfigMaps}?{query}")).Expect(code);
        if (message is not null)
            Assert.Equal(message, reply.Message);
    }

    [Fact]
    public async Task An_old_revision_can_be_listed_exactly_and_a_future_one_is_too_large()
    {
        await using var server = await WithConfigMapsAsync("a");
        var before = (await server.GetAsync(ConfigMaps)).Version;
        (await server.DeleteAsync(ConfigMaps + "/a")).Expect(200);
        Assert.Equal(["a"], (await server.GetAsync($"{ConfigMaps}?resourceVersion={before}&resourceVersionMatch=Exact")).Expect(200).Names);
        Assert.Empty((await server.GetAsync($"{ConfigMaps}?resourceVersion={before}&resourceVersionMatch=NotOlderThan")).Expect(200).Names);

        var future = (await server.GetAsync(ConfigMaps + "?resourceVersion=100000")).Expect(504);
        Assert.StartsWith("Timeout: Too large resource version: 100000, current: ", future.Message, StringComparison.Ordinal);
        Assert.Equal("ResourceVersionTooLarge", future.Json["details"]!["causes"]![0]!["reason"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_compacted_revision_is_gone()
    {
        await using var server = await TestServer.StartAsync(store: new() { HistoryAge = TimeSpan.Zero, HistoryAtLeast = 1, HistoryAtMost = 10 });
        var old = (await server.GetAsync(ConfigMaps)).Version;
        for (var i = 0; i < 2_000 && server.Store.CompactedRevision.Value <= long.Parse(old, System.Globalization.CultureInfo.InvariantCulture); i++)
            (await server.PostAsync(ConfigMaps, $$"""{"metadata":{"name":"n{{i}}"} }""")).Expect(201);

        var list = (await server.GetAsync($"{ConfigMaps}?resourceVersion={old}&resourceVersionMatch=Exact")).Expect(410);
        Assert.Equal(("Expired", "The resourceVersion for the provided list is too old."), (list.Reason, list.Message));
        var watch = (await server.GetAsync($"{ConfigMaps}?watch=1&resourceVersion={old}")).Expect(200);
        Assert.Equal("ERROR", watch.Json["type"]!.GetValue<string>());
        Assert.Equal(410, watch.Json["object"]!["code"]!.GetValue<int>());
        Assert.StartsWith($"too old resource version: {old} (", watch.Json["object"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tables_partial_metadata_yaml_and_pretty_are_other_forms_of_the_same()
    {
        await using var server = await WithConfigMapsAsync("a");
        var table = (await server.GetAsync(ConfigMaps, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")).Expect(200).Json;
        Assert.Equal("Table", table["kind"]!.GetValue<string>());
        Assert.Equal("""["Name","Data","Age"]""", new System.Text.Json.Nodes.JsonArray(
            [.. table["columnDefinitions"]!.AsArray().Select(column => column!["name"]!.DeepClone())]).ToJsonString());
        Assert.Equal("a", table["rows"]![0]!["cells"]![0]!.GetValue<string>());
        Assert.Equal("PartialObjectMetadata", table["rows"]![0]!["object"]!["kind"]!.GetValue<string>());

        var partial = (await server.GetAsync(ConfigMaps + "/a", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")).Expect(200).Json;
        Assert.Equal("PartialObjectMetadata", partial["kind"]!.GetValue<string>());
        Assert.Null(partial["data"]);
        var yaml = (await server.GetAsync(ConfigMaps + "/a", "application/yaml")).Expect(200);
        Assert.StartsWith("apiVersion: v1\ndata:\n  key: \"1\"\nkind: ConfigMap\n", yaml.Text, StringComparison.Ordinal);
        Assert.Contains("\n  \"kind\": \"ConfigMap\"", (await server.GetAsync(ConfigMaps + "/a?pretty=true")).Expect(200).Text, StringComparison.Ordinal);
        Assert.Equal("only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
            (await server.GetAsync(ConfigMaps + "/a", "text/html")).Expect(406).Message);
    }

    private static async Task<TestServer> WithConfigMapsAsync(params string[] names)
    {
        var server = await TestServer.StartAsync();
        foreach (var name in names)
            (await server.PostAsync(ConfigMaps, $$"""{"metadata":{"name":"{{name}}","labels":{"name":"{{name}}"} },"data":{"key":"1"} }""")).Expect(201);
        return server;
    }
}
