using System.Text.Json.Nodes;

namespace Minke.Server.Tests;

/// <summary>What the LimitRanges of a namespace give pods and refuse them.</summary>
public sealed class LimitRangerTests : IAsyncLifetime
{
    private const string Pods = "/api/v1/namespaces/default/pods";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Containers_get_what_they_do_not_say()
    {
        await RangeAsync("a", """{"type":"Container","default":{"cpu":"500m","memory":"128Mi"},"defaultRequest":{"cpu":"200m"}}""");
        await RangeAsync("b", """{"type":"Container","default":{"cpu":"900m","ephemeral-storage":"1Gi"}}""");
        var pod = (await CreateAsync("""{"limits":{"memory":"64Mi"}}""")).Expect(201).Json;
        var resources = pod["spec"]!["containers"]![0]!["resources"]!;
        // Of two ranges the first decides; a limit without a request is the request.
        Assert.Equal("""{"cpu":"500m","ephemeral-storage":"1Gi","memory":"64Mi"}""", Sorted(resources["limits"]!));
        Assert.Equal("""{"cpu":"200m","ephemeral-storage":"1Gi","memory":"64Mi"}""", Sorted(resources["requests"]!));
        Assert.Equal("LimitRanger plugin set: cpu, ephemeral-storage request for container x; cpu, ephemeral-storage limit for container x",
            pod["metadata"]!["annotations"]!["kubernetes.io/limit-ranger"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("""{"requests":{"cpu":"50m"},"limits":{"cpu":"200m"}}""", "minimum cpu usage per Container is 100m, but request is 50m")]
    [InlineData("""{"limits":{"cpu":"2"}}""", "maximum cpu usage per Container is 1, but limit is 2")]
    [InlineData("""{"requests":{"cpu":"200m"},"limits":{"cpu":"1"}}""", "cpu max limit to request ratio per Container is 4, but provided ratio is 5.000000")]
    [InlineData("""{"requests":{"cpu":"10m"},"limits":{"cpu":"2"}}""", "[minimum cpu usage per Container is 100m, but request is 10m, maximum cpu usage per Container is 1, but limit is 2, "
        + "cpu max limit to request ratio per Container is 4, but provided ratio is 200.000000]")]
    [InlineData("""{"requests":{"cpu":"250m"},"limits":{"cpu":"1"}}""", null)]
    public async Task Containers_keep_within_their_bounds(string resources, string? refusal)
    {
        await RangeAsync("a", """{"type":"Container","min":{"cpu":"100m"},"max":{"cpu":"1"},"default":{"cpu":"1"},"defaultRequest":{"cpu":"1"},"maxLimitRequestRatio":{"cpu":"4"}}""");
        await ExpectAsync(refusal, resources);
    }

    [Theory]
    [InlineData("""{"min":{"memory":"32Mi"}}""", "{}", "minimum memory usage per Pod is 32Mi.  No request is specified")]
    [InlineData("""{"min":{"memory":"32Mi"}}""", """{"requests":{"memory":"8Mi"}}""", "minimum memory usage per Pod is 32Mi, but request is 16Mi")]
    [InlineData("""{"min":{"memory":"32Mi"}}""", """{"requests":{"memory":"16Mi"}}""", null)]
    [InlineData("""{"max":{"cpu":"1500m"}}""", """{"requests":{"cpu":"1"}}""", "maximum cpu usage per Pod is 1500m.  No limit is specified")]
    [InlineData("""{"max":{"cpu":"1500m"}}""", """{"limits":{"cpu":"1"}}""", "maximum cpu usage per Pod is 1500m, but limit is 2")]
    [InlineData("""{"maxLimitRequestRatio":{"cpu":"2"}}""", "{}", "cpu max limit to request ratio per Pod is 2, but no request is specified or request is 0")]
    [InlineData("""{"maxLimitRequestRatio":{"cpu":"2"}}""", """{"requests":{"cpu":"1"}}""", "cpu max limit to request ratio per Pod is 2, but no limit is specified or limit is 0")]
    [InlineData("""{"maxLimitRequestRatio":{"cpu":"2"}}""", """{"requests":{"cpu":"1"},"limits":{"cpu":"2500m"}}""", "cpu max limit to request ratio per Pod is 2, but provided ratio is 2.500000")]
    public async Task Pods_keep_within_theirs_with_all_their_containers(string bounds, string resources, string? refusal)
    {
        await RangeAsync("a", """{"type":"Pod",""" + bounds[1..]);
        await ExpectAsync(refusal, resources, resources);
    }

    [Fact]
    public async Task Init_containers_count_where_they_run_beside_others()
    {
        await RangeAsync("a", """{"type":"Pod","max":{"cpu":"3"}}""");
        const string Spec = """{"metadata":{"name":"p"},"spec":{"containers":[CPU1],"initContainers":[INIT]}}""";
        async Task<Reply> CreateAsync(params string[] init) => await _server.PostAsync(Pods + "?dryRun=All", Spec
            .Replace("CPU1", """{"name":"x","image":"x","resources":{"limits":{"cpu":"1"} } }""", StringComparison.Ordinal).Replace("INIT", string.Join(',', init), StringComparison.Ordinal));
        const string Heavy = """{"name":"heavy","image":"x","resources":{"limits":{"cpu":"2"} } }""";
        const string Sidecar = """{"name":"side","image":"x","restartPolicy":"Always","resources":{"limits":{"cpu":"1500m"} } }""";
        (await CreateAsync(Heavy)).Expect(201);
        (await CreateAsync(Sidecar)).Expect(201);
        (await CreateAsync(Heavy, Sidecar)).Expect(201);
        Assert.Equal("pods \"p\" is forbidden: maximum cpu usage per Pod is 3, but limit is 3500m", (await CreateAsync(Sidecar, Heavy)).Expect(403).Message);
    }

    [Theory]
    [InlineData("1Gi", null)]
    [InlineData("500Mi", "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi")]
    [InlineData("3Gi", "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi")]
    public async Task Claims_keep_within_their_bounds(string storage, string? refusal)
    {
        await RangeAsync("a", """{"type":"PersistentVolumeClaim","min":{"storage":"1Gi"},"max":{"storage":"2Gi"}}""");
        var reply = await _server.PostAsync("/api/v1/namespaces/default/persistentvolumeclaims",
            $$"""{"metadata":{"name":"c"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"{{storage}}"} } } }""");
        reply.Expect(refusal is null ? 201 : 403);
        if (refusal is not null)
            Assert.Equal($"persistentvolumeclaims \"c\" is forbidden: {refusal}", reply.Message);
    }

    private async Task ExpectAsync(string? refusal, params string[] containers)
    {
        var reply = await CreateAsync(containers);
        if (refusal is null)
        {
            reply.Expect(201);
            return;
        }
        Assert.Equal(("Forbidden", $"pods \"p\" is forbidden: {refusal}"), (reply.Expect(403).Reason, reply.Message));
    }

    private Task<Reply> CreateAsync(params string[] resources)
    {
        var containers = string.Join(',', resources.Select((one, i) => $$"""{"name":"{{(char)('x' + i)}}","image":"x:1","resources":{{one}}}"""));
        return _server.PostAsync(Pods, $$"""{"metadata":{"name":"p"},"spec":{"containers":[{{containers}}] } }""");
    }

    private async Task RangeAsync(string name, string item) =>
        (await _server.PostAsync("/api/v1/namespaces/default/limitranges", $$"""{"metadata":{"name":"{{name}}"},"spec":{"limits":[{{item}}] } }""")).Expect(201);

    private static string Sorted(JsonNode node) =>
        new JsonObject(node.AsObject().OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone()))).ToJsonString();
}
