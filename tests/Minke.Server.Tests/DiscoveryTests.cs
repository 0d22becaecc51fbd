namespace Minke.Server.Tests;

public sealed class DiscoveryTests
{
    private const string Aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

    [Fact]
    public async Task Groups_and_resources_are_listed_in_both_forms()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal("v1", (await server.GetAsync("/api")).Expect(200).Json["versions"]![0]!.GetValue<string>());
        Assert.Contains("coordination.k8s.io", (await server.GetAsync("/apis")).Expect(200).Json["groups"]!.AsArray().Select(group => group!["name"]!.GetValue<string>()));
        var resources = (await server.GetAsync("/api/v1")).Expect(200).Json["resources"]!.AsArray();
        var token = resources.Single(one => one!["name"]!.GetValue<string>() == "serviceaccounts/token")!;
        Assert.Equal("authentication.k8s.io", token["group"]!.GetValue<string>());
        Assert.Equal("PodExecOptions", resources.Single(one => one!["name"]!.GetValue<string>() == "pods/exec")!["kind"]!.GetValue<string>());
        Assert.DoesNotContain("pods/resize", resources.Select(one => one!["name"]!.GetValue<string>()));

        var aggregated = (await server.GetAsync("/api", Aggregated)).Expect(200);
        Assert.Equal("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", aggregated.ContentType.Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal("APIGroupDiscoveryList", aggregated.Json["kind"]!.GetValue<string>());
        (await server.GetAsync("/apis/nope.example.com/v1")).Expect(404);
        (await server.GetAsync("/api/v1/nopes")).Expect(404);
    }

    [Fact]
    public async Task Groups_are_in_upstreams_order_and_core_has_no_version_of_its_own()
    {
        await using var server = await TestServer.StartAsync();
        string[] expected =
        [
            "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch", "certificates.k8s.io",
            "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "storage.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io",
            "scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io", "discovery.k8s.io", "flowcontrol.apiserver.k8s.io", "metrics.k8s.io",
        ];
        Assert.Equal(expected, (await server.GetAsync("/apis")).Expect(200).Json["groups"]!.AsArray().Select(group => group!["name"]!.GetValue<string>()));
        Assert.Equal(expected, (await server.GetAsync("/apis", Aggregated)).Expect(200).Json["items"]!.AsArray().Select(group => group!["metadata"]!["name"]!.GetValue<string>()));
        foreach (var path in new[] { "/api", "/api/v1" })
            Assert.Null((await server.GetAsync(path)).Expect(200).Json["apiVersion"]);
        Assert.Equal("v1", (await server.GetAsync("/apis/apps/v1")).Expect(200).Json["apiVersion"]!.GetValue<string>());
    }

    // As kubernetes/kubernetes has them in api/discovery.
    [Theory]
    [InlineData("/api/v1", "configmaps", "qFsyl6wFWjQ=")]
    [InlineData("/api/v1", "bindings", null)]
    [InlineData("/api/v1", "pods/status", null)]
    [InlineData("/apis/events.k8s.io/v1", "events", "r2yiGXH7wu8=")]
    [InlineData("/apis/autoscaling/v1", "horizontalpodautoscalers", "qwQve8ut294=")]
    [InlineData("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", "jfWCUB31mvA=")]
    [InlineData("/apis/flowcontrol.apiserver.k8s.io/v1", "flowschemas", "GJVAJZSZBIw=")]
    public async Task A_resource_tells_its_storage_version_by_a_hash(string path, string resource, string? hash)
    {
        await using var server = await TestServer.StartAsync();
        var all = (await server.GetAsync(path)).Expect(200).Json["resources"]!.AsArray();
        Assert.Equal(hash, all.Single(one => one!["name"]!.GetValue<string>() == resource)!["storageVersionHash"]?.GetValue<string>());
    }

    [Fact]
    public async Task A_kind_of_the_resources_own_version_is_said_without_it()
    {
        await using var server = await TestServer.StartAsync();
        var groups = (await server.GetAsync("/apis", Aggregated)).Expect(200).Json["items"]!.AsArray();
        var deployments = groups.Single(group => group!["metadata"]!["name"]!.GetValue<string>() == "apps")!["versions"]![0]!["resources"]!.AsArray()
            .Single(one => one!["resource"]!.GetValue<string>() == "deployments")!;
        Assert.Equal("""{"group":"","version":"","kind":"Deployment"}""", deployments["responseKind"]!.ToJsonString());
        Assert.Equal(
            ["""{"group":"autoscaling","version":"v1","kind":"Scale"}""", """{"group":"","version":"","kind":"Deployment"}"""],
            deployments["subresources"]!.AsArray().Select(sub => sub!["responseKind"]!.ToJsonString()));
    }

    [Fact]
    public async Task Every_schema_that_a_document_refers_to_is_in_it()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var (_, entry) in (await server.GetAsync("/openapi/v3")).Expect(200).Json["paths"]!.AsObject())
        {
            var document = (await server.GetAsync(entry!["serverRelativeURL"]!.GetValue<string>())).Expect(200);
            var schemas = document.Json["components"]!["schemas"]!.AsObject().Select(pair => pair.Key).ToHashSet();
            foreach (System.Text.RegularExpressions.Match match in System.Text.RegularExpressions.Regex.Matches(document.Text, "\"#/components/schemas/([^\"]+)\""))
                Assert.Contains(match.Groups[1].Value, schemas);
        }
        (await server.GetAsync("/openapi/v2")).Expect(200);
    }

    [Fact]
    public async Task Health_has_parts()
    {
        await using var server = await TestServer.StartAsync(change: options => options with { HealthChecks = [new("broken", () => "out of ink")] });
        var ready = (await server.GetAsync("/readyz?verbose")).Expect(500);
        Assert.Contains("[-]broken failed: reason withheld\n", ready.Text, StringComparison.Ordinal);
        Assert.Contains("[+]etcd ok\n", ready.Text, StringComparison.Ordinal);
        Assert.Equal("ok", (await server.GetAsync("/livez/ping")).Expect(200).Text);
        Assert.Equal("ok", (await server.GetAsync("/readyz?exclude=broken")).Expect(200).Text);
        Assert.Equal("internal server error: out of ink\n", (await server.GetAsync("/readyz/broken")).Expect(500).Text);
    }

    [Fact]
    public async Task Metrics_count_requests()
    {
        await using var server = await TestServer.StartAsync();
        (await server.GetAsync("/api/v1/namespaces/default/configmaps")).Expect(200);
        var text = (await server.GetAsync("/metrics")).Expect(200).Text;
        Assert.Contains("apiserver_request_total{component=\"apiserver\",group=\"\",resource=\"configmaps\",subresource=\"\",verb=\"LIST\",version=\"v1\",code=\"200\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("apiserver_storage_objects{resource=\"namespaces\"} 2\n", text, StringComparison.Ordinal);
    }
}
