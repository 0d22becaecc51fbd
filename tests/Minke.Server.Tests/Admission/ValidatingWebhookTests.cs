using System.Text;
using System.Text.Json.Nodes;

namespace Minke.Server.Tests.Admission;

public sealed class ValidatingWebhookTests : HookTest
{
    [Theory]
    [InlineData(null, 400, "", "admission webhook \"v.example.com\" denied the request without explanation")]
    [InlineData("""{"message":"not today"}""", 400, "", "admission webhook \"v.example.com\" denied the request: not today")]
    [InlineData("""{"reason":"Forbidden","code":403}""", 403, "Forbidden", "admission webhook \"v.example.com\" denied the request: Forbidden")]
    [InlineData("""{"status":"Success","message":"m","reason":"Invalid","code":422,"details":{"causes":[{"reason":"FieldValueInvalid","message":"bad","field":"data.k"}]}}""", 422, "Invalid", "admission webhook \"v.example.com\" denied the request: m")]
    [InlineData("""{"code":200,"message":"m"}""", 400, "", "admission webhook \"v.example.com\" denied the request: m")]
    public async Task A_denial_is_told_with_what_the_webhook_said(string? status, int code, string reason, string message)
    {
        Hooks.On("/v", review => HookServer.Deny(review, status));
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", OnConfigMaps()));
        var refused = (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(code);
        Assert.Equal((message, reason, "Failure", code), (refused.Message, refused.Reason, refused.Json["status"]!.ToString(), refused.Json["code"]!.GetValue<int>()));
        if (code == 422)
            Assert.Equal("data.k", refused.Json["details"]!["causes"]![0]!["field"]!.ToString());
        (await Server.GetAsync(ConfigMaps + "/x")).Expect(404);
    }

    [Fact]
    public async Task Validating_webhooks_see_the_object_as_it_is_to_be_stored_after_all_changes()
    {
        Hooks.On("/m", review => HookServer.Label(review, "by", "m"));
        Hooks.On("/v", review => HookServer.Allow(review));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps()));
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", OnConfigMaps()));
        var made = (await Server.PostAsync(ConfigMaps, """{"metadata":{"generateName":"gen-"}}""")).Expect(201).Json;
        Assert.Null(Hooks.Reviews[0].Review["request"]!["name"]);
        Assert.Equal(made["metadata"]!["name"]!.ToString(), Hooks.Last["name"]!.ToString());
        Assert.Equal(made["metadata"]!["uid"]!.ToString(), Hooks.Last["object"]!["metadata"]!["uid"]!.ToString());
        Assert.Equal("m", Hooks.Last["object"]!["metadata"]!["labels"]!["by"]!.ToString());
    }

    [Fact]
    public async Task All_are_asked_at_once_and_the_first_in_order_that_refuses_is_told()
    {
        // Neither answers before the other was asked.
        var (first, second) = (new TaskCompletionSource(), new TaskCompletionSource());
        Hooks.OnAsync("/a", async review =>
        {
            first.SetResult();
            await second.Task.WaitAsync(TimeSpan.FromSeconds(30), TestServer.Cancelled);
            return HookServer.Deny(review, """{"message":"a"}""");
        });
        Hooks.OnAsync("/b", async review =>
        {
            second.SetResult();
            await first.Task.WaitAsync(TimeSpan.FromSeconds(30), TestServer.Cancelled);
            return HookServer.Deny(review, """{"message":"b"}""");
        });
        await ValidatingAsync("b", Hooks.Hook("b.example.com", "/b", OnConfigMaps(), "\"timeoutSeconds\":30"));
        await ValidatingAsync("a", Hooks.Hook("a.example.com", "/a", OnConfigMaps(), "\"timeoutSeconds\":30"));
        Assert.Equal("admission webhook \"a.example.com\" denied the request: a", (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(400).Message);
    }

    public static TheoryData<string, string> Lies => new()
    {
        { """{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}""", "received invalid webhook response: webhook response was absent" },
        { """{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"x","allowed":true}}""", "received invalid webhook response: expected response.uid=\"UID\", got \"x\"" },
        { """{"response":{"uid":"UID","allowed":true}}""", "received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind=" },
        { """{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"UID","allowed":true,"patchType":"JSONPatch"}}""", "received invalid webhook response: validating webhook may not return response.patchType" },
        { """{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"UID","allowed":true,"patch":"W10="}}""", "received invalid webhook response: validating webhook may not return response.patch" },
        { """{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","response":{"uid":"UID","allowed":true}}""", "failed to call webhook: converting (v1beta1.AdmissionReview) to (v1.AdmissionReview): unknown conversion" },
        { """{"apiVersion":"admission.k8s.io/v9","kind":"AdmissionReview"}""", "failed to call webhook: no kind \"AdmissionReview\" is registered for version \"admission.k8s.io/v9\" in scheme \"pkg/runtime/scheme.go:100\"" },
        { """{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"UID","allowed":"yes"}}""", "failed to call webhook: json: cannot unmarshal string into Go struct field AdmissionResponse.response.allowed of type bool" },
        { "<html>", "failed to call webhook: couldn't get version/kind; json parse error: invalid character '<' looking for beginning of value" },
        { "404", "failed to call webhook: the server could not find the requested resource" },
        { "500", "failed to call webhook: an error on the server (\"no\") has prevented the request from succeeding" },
    };

    [Theory, MemberData(nameof(Lies))]
    public async Task A_webhook_that_makes_no_sense_has_failed(string answer, string why)
    {
        var uid = "";
        Hooks.On("/v", review =>
        {
            uid = review["request"]!["uid"]!.ToString();
            return int.TryParse(answer, out var code) ? code : answer.Replace("UID", uid, StringComparison.Ordinal);
        });
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", OnConfigMaps(), "\"failurePolicy\":\"Fail\""));
        var refused = (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(500);
        Assert.Equal($"Internal error occurred: failed calling webhook \"v.example.com\": {why.Replace("UID", uid, StringComparison.Ordinal)}", refused.Message);
        Assert.Equal("InternalError", refused.Reason);
        (await Server.PatchAsync(PathOf("Validating") + "/v", """[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]""", "json-patch")).Expect(200);
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
    }

    [Theory]
    [InlineData("Mutating")]
    [InlineData("Validating")]
    public async Task A_webhook_that_says_nothing_is_waited_for_as_long_as_it_may_take(string kind)
    {
        Hooks.On("/v", _ => null);
        var hook = Hooks.Hook("v.example.com", "/v", OnConfigMaps(), "\"timeoutSeconds\":1");
        await (kind == "Mutating" ? MutatingAsync("v", hook) : ValidatingAsync("v", hook));
        var refused = (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(500);
        Assert.Equal($"Internal error occurred: failed calling webhook \"v.example.com\": failed to call webhook: Post \"{Hooks.Address}/v?timeout=1s\": context deadline exceeded", refused.Message);
    }

    [Fact]
    public async Task A_webhook_that_is_not_there_or_not_believed_has_failed()
    {
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", OnConfigMaps()).Replace(Hooks.Address, "https://127.0.0.1:1", StringComparison.Ordinal));
        Assert.Equal("Internal error occurred: failed calling webhook \"v.example.com\": failed to call webhook: Post \"https://127.0.0.1:1/v?timeout=10s\": dial tcp 127.0.0.1:1: connect: connection refused",
            (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(500).Message);
        (await Server.DeleteAsync(PathOf("Validating") + "/v")).Expect(200);
        var (_, stranger) = TlsIdentity.Create();
        await ValidatingAsync("w", Hooks.Hook("v.example.com", "/v", OnConfigMaps())
            .Replace(Hooks.Bundle, Convert.ToBase64String(Encoding.ASCII.GetBytes(stranger)), StringComparison.Ordinal));
        Assert.Equal($"Internal error occurred: failed calling webhook \"v.example.com\": failed to call webhook: Post \"{Hooks.Address}/v?timeout=10s\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
            (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(500).Message);
    }

    [Fact]
    public async Task A_webhook_of_a_Service_is_found_by_its_endpoints()
    {
        Hooks.On("/path", review => HookServer.Deny(review));
        var hook = $$$"""
            {"name":"v.example.com","clientConfig":{"service":{"namespace":"default","name":"hooks","path":"/path","port":443},"caBundle":"{{{Hooks.Bundle}}}"},
             "admissionReviewVersions":["v1"],"sideEffects":"None","rules":[{{{OnConfigMaps()}}}]}
            """;
        await ValidatingAsync("v", hook);
        Assert.Equal("Internal error occurred: failed calling webhook \"v.example.com\": failed to call webhook: Post \"https://hooks.default.svc:443/path?timeout=10s\": service \"hooks\" not found",
            (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(500).Message);
        (await Server.PostAsync("/api/v1/namespaces/default/services", """{"metadata":{"name":"hooks"},"spec":{"selector":{"a":"b"},"ports":[{"port":443}]}}""")).Expect(201);
        Assert.EndsWith("no endpoints available for service \"hooks\"", (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(500).Message, StringComparison.Ordinal);
        // Past validation, which knows that nobody but this test has a pod on the loopback device.
        var stored = Minke.Server.Registry.StoredObject.Encode(new Minke.Api.Core.V1.Endpoints
        {
            Metadata = new() { Name = "hooks", Namespace = "default", Uid = "u" },
            Subsets = [new() { Addresses = [new() { Ip = "127.0.0.1" }], Ports = [new() { Port = Hooks.Port }] }],
        });
        await Server.Store.PutAsync("/endpoints/default/hooks", stored, Minke.Store.Revision.None, TestServer.Cancelled);
        Assert.Equal("admission webhook \"v.example.com\" denied the request without explanation", (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(400).Message);
    }

    [Fact]
    public async Task A_dry_run_asks_only_webhooks_that_change_nothing_by_it()
    {
        Hooks.On("/v", review => HookServer.Allow(review));
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", OnConfigMaps(), "\"sideEffects\":\"NoneOnDryRun\""));
        (await Server.PostAsync(ConfigMaps + "?dryRun=All", ConfigMap("x"))).Expect(201);
        Assert.True(Hooks.Last["dryRun"]!.GetValue<bool>());
        Assert.Equal("""{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1","dryRun":["All"]}""", Hooks.Last["options"]!.ToJsonString());
        (await Server.GetAsync(ConfigMaps + "/x")).Expect(404);
    }

    [Fact]
    public async Task Warnings_reach_the_client_with_a_yes_and_with_a_no()
    {
        Hooks.On("/v", review => review["request"]!["name"]!.ToString() == "bad"
            ? HookServer.Answer(review, new JsonObject { ["allowed"] = false, ["warnings"] = new JsonArray("last warning") })
            : HookServer.Allow(review, "one", "two", "one", "no\nsuch", ""));
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", OnConfigMaps()));
        Assert.Equal(["299 - \"one\"", "299 - \"two\""], (await Server.PostAsync(ConfigMaps, ConfigMap("good"))).Expect(201).Warnings);
        Assert.Equal(["299 - \"last warning\""], (await Server.PostAsync(ConfigMaps, ConfigMap("bad"))).Expect(400).Warnings);
    }

    [Fact]
    public async Task A_flood_of_warnings_is_cut()
    {
        Hooks.On("/v", review => HookServer.Allow(review, [.. Enumerable.Range(0, 30).Select(number => (char)('a' + (number % 26)) + new string((char)('A' + (number % 26)), 300 + number))]));
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", OnConfigMaps()));
        var warnings = (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201).Warnings;
        Assert.Equal(16, warnings.Length);
        Assert.All(warnings, warning => Assert.Equal("299 - \"\"".Length + 256, warning.Length));
    }

    [Fact]
    public async Task A_deletion_shows_what_goes_and_how()
    {
        Hooks.On("/v", review => review["request"]!["oldObject"]!["metadata"]!["name"]!.ToString() == "kept" ? HookServer.Deny(review) : HookServer.Allow(review));
        foreach (var name in (string[])["a", "b", "kept"])
            (await Server.PostAsync(ConfigMaps, ConfigMap(name, ""","labels":{"n":"1"}"""))).Expect(201);
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", OnConfigMaps("DELETE")));
        (await Server.DeleteAsync(ConfigMaps + "/a", """{"propagationPolicy":"Background"}""")).Expect(200);
        Assert.Equal(("a", "DELETE"), (Hooks.Last["name"]!.ToString(), Hooks.Last["operation"]!.ToString()));
        Assert.Null(Hooks.Last["object"]);
        Assert.Equal("""{"k":"v"}""", Hooks.Last["oldObject"]!["data"]!.ToJsonString());
        Assert.Equal("""{"kind":"DeleteOptions","apiVersion":"meta.k8s.io/v1","propagationPolicy":"Background"}""", Hooks.Last["options"]!.ToJsonString());

        // Each of many is asked about by itself, under no name.
        (await Server.DeleteAsync(ConfigMaps + "?labelSelector=n%3D1")).Expect(400);
        Assert.Equal(3, Hooks.Reviews.Count);
        Assert.All(Hooks.Reviews.Skip(1), one => Assert.Null(one.Review["request"]!["name"]));
        Assert.Equal(["kept"], (await Server.GetAsync(ConfigMaps + "?labelSelector=n%3D1")).Names);
    }
}
