using System.Text;
using Minke.Api;
using Minke.Api.Core.V1;

namespace Minke.Server.Tests;

public sealed class WriteTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";
    private const string Pods = "/api/v1/namespaces/default/pods";

    [Theory]
    [InlineData("", "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)")]
    [InlineData("""{"kind":"Service","apiVersion":"v1"}""",
        "Service in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Service) to (core.ConfigMap): unknown conversion")]
    [InlineData("""{"kind":"Nope","apiVersion":"v1"}""",
        "Nope in version \"v1\" cannot be handled as a ConfigMap: no kind \"Nope\" is registered for version \"v1\" in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"")]
    [InlineData("""{"metadata":{"name":"a","namespace":"other"}}""", "the namespace of the provided object does not match the namespace sent on the request")]
    [InlineData("""{"metadata":{"name":"a"},"data":[]}""",
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string")]
    public async Task A_body_that_cannot_be_read_says_why(string body, string message)
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal(message, (await server.PostAsync(ConfigMaps, body)).Expect(400).Message);
    }

    [Fact]
    public async Task Unknown_fields_warn_or_refuse_or_pass_as_asked()
    {
        await using var server = await TestServer.StartAsync();
        const string Body = """{"metadata":{"name":"a"},"spec":{},"data":{"a":"1","a":"2"}}""";
        var strict = (await server.PostAsync(ConfigMaps + "?fieldValidation=Strict", Body)).Expect(400);
        Assert.Equal("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"spec\", duplicate field \"data.a\"", strict.Message);
        Assert.Empty((await server.PostAsync(ConfigMaps + "?fieldValidation=Ignore&dryRun=All", Body)).Expect(201).Warnings);
        Assert.Equal(["299 - \"unknown field \\\"spec\\\"\"", "299 - \"duplicate field \\\"data.a\\\"\""], (await server.PostAsync(ConfigMaps, Body)).Expect(201).Warnings);
    }

    [Fact]
    public async Task Names_are_generated_and_taken_names_refused()
    {
        await using var server = await TestServer.StartAsync();
        var name = (await server.PostAsync(ConfigMaps, """{"metadata":{"generateName":"x-"}}""")).Expect(201).Json["metadata"]!["name"]!.GetValue<string>();
        Assert.Matches("^x-[bcdfghjklmnpqrstvwxz2456789]{5}$", name);
        var taken = (await server.PostAsync(ConfigMaps, $$"""{"metadata":{"name":"{{name}}"} }""")).Expect(409);
        Assert.Equal(("AlreadyExists", $"configmaps \"{name}\" already exists"), (taken.Reason, taken.Message));
        var nameless = (await server.PostAsync(ConfigMaps, "{}")).Expect(422);
        Assert.Equal("ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required", nameless.Message);
    }

    [Fact]
    public async Task A_dry_run_answers_and_stores_nothing()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps + "?dryRun=All", """{"metadata":{"name":"a"}}""")).Expect(201);
        (await server.GetAsync(ConfigMaps + "/a")).Expect(404);
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        Assert.Equal("1", (await server.PatchAsync(ConfigMaps + "/a?dryRun=All", """{"data":{"k":"1"}}""")).Expect(200).Json["data"]!["k"]!.GetValue<string>());
        (await server.DeleteAsync(ConfigMaps + "/a?dryRun=All")).Expect(200);
        Assert.Null((await server.GetAsync(ConfigMaps + "/a")).Expect(200).Json["data"]);
        (await server.PostAsync(ConfigMaps + "?dryRun=Some", """{"metadata":{"name":"b"}}""")).Expect(422);
    }

    [Fact]
    public async Task Of_two_updates_of_one_version_the_second_is_a_conflict()
    {
        await using var server = await TestServer.StartAsync();
        var first = (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        (await server.PutAsync(ConfigMaps + "/a", $$"""{"metadata":{"name":"a","resourceVersion":"{{first.Version}}"},"data":{"k":"1"} }""")).Expect(200);
        var late = (await server.PutAsync(ConfigMaps + "/a", $$"""{"metadata":{"name":"a","resourceVersion":"{{first.Version}}"},"data":{"k":"2"} }""")).Expect(409);
        Assert.Equal("Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again", late.Message);
        Assert.Equal("3", (await server.PutAsync(ConfigMaps + "/a", """{"metadata":{"name":"a"},"data":{"k":"3"}}""")).Expect(200).Json["data"]!["k"]!.GetValue<string>());
        Assert.Equal("the name of the object (b) does not match the name on the URL (a)", (await server.PutAsync(ConfigMaps + "/a", """{"metadata":{"name":"b"}}""")).Expect(400).Message);
        var other = (await server.PutAsync(ConfigMaps + "/a", """{"metadata":{"name":"a","uid":"x"}}""")).Expect(409);
        Assert.Contains("Precondition failed: UID in precondition: x, UID in object meta: ", other.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_update_that_changes_nothing_writes_nothing()
    {
        await using var server = await TestServer.StartAsync();
        var first = (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"},"data":{"k":"1"}}""")).Expect(201);
        Assert.Equal(first.Version, (await server.PutAsync(ConfigMaps + "/a", """{"metadata":{"name":"a"},"data":{"k":"1"}}""")).Expect(200).Version);
        Assert.Equal(first.Version, (await server.PatchAsync(ConfigMaps + "/a", """{"data":{"k":"1"}}""")).Expect(200).Version);
    }

    [Fact]
    public async Task Kinds_that_insist_on_a_version_get_one()
    {
        await using var server = await TestServer.StartAsync();
        const string Leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
        var created = (await server.PutAsync(Leases + "/a", """{"metadata":{"name":"a"},"spec":{"holderIdentity":"x"}}""")).Expect(201);
        Assert.Equal("Lease.coordination.k8s.io \"a\" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update",
            (await server.PutAsync(Leases + "/a", """{"metadata":{"name":"a"}}""")).Expect(422).Message.Replace("leases.", "Lease.", StringComparison.Ordinal));
        Assert.NotEqual("", created.Version);
    }

    [Theory]
    [InlineData("json-patch", """[{"op":"add","path":"/data/b","value":"2"}]""", "a=1 b=2")]
    [InlineData("merge-patch", """{"data":{"a":null,"b":"2"}}""", "b=2")]
    [InlineData("strategic-merge-patch", """{"data":{"b":"2"}}""", "a=1 b=2")]
    public async Task Patches_of_three_kinds_apply(string type, string patch, string expected)
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"},"data":{"a":"1"}}""")).Expect(201);
        var data = (await server.PatchAsync(ConfigMaps + "/a", patch, type)).Expect(200).Json["data"]!.AsObject();
        Assert.Equal(expected, string.Join(' ', data.Select(pair => $"{pair.Key}={pair.Value}")));
    }

    [Fact]
    public async Task Patches_that_do_not_fit_are_refused()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        Assert.Equal("the server rejected our request due to an error in our request",
            (await server.PatchAsync(ConfigMaps + "/a", """[{"op":"remove","path":"/nope"}]""", "json-patch")).Expect(422).Message);
        (await server.PatchAsync(ConfigMaps + "/a", "{", "merge-patch")).Expect(400);
        (await server.PatchAsync(ConfigMaps + "/nope", "{}")).Expect(404);
        Assert.Contains("strict decoding error: unknown field \\\"spec\\\"", (await server.PatchAsync(ConfigMaps + "/a?fieldValidation=Strict", """{"spec":1}""")).Expect(422).Text, StringComparison.Ordinal);
        Assert.StartsWith("the body of the request was in an unknown format - accepted media types include: ",
            (await server.SendAsync(HttpMethod.Patch, ConfigMaps + "/a", "{}", "application/apply-patch+cbor")).Expect(415).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Patches_of_many_clients_at_once_are_all_kept()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        var replies = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => server.PatchAsync(ConfigMaps + "/a", $$"""{"data":{"k{{i}}":"1"} }""")));
        Assert.All(replies, reply => reply.Expect(200));
        Assert.Equal(4, (await server.GetAsync(ConfigMaps + "/a")).Json["data"]!.AsObject().Count);
    }

    [Fact]
    public async Task Yaml_and_protobuf_bodies_are_read()
    {
        await using var server = await TestServer.StartAsync();
        var yaml = (await server.SendAsync(HttpMethod.Post, ConfigMaps, "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: yam\ndata:\n  k: \"yes\"\n", "application/yaml")).Expect(201);
        Assert.Equal("yes", yaml.Json["data"]!["k"]!.GetValue<string>());

        var sent = ProtoEnvelope.Write(new ConfigMap { Metadata = new() { Name = "p" }, Data = ApiMap.From([new KeyValuePair<string, string>("k", "v")]) });
        using var request = new HttpRequestMessage(HttpMethod.Post, ConfigMaps) { Version = new(2, 0), Content = new ByteArrayContent(sent) };
        request.Content.Headers.ContentType = new("application/vnd.kubernetes.protobuf");
        request.Headers.TryAddWithoutValidation("Accept", "application/vnd.kubernetes.protobuf");
        using var response = await server.Admin.SendAsync(request, TestServer.Cancelled);
        Assert.Equal("application/vnd.kubernetes.protobuf", response.Content.Headers.ContentType!.MediaType);
        var (_, kind, raw) = ProtoEnvelope.Open(await response.Content.ReadAsByteArrayAsync(TestServer.Cancelled));
        Assert.Equal("ConfigMap", kind);
        Assert.Equal("v", ((ConfigMap)ConfigMap.KindInfo.ReadProto(raw.Span)).Data["k"]);
    }

    [Fact]
    public async Task A_namespace_must_be_there_and_stay()
    {
        await using var server = await TestServer.StartAsync();
        var missing = (await server.PostAsync("/api/v1/namespaces/nope/configmaps", """{"metadata":{"name":"a"}}""")).Expect(404);
        Assert.Equal("namespaces \"nope\" not found", missing.Message);

        (await server.PostAsync("/api/v1/namespaces", """{"metadata":{"name":"going"},"spec":{}}""")).Expect(201);
        Assert.Equal("Terminating", (await server.DeleteAsync("/api/v1/namespaces/going")).Expect(200).Json["status"]!["phase"]!.GetValue<string>());
        var refused = (await server.PostAsync("/api/v1/namespaces/going/configmaps", """{"metadata":{"name":"a"}}""")).Expect(403);
        Assert.Equal("configmaps \"a\" is forbidden: unable to create new content in namespace going because it is being terminated", refused.Message);
        Assert.Equal("NamespaceTerminating", refused.Json["details"]!["causes"]![0]!["reason"]!.GetValue<string>());
        (await server.PutAsync("/api/v1/namespaces/going/finalize", """{"metadata":{"name":"going"},"spec":{}}""")).Expect(200);
        (await server.GetAsync("/api/v1/namespaces/going")).Expect(404);
        Assert.Equal("namespaces \"default\" is forbidden: this namespace may not be deleted", (await server.DeleteAsync("/api/v1/namespaces/default")).Expect(403).Message);
    }

    [Fact]
    public async Task A_body_that_is_too_large_is_refused()
    {
        await using var server = await TestServer.StartAsync();
        var body = new StringBuilder("""{"metadata":{"name":"a"},"data":{"k":" """).Append('x', 3 * 1024 * 1024).Append("\"}}").ToString();
        Assert.Equal("RequestEntityTooLarge", (await server.PostAsync(ConfigMaps, body)).Expect(413).Reason);
    }

    [Fact]
    public async Task A_pod_gets_its_account_its_token_its_tolerations_and_its_priority()
    {
        await using var server = await TestServer.StartAsync();
        var pod = (await server.PostAsync(Pods, """{"metadata":{"name":"a"},"spec":{"containers":[{"name":"a","image":"x"}]}}""")).Expect(201).Json["spec"]!;
        Assert.Equal("default", pod["serviceAccountName"]!.GetValue<string>());
        Assert.StartsWith("kube-api-access-", pod["volumes"]![0]!["name"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal("/var/run/secrets/kubernetes.io/serviceaccount", pod["containers"]![0]!["volumeMounts"]![0]!["mountPath"]!.GetValue<string>());
        Assert.Equal(["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"], pod["tolerations"]!.AsArray().Select(one => one!["key"]!.GetValue<string>()));
        Assert.Equal(0, pod["priority"]!.GetValue<int>());
        Assert.Equal("pods \"b\" is forbidden: error looking up service account default/nobody: serviceaccount \"nobody\" not found",
            (await server.PostAsync(Pods, """{"metadata":{"name":"b"},"spec":{"serviceAccountName":"nobody","containers":[{"name":"a","image":"x"}]}}""")).Expect(403).Message);
        Assert.Equal("pods \"b\" is forbidden: no PriorityClass with name top was found",
            (await server.PostAsync(Pods, """{"metadata":{"name":"b"},"spec":{"priorityClassName":"top","containers":[{"name":"a","image":"x"}]}}""")).Expect(403).Message);
    }
}
