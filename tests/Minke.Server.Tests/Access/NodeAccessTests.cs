namespace Minke.Server.Tests;

public sealed class NodeAccessTests
{
    private const string Default = "/api/v1/namespaces/default";

    private static HttpClient ClientOf(TestServer server, string name, params string[] groups) =>
        server.ClientOf(server.Pki.IssueClient(name, groups, TimeSpan.FromHours(1)));

    /// <summary>A node, and a pod on it that needs a secret, a config map and a claim.</summary>
    private static async Task<(TestServer Server, HttpClient Node)> StartAsync()
    {
        var server = await TestServer.StartAsync();
        foreach (var name in (string[])["mine", "other"])
        {
            (await server.PostAsync($"{Default}/secrets", $$"""{"metadata":{"name":"{{name}}"} }""")).Expect(201);
            (await server.PostAsync($"{Default}/configmaps", $$"""{"metadata":{"name":"{{name}}"} }""")).Expect(201);
            (await server.PostAsync("/api/v1/nodes", $$"""{"metadata":{"name":"{{(name == "mine" ? "n" : "m")}}"} }""")).Expect(201);
        }
        (await server.PostAsync($"{Default}/pods", """
            {"metadata":{"name":"a"},"spec":{"nodeName":"n","imagePullSecrets":[{"name":"mine"}],"volumes":[{"name":"c","configMap":{"name":"mine"}}],
             "containers":[{"name":"a","image":"x","env":[{"name":"E","valueFrom":{"configMapKeyRef":{"name":"env","key":"k","optional":true}}}]}]}}
            """)).Expect(201);
        (await server.PostAsync($"{Default}/pods", """{"metadata":{"name":"b"},"spec":{"nodeName":"m","containers":[{"name":"a","image":"x"}]}}""")).Expect(201);
        return (server, ClientOf(server, "system:node:n", "system:nodes"));
    }

    [Fact]
    public async Task A_node_reads_what_its_pods_need_and_nothing_else()
    {
        var (server, node) = await StartAsync();
        await using var _ = server;
        using var client = node;
        Task<Reply> GetAsync(string path) => server.SendAsync(HttpMethod.Get, path, client: client);
        (await GetAsync($"{Default}/secrets/mine")).Expect(200);
        (await GetAsync($"{Default}/configmaps/mine")).Expect(200);
        (await GetAsync($"{Default}/configmaps/env")).Expect(404);
        Assert.Equal("secrets \"other\" is forbidden: User \"system:node:n\" cannot get resource \"secrets\" in API group \"\" in the namespace \"default\": "
            + "no relationship found between node 'n' and this object", (await GetAsync($"{Default}/secrets/other")).Expect(403).Message);
        Assert.EndsWith(": No Object name found", (await GetAsync($"{Default}/secrets")).Expect(403).Message, StringComparison.Ordinal);
        (await GetAsync($"{Default}/pods/a")).Expect(200);
        (await GetAsync($"{Default}/pods/b")).Expect(403);
        (await GetAsync("/api/v1/pods?fieldSelector=spec.nodeName%3Dn")).Expect(200);
        Assert.EndsWith(": can only list/watch pods with spec.nodeName field selector", (await GetAsync("/api/v1/pods")).Expect(403).Message, StringComparison.Ordinal);
        (await GetAsync("/api/v1/nodes/n")).Expect(200);
        Assert.EndsWith(": node 'n' cannot read 'm', only its own Node object", (await GetAsync("/api/v1/nodes/m")).Expect(403).Message, StringComparison.Ordinal);
        (await GetAsync("/api/v1/services")).Expect(200);
        // The pod is gone, and with it what it needed.
        (await server.DeleteAsync($"{Default}/pods/a?gracePeriodSeconds=0")).Expect(200);
        (await GetAsync($"{Default}/secrets/mine")).Expect(403);
        // Who calls themselves a node without being of the group is none.
        using var fake = ClientOf(server, "system:node:n");
        Assert.DoesNotContain("relationship", (await server.SendAsync(HttpMethod.Get, $"{Default}/secrets/mine", client: fake)).Expect(403).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_writes_itself_and_its_pods_status_and_nothing_of_others()
    {
        var (server, node) = await StartAsync();
        await using var _ = server;
        using var client = node;
        Task<Reply> PatchAsync(string path, string body) => server.SendAsync(HttpMethod.Patch, path, body, "application/merge-patch+json", client: client);
        Task<Reply> PostAsync(string path, string body) => server.SendAsync(HttpMethod.Post, path, body, client: client);

        (await PatchAsync("/api/v1/nodes/n", """{"metadata":{"labels":{"kubernetes.io/os":"linux","mine":"x"}}}""")).Expect(200);
        Assert.Equal("nodes \"m\" is forbidden: node \"n\" is not allowed to modify node \"m\"", (await PatchAsync("/api/v1/nodes/m", """{"metadata":{"labels":{"a":"b"}}}""")).Expect(403).Message);
        Assert.Equal("nodes \"n\" is forbidden: is not allowed to modify labels: foo.node-restriction.kubernetes.io/a, node-role.kubernetes.io/control-plane",
            (await PatchAsync("/api/v1/nodes/n", """{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":"","foo.node-restriction.kubernetes.io/a":"b"}}}""")).Expect(403).Message);
        Assert.Equal("nodes \"n\" is forbidden: node \"n\" is not allowed to modify taints",
            (await PatchAsync("/api/v1/nodes/n", """{"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}}""")).Expect(403).Message);

        (await PatchAsync($"{Default}/pods/a/status", """{"status":{"phase":"Running"}}""")).Expect(200);
        Assert.Equal("pods \"b\" is forbidden: node \"n\" can only update pod status for pods with spec.nodeName set to itself",
            (await PatchAsync($"{Default}/pods/b/status", """{"status":{"phase":"Failed"}}""")).Expect(403).Message);
        Assert.Equal("pods \"b\" is forbidden: node \"n\" can only delete pods with spec.nodeName set to itself",
            (await server.SendAsync(HttpMethod.Delete, $"{Default}/pods/b", client: client)).Expect(403).Message);
        Assert.Equal("pods \"own\" is forbidden: pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n\" can only create mirror pods",
            (await PostAsync($"{Default}/pods", """{"metadata":{"name":"own"},"spec":{"nodeName":"n","containers":[{"name":"a","image":"x"}]}}""")).Expect(403).Message);
        Assert.Equal("pods \"b\" is forbidden: node n can only evict pods with spec.nodeName set to itself",
            (await PostAsync($"{Default}/pods/b/eviction", """{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"b"}}""")).Expect(403).Message);
    }

    [Fact]
    public async Task A_node_gets_tokens_of_the_pods_it_runs()
    {
        var (server, node) = await StartAsync();
        await using var _ = server;
        using var client = node;
        async Task<string> UidAsync(string pod) => (await server.GetAsync($"{Default}/pods/{pod}")).Expect(200).Json["metadata"]!["uid"]!.GetValue<string>();
        Task<Reply> AskAsync(string spec) => server.SendAsync(HttpMethod.Post, $"{Default}/serviceaccounts/default/token", $$"""{"spec":{{{spec}}} }""", client: client);
        (await AskAsync($$""" "boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"a","uid":"{{await UidAsync("a")}}"}""")).Expect(201);
        Assert.Equal("serviceaccounts \"default\" is forbidden: node requested token not bound to a pod", (await AskAsync("")).Expect(403).Message);
        Assert.Equal("serviceaccounts \"default\" is forbidden: node requested token bound to a pod scheduled on a different node",
            (await AskAsync($$""" "boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"b","uid":"{{await UidAsync("b")}}"}""")).Expect(403).Message);
    }

    [Fact]
    public async Task A_node_keeps_its_own_lease()
    {
        var (server, node) = await StartAsync();
        await using var _ = server;
        using var client = node;
        (await server.PostAsync("/api/v1/namespaces", """{"metadata":{"name":"kube-node-lease"}}""")).Expect(201);
        const string Leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        (await server.SendAsync(HttpMethod.Post, Leases, """{"metadata":{"name":"n"}}""", client: client)).Expect(201);
        Assert.Equal("leases.coordination.k8s.io \"m\" is forbidden: can only access node lease with the same name as the requesting node",
            (await server.SendAsync(HttpMethod.Post, Leases, """{"metadata":{"name":"m"}}""", client: client)).Expect(403).Message);
        Assert.EndsWith(": can only get, create, update, patch, or delete a node lease", (await server.SendAsync(HttpMethod.Get, Leases, client: client)).Expect(403).Message, StringComparison.Ordinal);
    }
}
