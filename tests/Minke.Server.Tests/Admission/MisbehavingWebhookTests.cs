using System.Text.Json.Nodes;

namespace Minke.Server.Tests.Admission;

/// <summary>Webhooks that lie about what they may change, lead elsewhere, never end, or ask the server that asks them.</summary>
public sealed class MisbehavingWebhookTests : HookTest
{
    private const string Failed = "Internal error occurred: failed calling webhook \"m.example.com\": ";

    public static TheoryData<string, string> Lies => new()
    {
        { """{"allowed":true,"patch":"W10="}""", "received invalid webhook response: webhook returned response.patch but not response.patchType" },
        { """{"allowed":true,"patchType":"JSONPatch"}""", "received invalid webhook response: webhook returned response.patchType but not response.patch" },
        { """{"allowed":true,"patch":"W10=","patchType":""}""", "received invalid webhook response: webhook returned invalid response.patchType of \"\"" },
        { """{"allowed":true,"patch":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL2RhdGEiLCJ2YWx1ZSI6e319XQ==","patchType":"MergePatch"}""", "unsupported patch type \"MergePatch\"" },
        { """{"allowed":true,"patch":"e30=","patchType":"JSONPatch"}""", "received undecodable patch in webhook response: json: cannot unmarshal object into Go value of type jsonpatch.Patch" },
        { """{"uid":"other","allowed":true}""", "received invalid webhook response: expected response.uid=\"UID\", got \"other\"" },
        { """{"allowed":true,"patch":"%%%","patchType":"JSONPatch"}""", "failed to call webhook: illegal base64 data at input byte 0" },
    };

    [Theory, MemberData(nameof(Lies))]
    public async Task An_answer_that_is_none_refuses_or_is_ignored_as_the_webhook_wishes(string response, string why)
    {
        var uid = "";
        Hooks.On("/m", review =>
        {
            var answer = HookServer.Answer(review, JsonNode.Parse(response)!.AsObject());
            uid = review["request"]!["uid"]!.ToString();
            if (response.Contains("other", StringComparison.Ordinal))
                answer["response"]!["uid"] = "other";
            return answer;
        });
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps()));
        var refused = (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(500);
        Assert.Equal((Failed + why.Replace("UID", uid, StringComparison.Ordinal), "InternalError"), (refused.Message, refused.Reason));
        (await Server.PatchAsync(PathOf("Mutating") + "/m", """[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]""", "json-patch")).Expect(200);
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
    }

    [Theory]
    [InlineData("""[{"op":"replace","path":"/kind","value":"Secret"}]""", "converting (v1.Secret) to (core.ConfigMap): unknown conversion", "")]
    [InlineData("""[{"op":"replace","path":"/kind","value":"Nope"}]""", "Internal error occurred: no kind \"Nope\" is registered for version \"v1\" in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"", "InternalError")]
    [InlineData("""[{"op":"replace","path":"","value":[]}]""", "Internal error occurred: couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }", "InternalError")]
    public async Task A_patch_makes_no_object_of_another_kind(string patch, string message, string reason)
    {
        Hooks.On("/m", review => HookServer.Patch(review, patch));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps()));
        var refused = (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(500);
        Assert.Equal((message, reason), (refused.Message, refused.Reason));
        (await Server.GetAsync(ConfigMaps + "/x")).Expect(404);
    }

    [Theory]
    [InlineData("/metadata/uid", "\"forged\"", 422, "ConfigMap \"x\" is invalid: metadata.uid: Invalid value: \"forged\": field is immutable")]
    [InlineData("/metadata/name", "\"y\"", 422, "ConfigMap \"y\" is invalid: metadata.name: Invalid value: \"y\": field is immutable")]
    [InlineData("/metadata/namespace", "\"kube-system\"", 400, "the namespace of the provided object does not match the namespace sent on the request")]
    [InlineData("/metadata/creationTimestamp", "\"2001-01-01T00:00:00Z\"", 422, "ConfigMap \"x\" is invalid: metadata.creationTimestamp: Invalid value: 2001-01-01 00:00:00 +0000 UTC: field is immutable")]
    [InlineData("/metadata/deletionTimestamp", "\"2001-01-01T00:00:00Z\"", 422, "ConfigMap \"x\" is invalid: metadata.deletionTimestamp: Invalid value: 2001-01-01 00:00:00 +0000 UTC: field is immutable")]
    public async Task A_patch_changes_nothing_of_who_an_object_is(string path, string value, int code, string message)
    {
        Hooks.On("/m", review => HookServer.Patch(review, $$"""[{"op":"add","path":"{{path}}","value":{{value}}}]"""));
        var before = (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps("UPDATE")));
        Assert.Equal(message, (await Server.PatchAsync(ConfigMaps + "/x", """{"data":{"k":"w"}}""")).Expect(code).Message);
        Assert.Equal(before.Version, (await Server.GetAsync(ConfigMaps + "/x")).Expect(200).Version);
    }

    [Fact]
    public async Task A_patch_of_what_is_the_servers_own_is_as_if_it_were_not_there()
    {
        Hooks.On("/m", review => HookServer.Patch(review, """
            [{"op":"add","path":"/status","value":{"phase":"Running"}},{"op":"add","path":"/metadata/uid","value":"forged"},{"op":"add","path":"/metadata/generation","value":77}]
            """));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", HookServer.Rule("CREATE", "", "pods")));
        var pod = (await Server.PostAsync("/api/v1/namespaces/default/pods", """{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}""")).Expect(201).Json;
        Assert.Equal("Pending", pod["status"]!["phase"]!.ToString());
        Assert.NotEqual("forged", pod["metadata"]!["uid"]!.ToString());
        Assert.NotEqual("77", pod["metadata"]!["generation"]?.ToString());
    }

    [Fact]
    public async Task A_webhook_that_leads_elsewhere_is_not_followed()
    {
        Hooks.On("/m", _ => 302);
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps()));
        Assert.StartsWith(Failed + "failed to call webhook: the server responded with the status code 302", (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(500).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_without_end_is_cut()
    {
        var flood = new string(' ', 1 << 20);
        Hooks.OnAsync("/m", _ => Task.FromResult<object?>(string.Concat(Enumerable.Repeat(flood, 65))));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps(), "\"timeoutSeconds\":30"));
        Assert.Equal(Failed + $"failed to call webhook: Post \"{Hooks.Address}/m?timeout=30s\": http: response body too large", (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(500).Message);
    }

    [Theory]
    [InlineData("Mutating")]
    [InlineData("Validating")]
    public async Task Silence_is_ignored_where_failures_are(string kind)
    {
        Hooks.On("/v", _ => null);
        var hook = Hooks.Hook("v.example.com", "/v", OnConfigMaps(), "\"timeoutSeconds\":1,\"failurePolicy\":\"Ignore\"");
        await (kind == "Mutating" ? MutatingAsync("v", hook) : ValidatingAsync("v", hook));
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
    }

    [Fact]
    public async Task A_webhook_that_asks_the_server_about_what_it_is_asked_about_gets_its_answers()
    {
        // Creates another object before it lets one through; the third round is the last.
        Hooks.OnAsync("/m", async review =>
        {
            var name = review["request"]!["name"]!.ToString();
            if (name.Length < 3)
                (await Server.PostAsync(ConfigMaps, ConfigMap(name + "x"))).Expect(201);
            (await Server.GetAsync(ConfigMaps)).Expect(200);
            return HookServer.Label(review, "depth", name.Length.ToString(System.Globalization.CultureInfo.InvariantCulture));
        });
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps(), "\"timeoutSeconds\":30"));
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
        Assert.Equal(["x", "xx", "xxx"], (await Server.GetAsync(ConfigMaps)).Names);
    }

    [Fact]
    public async Task A_webhook_that_writes_the_object_it_is_asked_about_makes_the_write_a_conflict()
    {
        var isFirst = true;
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
        Hooks.OnAsync("/m", async review =>
        {
            if (isFirst)
            {
                isFirst = false;
                (await Server.PatchAsync(ConfigMaps + "/x", """{"data":{"by":"hook"}}""")).Expect(200);
            }
            return HookServer.Allow(review);
        });
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps("UPDATE"), "\"timeoutSeconds\":30"));
        var before = (await Server.GetAsync(ConfigMaps + "/x")).Version;
        (await Server.PutAsync(ConfigMaps + "/x", $$"""{"metadata":{"name":"x","resourceVersion":"{{before}}"},"data":{"k":"u"} }""")).Expect(409);
        // A patch that names no version is put on what there is by then.
        isFirst = true;
        var both = (await Server.PatchAsync(ConfigMaps + "/x", """{"data":{"k":"w"}}""")).Expect(200).Json["data"]!;
        Assert.Equal(("hook", "w"), (both["by"]!.ToString(), both["k"]!.ToString()));
    }
}
