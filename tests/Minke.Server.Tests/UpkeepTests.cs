using System.Text;
using Minke.Server.Upkeep;
using Minke.Store;
using Minke.Store.Backups;

namespace Minke.Server.Tests;

/// <summary>What <c>minke store</c> asks of a server that runs.</summary>
public sealed class UpkeepTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    [Fact]
    public async Task A_backup_is_what_is_there_at_one_revision()
    {
        await using var server = await TestServer.StartAsync();
        for (var i = 0; i < 50; i++)
            (await server.PostAsync(ConfigMaps, $$"""{"metadata":{"name":"c{{i}}"},"data":{"k":"{{new string('x', 9_000)}}"} }""")).Expect(201);
        var bytes = await server.Admin.GetByteArrayAsync("/minke/store/backup", TestServer.Cancelled);

        using var reader = new BackupReader(new MemoryStream(bytes), "the answer");
        var records = new List<BackupRecord>();
        await foreach (var record in reader.ReadAsync(TestServer.Cancelled))
            records.Add(record);
        Assert.Equal(server.Store.CurrentRevision, Assert.IsType<BackupStart>(records[0]).Revision);
        Assert.Equal(
            server.Store.Snapshot().Range("").Select(entry => (entry.Key, Convert.ToBase64String(entry.Value.Span))),
            records.OfType<BackupEntry>().Select(record => (record.Entry.Key, Convert.ToBase64String(record.Entry.Value.Span))));
    }

    [Fact]
    public async Task Compaction_ends_no_watch_and_lets_none_begin_before_it()
    {
        await using var server = await TestServer.StartAsync();
        var early = (await server.GetAsync(ConfigMaps)).Version;
        await using var watch = await Watch.OpenAsync(server, $"{ConfigMaps}?watch=1&resourceVersion={early}");
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);

        var done = (await server.PostAsync("/minke/store/compact", "{}")).Expect(200).Json;
        Assert.Equal(server.Store.CurrentRevision.Value, (long)done["revision"]!);
        Assert.True((int)done["forgottenChanges"]! > 0);
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"b"}}""")).Expect(201);
        Assert.Equal(["ADDED a", "ADDED b"], [await watch.NextAsync(), await watch.NextAsync()]);
        var refused = (await server.GetAsync($"{ConfigMaps}?watch=1&resourceVersion={early}")).Json;
        Assert.Equal(("ERROR", 410), ((string)refused["type"]!, (int)refused["object"]!["code"]!));
        Assert.Equal("Expired", (await server.GetAsync($"{ConfigMaps}?resourceVersion={early}&resourceVersionMatch=Exact")).Expect(410).Reason);
    }

    [Fact]
    public async Task A_check_finds_objects_that_are_none()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        Assert.Empty(await ProblemsAsync());

        var sound = server.Store.Snapshot().Get("/configmaps/default/a")!.Value;
        await PutAsync("/configmaps/default/b", sound);
        await PutAsync("/configmaps/default/c", sound[..^5]);
        await PutAsync("/configmaps/default/d", new byte[3]);
        await PutAsync("/configmaps/default/e", Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(sound.Span).Replace("\"a\"", "[1]", StringComparison.Ordinal)));
        await PutAsync("/widgets.example.com/default/w", Encoding.UTF8.GetBytes("\u0002no JSON at all, though long enough"));
        var problems = await ProblemsAsync();
        Assert.Equal(5, problems.Length);
        Assert.Equal("/configmaps/default/b holds an object of another name, \"default/a\"", problems[0]);
        Assert.Contains("/configmaps/default/c does not decode: ", problems[1], StringComparison.Ordinal);
        Assert.Equal("/configmaps/default/d is cut off, or not an object", problems[2]);

        async Task PutAsync(string key, ReadOnlyMemory<byte> value) =>
            await server.Store.PutAsync(key, value, Revision.None, TestServer.Cancelled);

        async Task<string[]> ProblemsAsync() =>
            [.. (await server.GetAsync("/minke/store/check")).Expect(200).Json["problems"]!.AsArray().Select(problem => (string)problem!)];
    }

    [Fact]
    public async Task A_fresh_cluster_has_no_problems_whatever_its_kinds()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Empty(ObjectCheck.Problems(server.Store.Snapshot().Range("")));
    }

    [Theory]
    [InlineData("GET", "/minke/store/backup")]
    [InlineData("GET", "/minke/store/check")]
    [InlineData("POST", "/minke/store/compact")]
    public async Task Only_who_a_role_allows_may_look_after_the_state(string method, string path)
    {
        await using var server = await TestServer.StartAsync();
        using var bob = server.ClientOf(server.Pki.IssueClient("bob", [], TimeSpan.FromHours(1)));
        var refusal = (await server.SendAsync(new(method), path, client: bob)).Expect(403);
        Assert.Equal($"forbidden: User \"bob\" cannot {method.ToLowerInvariant()} path \"{path}\"", refusal.Message);
        (await server.PostAsync("/apis/rbac.authorization.k8s.io/v1/clusterroles", $$"""
            {"metadata":{"name":"keeper"},"rules":[{"nonResourceURLs":["{{path}}"],"verbs":["{{method.ToLowerInvariant()}}"]}]}
            """)).Expect(201);
        (await server.PostAsync("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", """
            {"metadata":{"name":"keeper"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keeper"},"subjects":[{"kind":"User","name":"bob"}]}
            """)).Expect(201);
        (await server.SendAsync(new(method), path, client: bob)).Expect(200);
    }

    [Theory]
    [InlineData("POST", "/minke/store/backup", 405)]
    [InlineData("GET", "/minke/store/compact", 404)]
    [InlineData("GET", "/minke/store/other", 404)]
    public async Task Nothing_else_is_there(string method, string path, int code)
    {
        await using var server = await TestServer.StartAsync();
        (await server.SendAsync(new(method), path)).Expect(code);
    }
}
