using System.IO.Compression;
using System.Net;
using System.Text;

namespace Minke.Server.Tests;

/// <summary>In what form answers go out: negotiation, projections, compression, indentation, and both versions of HTTP.</summary>
public sealed class AnswerFormTests : IAsyncLifetime
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";
    private const string Meta = ";v=v1;g=meta.k8s.io";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        (await _server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"},"data":{"k":"v"}}""")).Expect(201);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData("", "application/json")]
    [InlineData("*/*", "application/json")]
    [InlineData("application/*", "application/json")]
    [InlineData("text/html, application/yaml;q=0.9, */*;q=0.1", "application/yaml")]
    [InlineData("application/json;q=0.5, application/yaml", "application/yaml")]
    [InlineData("application/vnd.kubernetes.protobuf, application/json", "application/vnd.kubernetes.protobuf")]
    [InlineData("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io, application/json", "application/json")]
    [InlineData("application/json;as=Nonsense;v=v1;g=meta.k8s.io, application/yaml", "application/yaml")]
    [InlineData("application/json;stream=other, application/yaml", "application/yaml")]
    public async Task The_best_accepted_form_is_taken(string accept, string expected) =>
        Assert.Equal(expected, (await _server.GetAsync(ConfigMaps + "/a", accept)).Expect(200).ContentType);

    [Theory]
    [InlineData("/a", "text/html", "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf")]
    [InlineData("", "application/json;as=Table;v=v9;g=meta.k8s.io", "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf")]
    [InlineData("", "application/json;as=PartialObjectMetadata" + Meta, "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)")]
    [InlineData("/a", "application/json;as=PartialObjectMetadataList" + Meta, "you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)")]
    public async Task What_cannot_be_given_is_not_acceptable(string path, string accept, string message)
    {
        var reply = (await _server.GetAsync(ConfigMaps + path, accept)).Expect(406);
        Assert.Equal(("NotAcceptable", message), (reply.Reason, reply.Message));
    }

    [Theory]
    [InlineData("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", """{"spec":{"nonResourceAttributes":{"path":"/","verb":"get"}}}""")]
    [InlineData("/apis/authentication.k8s.io/v1/tokenreviews", """{"spec":{"token":"x"}}""")]
    [InlineData("/api/v1/namespaces/default/serviceaccounts/default/token", """{"spec":{"audiences":[]}}""")]
    public async Task Answers_that_are_no_objects_have_no_rows(string path, string body)
    {
        const string Table = "application/json;as=Table" + Meta;
        Assert.Equal("NotAcceptable", (await _server.SendAsync(HttpMethod.Post, path, body, accept: Table)).Expect(406).Reason);
        Assert.NotEqual(406, (await _server.SendAsync(HttpMethod.Post, path, body, accept: Table + ", application/json")).Code);
    }

    [Fact]
    public async Task A_streamed_list_has_no_rows()
    {
        const string Stream = ConfigMaps + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
        Assert.Equal("NotAcceptable", (await _server.GetAsync(Stream, "application/json;as=Table" + Meta)).Expect(406).Reason);
        (await _server.GetAsync(Stream, "application/json;as=Table" + Meta + ", application/json")).Expect(200);
    }

    [Fact]
    public async Task Yaml_cannot_be_watched()
    {
        var reply = (await _server.GetAsync(ConfigMaps + "?watch=1", "application/yaml")).Expect(406);
        Assert.Equal("application/yaml", reply.ContentType);
        Assert.Contains("only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch", reply.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("v1")]
    [InlineData("v1beta1")]
    public async Task Objects_and_lists_come_as_their_metadata(string version)
    {
        var one = (await _server.GetAsync(ConfigMaps + "/a", $"application/json;as=PartialObjectMetadata;v={version};g=meta.k8s.io")).Expect(200).Json;
        Assert.Equal(("PartialObjectMetadata", "meta.k8s.io/" + version, "a"),
            (one["kind"]!.GetValue<string>(), one["apiVersion"]!.GetValue<string>(), one["metadata"]!["name"]!.GetValue<string>()));
        Assert.Null(one["data"]);
        var list = (await _server.GetAsync(ConfigMaps, $"application/json;as=PartialObjectMetadataList;v={version};g=meta.k8s.io")).Expect(200);
        Assert.Equal(("PartialObjectMetadataList", "meta.k8s.io/" + version), (list.Json["kind"]!.GetValue<string>(), list.Json["apiVersion"]!.GetValue<string>()));
        Assert.Equal(["a"], list.Names);
        Assert.NotEqual("", list.Version);
        var table = (await _server.GetAsync(ConfigMaps, $"application/json;as=Table;v={version};g=meta.k8s.io")).Expect(200).Json;
        Assert.Equal("meta.k8s.io/" + version, table["apiVersion"]!.GetValue<string>());
        Assert.Equal("meta.k8s.io/" + version, table["rows"]![0]!["object"]!["apiVersion"]!.GetValue<string>());
    }

    [Fact]
    public async Task Rows_hold_the_object_its_metadata_or_nothing()
    {
        const string Table = "application/json;as=Table" + Meta;
        Assert.Null((await _server.GetAsync(ConfigMaps + "?includeObject=None", Table)).Expect(200).Json["rows"]![0]!["object"]);
        Assert.Equal("v", (await _server.GetAsync(ConfigMaps + "?includeObject=Object", Table)).Expect(200).Json["rows"]![0]!["object"]!["data"]!["k"]!.GetValue<string>());
        Assert.Equal("Unable to convert to Table as requested: includeObject: Invalid value: \"Half\": must be 'Metadata', 'Object', 'None', or empty",
            (await _server.GetAsync(ConfigMaps + "?includeObject=Half", Table)).Expect(400).Message);
    }

    [Theory]
    [InlineData("?pretty=true", "", true)]
    [InlineData("?pretty=1", "kubectl", true)]
    [InlineData("?pretty=false", "curl/8", false)]
    [InlineData("", "curl/8.5.0", true)]
    [InlineData("", "Wget/1", true)]
    [InlineData("", "Mozilla/5.0 (X11)", true)]
    [InlineData("", "kubectl/v1.32", false)]
    public async Task People_get_indented_answers(string query, string agent, bool isPretty)
    {
        foreach (var path in (string[])[ConfigMaps, ConfigMaps + "/a", ConfigMaps + "/none", "/api/v1"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path + query) { Version = HttpVersion.Version20 };
            request.Headers.TryAddWithoutValidation("User-Agent", agent);
            using var response = await _server.Admin.SendAsync(request, TestServer.Cancelled);
            Assert.Equal((path, isPretty), (path, (await response.Content.ReadAsStringAsync(TestServer.Cancelled)).StartsWith("{\n  \"kind\": ", StringComparison.Ordinal)));
        }
    }

    [Theory]
    [InlineData("application/json", "/big")]
    [InlineData("application/json", "")]
    [InlineData("application/json;pretty=1", "")]
    [InlineData("application/yaml", "/big")]
    [InlineData("application/vnd.kubernetes.protobuf", "/big")]
    [InlineData("application/vnd.kubernetes.protobuf", "")]
    [InlineData("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "/noted")]
    public async Task Large_answers_are_compressed_for_who_takes_it(string accept, string path)
    {
        var large = new string('x', 150_000);
        (await _server.PostAsync(ConfigMaps, $$"""{"metadata":{"name":"big"},"data":{"k":"{{large}}"} }""")).Expect(201);
        (await _server.PostAsync(ConfigMaps, $$"""{"metadata":{"name":"noted","annotations":{"k":"{{large}}"} } }""")).Expect(201);
        // A list says as of when it is, and others may write meanwhile.
        if (path.Length == 0)
            path = $"?resourceVersionMatch=Exact&resourceVersion={_server.Store.CurrentRevision}";
        foreach (var encoding in (string[])["gzip", "deflate, gzip"])
        {
            var (coding, body) = await FetchAsync(ConfigMaps + path, accept, encoding);
            Assert.Equal("gzip", coding);
            using var unzip = new GZipStream(new MemoryStream(body), CompressionMode.Decompress);
            using var plain = new MemoryStream();
            await unzip.CopyToAsync(plain, TestServer.Cancelled);
            Assert.True(body.Length < 20_000 && plain.Length > large.Length);
            Assert.Equal(plain.ToArray(), (await FetchAsync(ConfigMaps + path, accept, "identity")).Body);
        }
        Assert.Equal("", (await FetchAsync(ConfigMaps + "/a", accept, "gzip")).Coding); // Small ones go as they are.
        Assert.Equal("", (await FetchAsync(ConfigMaps + path, accept, "xgzip, br")).Coding);
    }

    [Fact]
    public async Task Both_versions_of_http_are_spoken()
    {
        foreach (var version in (Version[])[HttpVersion.Version11, HttpVersion.Version20])
        {
            using var client = _server.ClientOf(_server.Pki.Admin, version);
            using var request = new HttpRequestMessage(HttpMethod.Get, ConfigMaps + "?watch=1&resourceVersion=0") { Version = version, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestServer.Cancelled);
            Assert.Equal((version, HttpStatusCode.OK), (response.Version, response.StatusCode));
            using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(TestServer.Cancelled));
            Assert.StartsWith("{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",", await lines.ReadLineAsync(TestServer.Cancelled), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Answers_in_json_are_lines()
    {
        foreach (var path in (string[])[ConfigMaps, ConfigMaps + "/a", ConfigMaps + "/none", "/api/v1", "/apis"])
        {
            var text = (await _server.GetAsync(path)).Text;
            Assert.Equal((path, true, 1), (path, text.EndsWith("}\n", StringComparison.Ordinal), text.Count(letter => letter == '\n')));
        }
    }

    [Fact]
    public async Task Who_does_not_take_an_answer_loses_it()
    {
        var clock = new Minke.TestSupport.ManualTime(DateTimeOffset.UtcNow);
        await using var server = await TestServer.StartAsync(clock);
        var filler = new string('x', 1_000_000);
        for (var i = 0; i < 8; i++)
            (await server.PostAsync(ConfigMaps, $$"""{"metadata":{"name":"a{{i}}"},"data":{"k":"{{filler}}"} }""")).Expect(201);
        using var request = new HttpRequestMessage(HttpMethod.Get, ConfigMaps) { Version = HttpVersion.Version20 };
        using var response = await server.Admin.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestServer.Cancelled);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        // Nothing is read of the body; the server counts the request once it has given up.
        while (!deadline.IsCancellationRequested && !(await server.GetAsync("/metrics")).Text.Contains("resource=\"configmaps\",subresource=\"\",verb=\"LIST\",version=\"v1\",code=\"200\"} 1\n", StringComparison.Ordinal))
            clock.Advance(TimeSpan.FromMinutes(2));
        await Assert.ThrowsAnyAsync<Exception>(() => response.Content.ReadAsStringAsync(TestServer.Cancelled));
    }

    private async Task<(string Coding, byte[] Body)> FetchAsync(string path, string accept, string encoding)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Version = HttpVersion.Version20 };
        request.Headers.TryAddWithoutValidation("Accept", accept);
        request.Headers.TryAddWithoutValidation("Accept-Encoding", encoding);
        using var response = await _server.Admin.SendAsync(request, TestServer.Cancelled);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return (string.Join(',', response.Content.Headers.ContentEncoding), await response.Content.ReadAsByteArrayAsync(TestServer.Cancelled));
    }
}
