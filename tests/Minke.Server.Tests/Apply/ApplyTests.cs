using System.Text.Json.Nodes;
using Minke.Server.Tests.CustomResources;

namespace Minke.Server.Tests.Apply;

/// <summary>Server-side apply from outside: what is answered, what is stored, who owns what.</summary>
public sealed class ApplyTests : IAsyncLifetime
{
    private const string Maps = "/api/v1/namespaces/default/configmaps";
    private const string Pods = "/api/v1/namespaces/default/pods";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Applying_what_is_not_there_creates_it_and_its_applier_owns_what_it_mentions()
    {
        var reply = await ApplyAsync("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","labels":{"app":"x"}},"data":{"key":"1"}}""", "alice");
        reply.Expect(201);
        var entry = Assert.Single(Managed(reply));
        Assert.Equal("alice", Text(entry, "manager"));
        Assert.Equal("Apply", Text(entry, "operation"));
        Assert.Equal("v1", Text(entry, "apiVersion"));
        Assert.Equal("FieldsV1", Text(entry, "fieldsType"));
        Assert.NotNull(entry["time"]);
        Assert.Equal("""{"f:data":{"f:key":{}},"f:metadata":{"f:labels":{"f:app":{}}}}""", entry["fieldsV1"]!.ToJsonString());
    }

    [Fact]
    public async Task Applying_the_same_again_changes_nothing_not_even_the_version()
    {
        var first = await ApplyAsync(Map("""{"key":"1"}"""), "alice");
        var second = await ApplyAsync(Map("""{"key":"1"}"""), "alice");
        second.Expect(200);
        Assert.Equal(first.Version, second.Version);
        Assert.Equal(first.Text, second.Text);
    }

    [Fact]
    public async Task A_field_no_longer_applied_goes_and_others_stay()
    {
        await ApplyAsync(Map("""{"key":"1","other":"2"}"""), "alice");
        await ApplyAsync(Map("""{"third":"3"}"""), "bob");
        var reply = await ApplyAsync(Map("""{"key":"1"}"""), "alice");
        Assert.Equal("""{"key":"1","third":"3"}""", reply.Expect(200).Json["data"]!.ToJsonString());
    }

    [Fact]
    public async Task A_conflict_names_field_and_manager_and_force_takes_it()
    {
        await _server.PostAsync(Maps + "?fieldManager=editor", Map("""{"key":"1","other":"2"}"""));
        var refused = await ApplyAsync(Map("""{"key":"2"}"""), "alice");
        refused.Expect(409);
        Assert.Equal("Conflict", refused.Reason);
        Assert.Equal("Apply failed with 1 conflict: conflict with \"editor\" using v1: .data.key", refused.Message);
        Assert.Equal(
            """[{"reason":"FieldManagerConflict","message":"conflict with \"editor\" using v1","field":".data.key"}]""",
            JsonNode.Parse(refused.Json["details"]!["causes"]!.ToJsonString())!.ToJsonString(Relaxed));

        var two = await ApplyAsync(Map("""{"key":"2","other":"3"}"""), "alice");
        Assert.Equal("Apply failed with 2 conflicts: conflicts with \"editor\" using v1:\n- .data.key\n- .data.other", two.Message);

        var forced = await ApplyAsync(Map("""{"key":"2"}"""), "alice", "&force=true");
        Assert.Equal("2", forced.Expect(200).Json["data"]!["key"]!.GetValue<string>());
        Assert.Equal(["alice", "editor"], Managed(forced).Select(entry => Text(entry, "manager")));
        Assert.Equal("""{"f:data":{".":{},"f:other":{}}}""", Canonical(Managed(forced)[1]["fieldsV1"]!));
    }

    [Fact]
    public async Task Two_appliers_share_a_field_that_both_apply_with_one_value()
    {
        await ApplyAsync(Map("""{"key":"1"}"""), "alice");
        var shared = await ApplyAsync(Map("""{"key":"1"}"""), "bob");
        Assert.Equal(["bob", "alice"], Managed(shared.Expect(200)).Select(entry => Text(entry, "manager")));
        // The field stays as long as one of them wants it.
        var left = await ApplyAsync(Map("{}"), "alice");
        Assert.Equal("1", left.Expect(200).Json["data"]!["key"]!.GetValue<string>());
        var gone = await ApplyAsync(Map("{}"), "bob");
        Assert.Null(gone.Expect(200).Json["data"]?["key"]);
    }

    [Fact]
    public async Task Items_of_a_list_are_owned_by_their_keys_and_a_key_may_be_left_to_its_default()
    {
        var reply = await ApplyAsync(
            Pod("""{"name":"c","image":"i","ports":[{"containerPort":80}]}"""), "alice", path: Pods + "/p");
        reply.Expect(201);
        Assert.Contains(
            """{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}""",
            Canonical(Managed(reply)[0]["fieldsV1"]!), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_create_is_owned_by_its_creator_with_its_defaults_but_not_with_what_admission_adds()
    {
        var reply = await _server.PostAsync(Pods + "?fieldManager=creator", Pod("""{"name":"c","image":"i"}"""));
        var entry = Assert.Single(Managed(reply.Expect(201)));
        Assert.Equal("Update", Text(entry, "operation"));
        Assert.Equal(
            """{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:resources":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}""",
            Canonical(entry["fieldsV1"]!));
    }

    [Fact]
    public async Task A_writer_without_a_name_is_its_program()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Maps) { Version = System.Net.HttpVersion.Version20, Content = new StringContent(Map("""{"key":"1"}""")) };
        request.Content.Headers.ContentType = new("application/json");
        request.Headers.TryAddWithoutValidation("User-Agent", "mytool/v1.2 (linux/amd64)");
        using var response = await _server.Admin.SendAsync(request, TestServer.Cancelled);
        var json = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestServer.Cancelled))!;
        Assert.Equal("mytool", json["metadata"]!["managedFields"]![0]!["manager"]!.GetValue<string>());
    }

    [Fact]
    public async Task An_update_takes_what_it_changes_and_leaves_the_rest()
    {
        await ApplyAsync(Map("""{"key":"1","other":"2"}"""), "alice");
        var changed = await _server.PatchAsync(Maps + "/m?fieldManager=editor", """{"data":{"key":"5"}}""");
        Assert.Equal(["alice", "editor"], Managed(changed.Expect(200)).Select(entry => Text(entry, "manager")));
        Assert.Equal("""{"f:data":{"f:other":{}}}""", Canonical(Managed(changed)[0]["fieldsV1"]!));
        Assert.Equal("""{"f:data":{"f:key":{}}}""", Canonical(Managed(changed)[1]["fieldsV1"]!));
        var removed = await _server.PatchAsync(Maps + "/m?fieldManager=editor", """{"data":{"key":null,"other":null}}""");
        Assert.Equal("[]", (removed.Expect(200).Json["metadata"]!["managedFields"] ?? new JsonArray()).ToJsonString());
    }

    [Fact]
    public async Task Status_is_owned_through_its_subresource_alone()
    {
        await _server.PostAsync(Pods + "?fieldManager=creator", Pod("""{"name":"c","image":"i"}"""));
        var status = await _server.PatchAsync(Pods + "/p/status?fieldManager=kubelet", """{"status":{"phase":"Running","message":"m"},"spec":{"nodeName":"n"}}""");
        var entry = Managed(status.Expect(200)).Single(entry => Text(entry, "manager") == "kubelet");
        Assert.Equal("status", Text(entry, "subresource"));
        Assert.Equal("""{"f:status":{"f:message":{},"f:phase":{}}}""", Canonical(entry["fieldsV1"]!));

        // Through the object itself a status is neither set nor owned.
        var main = await ApplyAsync(
            """{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"a":"b"}},"status":{"phase":"Failed"}}""", "alice", path: Pods + "/p");
        Assert.Equal("Running", main.Expect(200).Json["status"]!["phase"]!.GetValue<string>());
        Assert.Equal("""{"f:metadata":{"f:labels":{"f:a":{}}}}""", Canonical(Managed(main)[0]["fieldsV1"]!));
    }

    [Fact]
    public async Task Ownership_can_be_forgotten_and_begins_again_with_the_next_apply()
    {
        await ApplyAsync(Map("""{"key":"1"}"""), "alice");
        var reset = await _server.PatchAsync(Maps + "/m", """{"metadata":{"managedFields":[{}]}}""");
        Assert.Null(reset.Expect(200).Json["metadata"]!["managedFields"]);
        // Nobody is tracked until somebody applies.
        Assert.Null((await _server.PatchAsync(Maps + "/m", """{"data":{"b":"2"}}""")).Json["metadata"]!["managedFields"]);
        var again = await ApplyAsync(Map("""{"key":"1"}"""), "alice");
        Assert.Equal(["alice", "before-first-apply"], Managed(again.Expect(200)).Select(entry => Text(entry, "manager")));
        Assert.Equal("""{"f:data":{".":{},"f:b":{},"f:key":{}}}""", Canonical(Managed(again)[1]["fieldsV1"]!));
    }

    [Fact]
    public async Task Managers_in_a_request_that_make_no_sense_are_passed_over()
    {
        var created = await ApplyAsync(Map("""{"key":"1"}"""), "alice");
        var managed = created.Json["metadata"]!["managedFields"]!.ToJsonString();
        var reply = await _server.PatchAsync(Maps + "/m", """{"metadata":{"managedFields":[{"manager":"x","operation":"Steal","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{}}]}}""");
        Assert.Equal(managed, reply.Expect(200).Json["metadata"]!["managedFields"]!.ToJsonString());
        Assert.Equal(created.Version, reply.Version);
    }

    [Fact]
    public async Task A_manager_in_a_request_may_not_have_a_name_that_is_too_long()
    {
        var name = new string('x', 129);
        var reply = await _server.PostAsync(Maps, $$$"""
            {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","managedFields":[{"manager":"{{{name}}}","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:immutable":{} } }]},"data":{"a":"b"}}
            """);
        Assert.Contains("manager: Too long: may not be more than 128 bytes", reply.Expect(422).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("?force=true", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"}}""", 422,
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch")]
    [InlineData("?fieldManager=a", """{"apiVersion":"v1","kind":"Secret","metadata":{"name":"m"}}""", 400, "invalid object type: /v1, Kind=Secret")]
    [InlineData("?fieldManager=a", """{"metadata":{"name":"m"}}""", 400, "invalid object type: /, Kind=")]
    [InlineData("?fieldManager=a", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","managedFields":[]}}""", 400, "metadata.managedFields must be nil")]
    [InlineData("?fieldManager=a", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"foo":1}""", 500,
        "failed to create typed patch object (/m; /v1, Kind=ConfigMap): .foo: field not declared in schema")]
    [InlineData("?fieldManager=a", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":"x"}""", 500,
        "failed to create typed patch object (/m; /v1, Kind=ConfigMap): .data: expected map, got &{x}")]
    [InlineData("?fieldManager=a", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"a":1},"immutable":"yes"}""", 500,
        "failed to create typed patch object (/m; /v1, Kind=ConfigMap): errors:\n  .data.a: expected string, got &value.valueUnstructured{Value:1}\n  .immutable: expected boolean, got &{yes}")]
    [InlineData("?fieldManager=a", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"other"}}""", 400,
        "the name of the object (other) does not match the name on the URL (m)")]
    [InlineData("?fieldManager=a", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","uid":"u"}}""", 409,
        "Operation cannot be fulfilled on configmaps \"m\": uid mismatch: the provided object specified uid u, and no existing object was found")]
    [InlineData("?fieldManager=a&fieldValidation=Strict", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n  a: one\n  a: two\n", 400,
        "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 6: key \"a\" already set in map")]
    [InlineData("?fieldManager=a&fieldValidation=Loose", "{}", 422,
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Loose\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"")]
    public async Task An_apply_that_makes_no_sense_is_refused_in_upstreams_words(string query, string body, int code, string message)
    {
        var reply = await _server.SendAsync(HttpMethod.Patch, $"{Maps}/m{query}", body, "application/apply-patch+yaml");
        Assert.Equal((code, message), (reply.Code, reply.Message));
    }

    [Fact]
    public async Task Duplicate_items_are_refused_in_upstreams_words()
    {
        var reply = await ApplyAsync(Pod("""{"name":"c","env":[{"name":"A","value":"1"},{"name":"A","value":"2"}]}"""), "alice", path: Pods + "/p");
        Assert.Equal(500, reply.Code);
        Assert.Equal(
            "failed to create typed patch object (/p; /v1, Kind=Pod): .spec.containers[name=\"c\"].env: duplicate entries for key [name=\"A\"]", reply.Message);
    }

    [Fact]
    public async Task Other_patches_may_not_force_and_cbor_is_not_taken()
    {
        var forced = await _server.PatchAsync(Maps + "/m?force=true", "{}");
        Assert.Equal("PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch", forced.Message);
        var cbor = await _server.SendAsync(HttpMethod.Patch, Maps + "/m?fieldManager=a", "x", "application/apply-patch+cbor");
        Assert.Equal(415, cbor.Code);
        Assert.Equal(
            "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, "
            + "application/strategic-merge-patch+json, application/apply-patch+yaml", cbor.Message);
    }

    [Fact]
    public async Task A_dry_run_shows_the_outcome_and_stores_nothing()
    {
        var reply = await ApplyAsync(Map("""{"key":"1"}"""), "alice", "&dryRun=All");
        Assert.Equal("1", reply.Expect(201).Json["data"]!["key"]!.GetValue<string>());
        (await _server.GetAsync(Maps + "/m")).Expect(404);
    }

    [Fact]
    public async Task An_apply_may_ask_for_a_version_and_a_uid()
    {
        var first = await ApplyAsync(Map("""{"key":"1"}"""), "alice");
        await _server.PatchAsync(Maps + "/m", """{"data":{"b":"1"}}""");
        var stale = await ApplyAsync($$$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","resourceVersion":"{{{first.Version}}}"},"data":{"key":"2"}}""", "alice");
        Assert.Equal((409, "Operation cannot be fulfilled on configmaps \"m\": the object has been modified; please apply your changes to the latest version and try again"),
            (stale.Code, stale.Message));
        var other = await ApplyAsync("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","uid":"other"},"data":{"key":"2"}}""", "alice");
        Assert.Equal((422, "ConfigMap \"m\" is invalid: metadata.uid: Invalid value: \"other\": field is immutable"), (other.Code, other.Message));
    }

    [Fact]
    public async Task More_than_ten_writers_become_ancient_changes()
    {
        await ApplyAsync(Map("""{"key":"1"}"""), "alice");
        for (var i = 0; i < 12; i++)
            await _server.PatchAsync($"{Maps}/m?fieldManager=w{i:00}", $$$"""{"data":{"k{{{i:00}}}":"1"}}""");
        var managed = Managed(await _server.GetAsync(Maps + "/m"));
        Assert.Equal(11, managed.Count);
        var ancient = managed.Single(entry => Text(entry, "manager") == "ancient-changes");
        Assert.Equal("""{"f:data":{"f:k00":{},"f:k01":{},"f:k02":{}}}""", Canonical(ancient["fieldsV1"]!));
    }

    [Fact]
    public async Task Kubectl_takes_over_from_its_own_client_side_apply()
    {
        var last = """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"key":"1","edited":"1"}}""";
        await _server.PostAsync(Maps + "?fieldManager=kubectl-client-side-apply", $$$"""
            {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","annotations":{"kubectl.kubernetes.io/last-applied-configuration":{{{JsonValue.Create(last)!.ToJsonString()}}}}},"data":{"key":"1","edited":"1"} }
            """);
        await _server.PatchAsync(Maps + "/m?fieldManager=kubectl-edit", """{"data":{"edited":"2"}}""");

        // What was edited since is no longer what was applied.
        var refused = await ApplyAsync(Map("""{"key":"2","edited":"3"}"""), "kubectl");
        Assert.Equal("Apply failed with 1 conflict: conflict with \"kubectl-edit\" using v1: .data.edited", refused.Message);
        var other = await ApplyAsync(Map("""{"key":"2"}"""), "somebody");
        Assert.Equal("Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using v1: .data.key", other.Message);

        var taken = await ApplyAsync(Map("""{"key":"2"}"""), "kubectl");
        Assert.Equal(
            "{\"apiVersion\":\"v1\",\"data\":{\"key\":\"2\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\"}}\n",
            taken.Expect(200).Json["metadata"]!["annotations"]!["kubectl.kubernetes.io/last-applied-configuration"]!.GetValue<string>());
    }

    [Fact]
    public async Task Replicas_are_owned_through_the_scale_and_taken_from_whoever_had_them()
    {
        const string deployment = "/apis/apps/v1/namespaces/default/deployments/d";
        var body = """
            {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"replicas":1,"selector":{"matchLabels":{"a":"b"}},
             "template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}
            """;
        (await ApplyAsync(body, "alice", path: deployment)).Expect(201);
        (await _server.PatchAsync(deployment + "/scale?fieldManager=scaler", """{"spec":{"replicas":3}}""")).Expect(200);
        var scaled = await _server.GetAsync(deployment);
        var scaler = Managed(scaled).Single(entry => Text(entry, "manager") == "scaler");
        Assert.Equal(("scale", "apps/v1", """{"f:spec":{"f:replicas":{}}}"""), (Text(scaler, "subresource"), Text(scaler, "apiVersion"), Canonical(scaler["fieldsV1"]!)));
        Assert.DoesNotContain("f:replicas", Canonical(Managed(scaled)[0]["fieldsV1"]!), StringComparison.Ordinal);
        Assert.Equal("Apply failed with 1 conflict: conflict with \"scaler\" with subresource \"scale\" using apps/v1: .spec.replicas",
            (await ApplyAsync(body, "alice", path: deployment)).Message);

        // A Scale is applied too, and its owner is the deployment's.
        var scale = """{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"d"},"spec":{"replicas":5}}""";
        var refused = await ApplyAsync(scale, "hpa", path: deployment + "/scale");
        Assert.Equal("Apply failed with 1 conflict: conflict with \"scaler\" with subresource \"scale\" using autoscaling/v1: .spec.replicas", refused.Message);
        (await ApplyAsync(scale, "hpa", "&force=true", deployment + "/scale")).Expect(200);
        var forced = await _server.GetAsync(deployment);
        Assert.Equal(5, forced.Json["spec"]!["replicas"]!.GetValue<int>());
        var owner = Managed(forced).Single(entry => Canonical(entry["fieldsV1"]!).Contains("f:replicas", StringComparison.Ordinal));
        Assert.Equal(("hpa", "Apply", "scale", "apps/v1"), (Text(owner, "manager"), Text(owner, "operation"), Text(owner, "subresource"), Text(owner, "apiVersion")));
    }

    [Fact]
    public async Task Who_may_patch_but_not_create_applies_only_to_what_is_there()
    {
        using var bob = _server.ClientOf(_server.Pki.IssueClient("bob", [], TimeSpan.FromHours(1)));
        (await _server.PostAsync("/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
            """{"metadata":{"name":"patcher"},"rules":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["get","patch"]}]}""")).Expect(201);
        (await _server.PostAsync("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
            """{"metadata":{"name":"patcher"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"patcher"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"bob"}]}""")).Expect(201);
        Task<Reply> AsBobAsync() => _server.SendAsync(HttpMethod.Patch, Maps + "/m?fieldManager=bob", Map("""{"key":"1"}"""), "application/apply-patch+yaml", client: bob);
        var refused = await AsBobAsync();
        Assert.Equal((403, "configmaps \"m\" is forbidden: User \"bob\" cannot create resource \"configmaps\" in API group \"\" in the namespace \"default\""),
            (refused.Code, refused.Message));
        (await _server.PostAsync(Maps, Map("{}"))).Expect(201);
        (await AsBobAsync()).Expect(200);
    }

    [Fact]
    public async Task Events_are_owned_in_the_version_they_were_written_in()
    {
        const string events = "/apis/events.k8s.io/v1/namespaces/default/events/e";
        var reply = await ApplyAsync("""
            {"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"e","namespace":"default"},"eventTime":"2026-01-01T00:00:00.000000Z","reason":"R","action":"A",
             "reportingController":"c.io/c","reportingInstance":"i","note":"one","type":"Normal","regarding":{"kind":"Pod","name":"p","namespace":"default"}}
            """, "alice", path: events);
        Assert.Contains("\"f:note\":{}", Canonical(Managed(reply.Expect(201))[0]["fieldsV1"]!), StringComparison.Ordinal);
        // The older form calls the note message.
        var changed = await _server.PatchAsync("/api/v1/namespaces/default/events/e?fieldManager=old", """{"message":"two"}""");
        Assert.Equal(["alice", "old"], Managed(changed.Expect(200)).Select(entry => Text(entry, "manager")));
        Assert.DoesNotContain("f:note", Canonical(Managed(changed)[0]["fieldsV1"]!), StringComparison.Ordinal);
        Assert.Equal(("v1", """{"f:message":{}}"""), (Text(Managed(changed)[1], "apiVersion"), Canonical(Managed(changed)[1]["fieldsV1"]!)));
    }

    [Fact]
    public async Task Custom_objects_are_applied_by_their_schema()
    {
        await _server.EstablishAsync(Definitions.CronTab("""
            {"type":"object","properties":{
              "ports":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["port"],"items":{"type":"object","required":["port"],"properties":{"port":{"type":"integer"},"name":{"type":"string"}}}},
              "words":{"type":"array","items":{"type":"string"}},"free":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}
            """));
        const string path = Definitions.Items + "/t";
        var reply = await ApplyAsync(
            Definitions.Item("t", """{"ports":[{"port":1,"name":"a"}],"words":["x"],"free":{"a":{"b":[1]}}}"""), "alice", path: path);
        Assert.Equal(
            """{"f:spec":{"f:free":{"f:a":{".":{},"f:b":{}}},"f:ports":{"k:{\"port\":1}":{".":{},"f:name":{},"f:port":{}}},"f:words":{}}}""",
            Canonical(Managed(reply.Expect(201))[0]["fieldsV1"]!));
        var second = await ApplyAsync(Definitions.Item("t", """{"ports":[{"port":2}]}"""), "bob", path: path);
        Assert.Equal("""[{"name":"a","port":1},{"port":2}]""", second.Expect(200).Json["spec"]!["ports"]!.ToJsonString());
        var wrong = await ApplyAsync(Definitions.Item("t", """{"nope":1}"""), "bob", path: path);
        Assert.Equal("failed to create typed patch object (/t; stable.example.com/v1, Kind=CronTab): .spec.nope: field not declared in schema", wrong.Message);
    }

    private static readonly System.Text.Json.JsonSerializerOptions Relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private Task<Reply> ApplyAsync(string body, string manager, string query = "", string path = Maps + "/m") =>
        _server.SendAsync(HttpMethod.Patch, $"{path}?fieldManager={manager}{query}", body, "application/apply-patch+yaml");

    private static string Map(string data) => $$$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{{{data}}}}""";

    private static string Pod(string container) => $$$"""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{{{container}}}]}}""";

    private static List<JsonNode> Managed(Reply reply) => [.. reply.Json["metadata"]!["managedFields"]!.AsArray().Select(entry => entry!)];

    private static string Text(JsonNode entry, string name) => entry[name]?.GetValue<string>() ?? "";

    private static string Canonical(JsonNode node) => node.ToJsonString(Relaxed);
}
