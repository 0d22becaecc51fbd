namespace Minke.Server.Tests;

public sealed class DiscoveryTests
{
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

        var aggregated = (await server.GetAsync("/api", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json")).Expect(200);
        Assert.Equal("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", aggregated.ContentType.Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal("APIGroupDiscoveryList", aggregated.Json["kind"]!.GetValue<string>());
        (await server.GetAsync("/apis/nope.example.com/v1")).Expect(404);
        (await server.GetAsync("/api/v1/nopes")).Expect(404);
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
