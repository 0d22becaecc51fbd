using System.IO.Compression;
using System.Net;
using System.Text.Json.Nodes;

namespace Minke.Server.Tests.OpenApi;

public sealed class OpenApiDocumentsTests(KubectlServer fixture) : IClassFixture<KubectlServer>
{
    private const string Core = "/openapi/v3/api/v1";

    private readonly TestServer _server = fixture.Server;

    [Fact]
    public async Task The_index_leads_to_every_document()
    {
        var index = (await _server.GetAsync("/openapi/v3")).Expect(200).Json["paths"]!.AsObject();
        Assert.Contains("api/v1", index);
        Assert.Contains("apis/coordination.k8s.io/v1", index);
        foreach (var (name, entry) in index)
        {
            var url = entry!["serverRelativeURL"]!.GetValue<string>();
            Assert.StartsWith($"/openapi/v3/{name}?hash=", url, StringComparison.Ordinal);
            var document = (await _server.GetAsync(url)).Expect(200).Json;
            Assert.Equal("3.0.0", document["openapi"]!.GetValue<string>());
            AssertReferencesLead(document, "#/components/schemas/", document["components"]!["schemas"]!.AsObject());
        }
        (await _server.GetAsync("/openapi/v3/apis/none/v1")).Expect(404);
    }

    [Fact]
    public async Task The_old_document_is_complete_too()
    {
        var document = (await _server.GetAsync("/openapi/v2")).Expect(200).Json;
        Assert.Equal("2.0", document["swagger"]!.GetValue<string>());
        AssertReferencesLead(document, "#/definitions/", document["definitions"]!.AsObject());
        var ids = document["paths"]!.AsObject().SelectMany(path => path.Value!.AsObject()).Where(method => method.Key != "parameters")
            .Select(method => method.Value!["operationId"]!.GetValue<string>()).ToList();
        Assert.Equal(ids.Distinct().Count(), ids.Count);
        Assert.Contains("listCoreV1PodForAllNamespaces", ids);
        Assert.Contains("deleteCoreV1CollectionNamespacedPod", ids);
        Assert.Contains("watchCoreV1NamespacedPodList", ids);
        Assert.Contains("connectCoreV1PostNamespacedPodExec", ids);
        Assert.Contains("createCoreV1NamespacedPodEviction", ids);
        Assert.Contains("replaceCoreV1NamespaceFinalize", ids);
        Assert.Contains("readCoordinationV1NamespacedLease", ids);
    }

    [Theory]
    [InlineData("core.v1.PodSpec", "properties.containers", """{"type":"array","items":{"allOf":[{"$ref":"#/components/schemas/io.k8s.api.core.v1.Container"}],"default":{}},"x-kubernetes-list-map-keys":["name"],"x-kubernetes-list-type":"map","x-kubernetes-patch-merge-key":"name","x-kubernetes-patch-strategy":"merge"}""")]
    [InlineData("core.v1.PodSpec", "properties.volumes", """{"type":"array","items":{"allOf":[{"$ref":"#/components/schemas/io.k8s.api.core.v1.Volume"}],"default":{}},"x-kubernetes-list-map-keys":["name"],"x-kubernetes-list-type":"map","x-kubernetes-patch-merge-key":"name","x-kubernetes-patch-strategy":"merge,retainKeys"}""")]
    [InlineData("core.v1.PodSpec", "properties.nodeSelector", """{"type":"object","additionalProperties":{"type":"string","default":""},"x-kubernetes-map-type":"atomic"}""")]
    [InlineData("core.v1.PodSpec", "properties.dnsPolicy", """{"type":"string","enum":["ClusterFirst","ClusterFirstWithHostNet","Default","None"]}""")]
    [InlineData("core.v1.PodSpec", "required", """["containers"]""")]
    [InlineData("core.v1.ServicePort", "properties.protocol", """{"type":"string","default":"TCP","enum":["SCTP","TCP","UDP"]}""")]
    [InlineData("core.v1.ServicePort", "properties.port", """{"type":"integer","format":"int32","default":0}""")]
    [InlineData("core.v1.Container", "properties.name", """{"type":"string","default":""}""")]
    [InlineData("core.v1.ResourceRequirements", "properties.limits", """{"type":"object","additionalProperties":{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"}}""")]
    [InlineData("core.v1.Secret", "properties.data", """{"type":"object","additionalProperties":{"type":"string","format":"byte"}}""")]
    [InlineData("core.v1.Pod", "properties.spec", """{"allOf":[{"$ref":"#/components/schemas/io.k8s.api.core.v1.PodSpec"}],"default":{}}""")]
    [InlineData("core.v1.Pod", "x-kubernetes-group-version-kind", """[{"group":"","kind":"Pod","version":"v1"}]""")]
    [InlineData("core.v1.PodList", "x-kubernetes-group-version-kind", """[{"group":"","kind":"PodList","version":"v1"}]""")]
    [InlineData("core.v1.LocalObjectReference", "x-kubernetes-map-type", "\"atomic\"")]
    [InlineData("core.v1.SeccompProfile", "x-kubernetes-unions", """[{"discriminator":"type","fields-to-discriminateBy":{"localhostProfile":"LocalhostProfile"}}]""")]
    [InlineData("core.v1.HTTPGetAction", "properties.port", """{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString"}""")]
    public async Task Schemas_say_what_the_tables_say(string type, string path, string expected)
    {
        var schemas = (await _server.GetAsync(Core)).Expect(200).Json["components"]!["schemas"]!;
        var found = schemas["io.k8s.api." + type]!;
        foreach (var step in path.Split('.'))
            found = found[step]!;
        // Descriptions may come and go; a reference with nothing beside it needs no allOf.
        if (found is JsonObject described && described.Remove("description") && described is { Count: 1 } && described["allOf"] is { } all)
            found = all[0]!;
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), found), found.ToJsonString());
    }

    [Fact]
    public async Task Every_type_and_field_of_core_explains_itself()
    {
        var schemas = (await _server.GetAsync(Core)).Expect(200).Json["components"]!["schemas"]!.AsObject();
        var silent = new List<string>();
        foreach (var (name, schema) in schemas.Where(one => one.Key.Contains(".core.v1.", StringComparison.Ordinal) || one.Key.EndsWith(".ObjectMeta", StringComparison.Ordinal)))
        {
            if (schema!["description"] is null)
                silent.Add(name);
            silent.AddRange((schema["properties"]?.AsObject() ?? []).Where(field => field.Value!["description"] is null).Select(field => $"{name}.{field.Key}"));
        }
        Assert.Empty(silent);
    }

    [Fact]
    public async Task A_patch_says_what_it_takes_and_of_which_kind()
    {
        var paths = (await _server.GetAsync(Core)).Expect(200).Json["paths"]!;
        var patch = paths["/api/v1/namespaces/{namespace}/pods/{name}"]!["patch"]!;
        Assert.Equal("""{"group":"","kind":"Pod","version":"v1"}""", patch["x-kubernetes-group-version-kind"]!.ToJsonString());
        Assert.Equal("patch", patch["x-kubernetes-action"]!.GetValue<string>());
        Assert.Equal(["dryRun", "fieldManager", "fieldValidation", "force"], patch["parameters"]!.AsArray().Select(one => one!["name"]!.GetValue<string>()));
        Assert.Contains("application/strategic-merge-patch+json", patch["requestBody"]!["content"]!.AsObject());
        Assert.Equal("core_v1", patch["tags"]![0]!.GetValue<string>());
    }

    [Fact]
    public async Task A_known_document_is_not_sent_again()
    {
        using var first = await SendAsync(Core, "Accept-Encoding", "identity");
        using var second = await SendAsync(Core, "If-None-Match", first.Headers.ETag!.ToString());
        Assert.Equal(HttpStatusCode.NotModified, second.StatusCode);
        Assert.Equal(first.Headers.ETag, second.Headers.ETag);
        Assert.Empty(await second.Content.ReadAsByteArrayAsync(TestServer.Cancelled));
        using var other = await SendAsync(Core, "If-None-Match", "\"other\"");
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
    }

    [Fact]
    public async Task A_document_under_its_hash_is_good_for_ever_and_a_stale_hash_leads_there()
    {
        var url = (await _server.GetAsync("/openapi/v3")).Json["paths"]!["api/v1"]!["serverRelativeURL"]!.GetValue<string>();
        using var current = await SendAsync(url, "Accept", "application/json");
        Assert.Equal("public, immutable", string.Join(", ", current.Headers.GetValues("Cache-Control")));
        using var stale = await SendAsync(Core + "?hash=ABC", "Accept", "application/json");
        Assert.Equal(url, stale.RequestMessage!.RequestUri!.PathAndQuery); // The client has followed.
        Assert.Equal(HttpStatusCode.OK, stale.StatusCode);
    }

    [Fact]
    public async Task A_client_that_takes_gzip_gets_gzip()
    {
        using var zipped = await SendAsync(Core, "Accept-Encoding", "gzip");
        Assert.Equal(["gzip"], zipped.Content.Headers.ContentEncoding);
        await using var content = await zipped.Content.ReadAsStreamAsync(TestServer.Cancelled);
        await using var gzip = new GZipStream(content, CompressionMode.Decompress);
        using var text = new StreamReader(gzip);
        Assert.Equal((await _server.GetAsync(Core)).Text, await text.ReadToEndAsync(TestServer.Cancelled));
    }

    [Theory]
    [InlineData("/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", 200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")]
    [InlineData("/openapi/v2", "text/html", 406, "text/plain; charset=utf-8")]
    [InlineData("/openapi/v2", "", 200, "application/json")]
    [InlineData(Core, "text/html, application/json;q=0.5", 200, "application/json")]
    [InlineData(Core, "text/html", 406, "text/plain; charset=utf-8")]
    public async Task The_form_is_negotiated(string path, string accept, int code, string contentType)
    {
        var reply = (await _server.GetAsync(path, accept)).Expect(code);
        Assert.Equal(contentType, reply.ContentType);
    }

    private Task<HttpResponseMessage> SendAsync(string path, string header, string value)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path) { Version = HttpVersion.Version20 };
        request.Headers.TryAddWithoutValidation(header, value);
        return _server.Admin.SendAsync(request, TestServer.Cancelled);
    }

    private static void AssertReferencesLead(JsonNode? node, string prefix, JsonObject definitions)
    {
        switch (node)
        {
            case JsonObject members:
                foreach (var (name, value) in members)
                {
                    if (name == "$ref" && value is JsonValue)
                        Assert.Contains(value.GetValue<string>()[prefix.Length..], definitions);
                    else
                        AssertReferencesLead(value, prefix, definitions);
                }
                break;
            case JsonArray items:
                foreach (var item in items)
                    AssertReferencesLead(item, prefix, definitions);
                break;
            default:
                break;
        }
    }
}
