namespace Minke.Server.Tests;

public sealed class DeleteTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";
    private const string Pods = "/api/v1/namespaces/default/pods";
    private const string Spec = """{"terminationGracePeriodSeconds":30,"nodeName":"n","containers":[{"name":"a","image":"x"}]}""";

    [Fact]
    public async Task A_scheduled_pod_goes_gracefully_and_only_faster()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Pods, $$"""{"metadata":{"name":"a"},"spec":{{Spec}}}""")).Expect(201);
        var first = (await server.DeleteAsync(Pods + "/a")).Expect(200);
        Assert.Equal("Pod", first.Json["kind"]!.GetValue<string>());
        Assert.Equal(30, first.Json["metadata"]!["deletionGracePeriodSeconds"]!.GetValue<int>());
        Assert.NotNull(first.Json["metadata"]!["deletionTimestamp"]);

        var longer = (await server.DeleteAsync(Pods + "/a", """{"gracePeriodSeconds":60}""")).Expect(200);
        Assert.Equal(30, longer.Json["metadata"]!["deletionGracePeriodSeconds"]!.GetValue<int>());
        var shorter = (await server.DeleteAsync(Pods + "/a?gracePeriodSeconds=5")).Expect(200);
        Assert.Equal(5, shorter.Json["metadata"]!["deletionGracePeriodSeconds"]!.GetValue<int>());
        Assert.Equal("Pod", (await server.DeleteAsync(Pods + "/a", """{"gracePeriodSeconds":0}""")).Expect(200).Json["kind"]!.GetValue<string>());
        (await server.GetAsync(Pods + "/a")).Expect(404);
    }

    [Fact]
    public async Task A_pod_that_runs_nowhere_goes_at_once()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Pods, """{"metadata":{"name":"a"},"spec":{"containers":[{"name":"a","image":"x"}]}}""")).Expect(201);
        (await server.DeleteAsync(Pods + "/a")).Expect(200);
        (await server.GetAsync(Pods + "/a")).Expect(404);
    }

    [Fact]
    public async Task Finalizers_hold_an_object_until_the_last_is_gone()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a","finalizers":["example.com/x"]}}""")).Expect(201);
        var held = (await server.DeleteAsync(ConfigMaps + "/a")).Expect(200);
        Assert.Equal("ConfigMap", held.Json["kind"]!.GetValue<string>());
        Assert.NotNull((await server.GetAsync(ConfigMaps + "/a")).Expect(200).Json["metadata"]!["deletionTimestamp"]);
        Assert.Contains("metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"example.com/y\"}",
            (await server.PatchAsync(ConfigMaps + "/a", """{"metadata":{"finalizers":["example.com/x","example.com/y"]}}""")).Expect(422).Message, StringComparison.Ordinal);
        (await server.PatchAsync(ConfigMaps + "/a", """{"metadata":{"finalizers":null}}""")).Expect(200);
        (await server.GetAsync(ConfigMaps + "/a")).Expect(404);
    }

    [Fact]
    public async Task Preconditions_are_kept()
    {
        await using var server = await TestServer.StartAsync();
        var created = (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        var uid = created.Json["metadata"]!["uid"]!.GetValue<string>();
        Assert.Equal($"Operation cannot be fulfilled on configmaps \"a\": the UID in the precondition (x) does not match the UID in record ({uid}). "
            + "The object might have been deleted and then recreated", (await server.DeleteAsync(ConfigMaps + "/a", """{"preconditions":{"uid":"x"}}""")).Expect(409).Message);
        (await server.DeleteAsync(ConfigMaps + "/a", """{"preconditions":{"resourceVersion":"1"}}""")).Expect(409);
        (await server.DeleteAsync(ConfigMaps + "/a", $$"""{"preconditions":{"uid":"{{uid}}"} }""")).Expect(200);
    }

    [Fact]
    public async Task A_collection_is_deleted_by_selector()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var (name, label) in new[] { ("a", "x"), ("b", "x"), ("c", "y") })
            (await server.PostAsync(ConfigMaps, $$"""{"metadata":{"name":"{{name}}","labels":{"l":"{{label}}"} } }""")).Expect(201);
        Assert.Equal(["a", "b"], (await server.DeleteAsync(ConfigMaps + "?labelSelector=l%3Dx")).Expect(200).Names);
        Assert.Equal(["c"], (await server.GetAsync(ConfigMaps)).Names);
    }

    [Theory]
    [InlineData("""{"propagationPolicy":"Sideways"}""", "Unsupported value: \"Sideways\"")]
    [InlineData("""{"propagationPolicy":"Orphan","orphanDependents":true}""", "orphanDependents and deletionPropagation cannot be both set")]
    public async Task Options_that_make_no_sense_are_refused(string options, string part)
    {
        await using var server = await TestServer.StartAsync();
        Assert.Contains(part, (await server.DeleteAsync(ConfigMaps + "/a", options)).Expect(422).Message, StringComparison.Ordinal);
    }
}
