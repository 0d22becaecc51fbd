using Minke.Server.Tests.CustomResources;

namespace Minke.Server.Tests.Admission;

/// <summary>Which requests a webhook is asked about.</summary>
public sealed class WebhookMatchTests : HookTest
{
    private const string Pods = "/api/v1/namespaces/default/pods";
    private const string Pod = """{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}""";

    [Theory]
    [InlineData("CREATE", "", "configmaps", "*", true)]
    [InlineData("*", "*", "*", "*", true)]
    [InlineData("*", "*", "*/*", "*", true)]
    [InlineData("*", "", "configmaps/*", "*", true)]
    [InlineData("CREATE", "", "configmaps", "Namespaced", true)]
    [InlineData("UPDATE,DELETE", "", "configmaps", "*", false)]
    [InlineData("CREATE", "apps", "configmaps", "*", false)]
    [InlineData("CREATE", "", "secrets,pods", "*", false)]
    [InlineData("CREATE", "", "*/status", "*", false)]
    [InlineData("CREATE", "", "configmaps/status", "*", false)]
    [InlineData("CREATE", "", "configmaps", "Cluster", false)]
    public async Task Rules_say_which_operations_on_which_resources(string operations, string group, string resources, string scope, bool isAsked)
    {
        Hooks.On("/v", review => HookServer.Allow(review));
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", HookServer.Rule(operations, group, resources, "*", scope)));
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
        Assert.Equal(isAsked ? 1 : 0, Hooks.Reviews.Count);
    }

    [Fact]
    public async Task Subresources_are_asked_about_by_their_own_name_with_their_own_body()
    {
        Hooks.On("/v", review => HookServer.Allow(review));
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", HookServer.Rule("*", "*", "*/*", "*")));
        (await Server.PostAsync(Pods, Pod)).Expect(201);
        (await Server.PatchAsync(Pods + "/p/status", """{"status":{"phase":"Running"}}""")).Expect(200);
        Expect("UPDATE", "pods", "status", "", "Pod");
        (await Server.PostAsync(Pods + "/p/binding", """{"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"kind":"Node","name":"n"}}""")).Expect(201);
        Expect("CREATE", "pods", "binding", "", "Binding");
        Assert.Equal("n", Hooks.Last["object"]!["target"]!["name"]!.ToString());
        (await Server.PostAsync("/api/v1/namespaces/default/serviceaccounts/default/token", """{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":3600}}""")).Expect(201);
        Expect("CREATE", "serviceaccounts", "token", "authentication.k8s.io", "TokenRequest");
        var before = Hooks.Reviews.Count;
        (await Server.PostAsync(Pods + "/p/eviction", """{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"p"}}""")).Expect(201);
        Expect("CREATE", "pods", "eviction", "policy", "Eviction");
        // An eviction deletes, and is no deletion.
        Assert.Equal(before + 1, Hooks.Reviews.Count);

        (await Server.PostAsync("/apis/apps/v1/namespaces/default/replicasets", """
            {"metadata":{"name":"r"},"spec":{"replicas":1,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}
            """)).Expect(201);
        (await Server.PatchAsync("/apis/apps/v1/namespaces/default/replicasets/r/scale", """{"spec":{"replicas":5}}""")).Expect(200);
        Expect("UPDATE", "replicasets", "scale", "autoscaling", "Scale");
        Assert.Equal((5, 1), (Hooks.Last["object"]!["spec"]!["replicas"]!.GetValue<int>(), Hooks.Last["oldObject"]!["spec"]!["replicas"]!.GetValue<int>()));
    }

    [Fact]
    public async Task A_scale_may_be_changed_and_refused()
    {
        Hooks.On("/m", review => HookServer.Patch(review, """[{"op":"replace","path":"/spec/replicas","value":2}]"""));
        Hooks.On("/v", review => HookServer.Deny(review, """{"message":"too many"}"""));
        (await Server.PostAsync("/apis/apps/v1/namespaces/default/replicasets", """
            {"metadata":{"name":"r"},"spec":{"replicas":1,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}
            """)).Expect(201);
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", HookServer.Rule("UPDATE", "apps", "replicasets/scale")));
        var scaled = (await Server.PatchAsync("/apis/apps/v1/namespaces/default/replicasets/r/scale", """{"spec":{"replicas":9}}""")).Expect(200).Json;
        Assert.Equal(2, scaled["spec"]!["replicas"]!.GetValue<int>());
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", HookServer.Rule("UPDATE", "apps", "replicasets/scale")));
        Assert.Equal("admission webhook \"v.example.com\" denied the request: too many",
            (await Server.PatchAsync("/apis/apps/v1/namespaces/default/replicasets/r/scale", """{"spec":{"replicas":3}}""")).Expect(400).Message);
        Assert.Equal(2, (await Server.GetAsync("/apis/apps/v1/namespaces/default/replicasets/r")).Json["spec"]!["replicas"]!.GetValue<int>());
    }

    [Fact]
    public async Task A_connection_is_asked_about_with_its_options()
    {
        Hooks.On("/v", review => HookServer.Deny(review, """{"message":"hands off","code":403,"reason":"Forbidden"}"""));
        (await Server.PostAsync(Pods, Pod)).Expect(201);
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", HookServer.Rule("CONNECT", "", "pods/*")));
        var refused = (await Server.PostAsync(Pods + "/p/exec?container=c&command=ls&command=-l&stdout=true", "")).Expect(403);
        Assert.Equal("admission webhook \"v.example.com\" denied the request: hands off", refused.Message);
        Expect("CONNECT", "pods", "exec", "", "PodExecOptions");
        Assert.Equal("""{"apiVersion":"v1","command":["ls","-l"],"container":"c","kind":"PodExecOptions","stdout":true}""", Hooks.Last["object"]!.ToJsonString());
        Assert.Null(Hooks.Last["oldObject"]);
        Assert.Null(Hooks.Last["options"]);
        (await Server.PostAsync(Pods + "/p/attach?stdin=1", "")).Expect(403);
        Expect("CONNECT", "pods", "attach", "", "PodAttachOptions");
        (await Server.PostAsync(Pods + "/p/portforward?ports=80", "")).Expect(403);
        Expect("CONNECT", "pods", "portforward", "", "PodPortForwardOptions");
        Assert.Equal("dryRun is not supported", (await Server.PostAsync(Pods + "/p/exec?command=ls&stdout=1&dryRun=All", "")).Expect(400).Message);
    }

    [Fact]
    public async Task Reviews_of_rights_are_creations_too()
    {
        Hooks.On("/v", review => HookServer.Allow(review));
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", HookServer.Rule("*", "authorization.k8s.io", "*")));
        (await Server.PostAsync("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", """{"spec":{"nonResourceAttributes":{"path":"/","verb":"get"}}}""")).Expect(201);
        Expect("CREATE", "selfsubjectaccessreviews", null, "authorization.k8s.io", "SelfSubjectAccessReview");
    }

    [Fact]
    public async Task A_namespace_selector_chooses_by_the_namespace_and_leaves_the_cluster_alone()
    {
        Hooks.On("/v", review => HookServer.Allow(review));
        (await Server.PostAsync("/api/v1/namespaces", """{"metadata":{"name":"chosen","labels":{"hooks":"on"}}}""")).Expect(201);
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", HookServer.Rule("*", "", "configmaps,namespaces,nodes"),
            "\"namespaceSelector\":{\"matchExpressions\":[{\"key\":\"hooks\",\"operator\":\"In\",\"values\":[\"on\"]}]}"));
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
        Assert.Empty(Hooks.Reviews);
        (await Server.PostAsync("/api/v1/namespaces/chosen/configmaps", ConfigMap("x"))).Expect(201);
        Assert.Single(Hooks.Reviews);
        // What is in no namespace is never spared, and a namespace goes by its own labels: those it is to have.
        (await Server.PostAsync("/api/v1/nodes", """{"metadata":{"name":"n"}}""")).Expect(201);
        Assert.Equal(2, Hooks.Reviews.Count);
        (await Server.PostAsync("/api/v1/namespaces", """{"metadata":{"name":"other"}}""")).Expect(201);
        Assert.Equal(2, Hooks.Reviews.Count);
        (await Server.PatchAsync("/api/v1/namespaces/other", """{"metadata":{"labels":{"hooks":"on"}}}""")).Expect(200);
        Assert.Equal((3, "other", "other"), (Hooks.Reviews.Count, Hooks.Last["name"]!.ToString(), Hooks.Last["namespace"]!.ToString()));
    }

    [Fact]
    public async Task An_object_selector_holds_for_the_object_or_for_what_it_was()
    {
        Hooks.On("/v", review => HookServer.Allow(review));
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", OnConfigMaps("*"), "\"objectSelector\":{\"matchLabels\":{\"a\":\"b\"}}"));
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
        Assert.Empty(Hooks.Reviews);
        (await Server.PatchAsync(ConfigMaps + "/x", """{"metadata":{"labels":{"a":"b"}}}""")).Expect(200);
        (await Server.PatchAsync(ConfigMaps + "/x", """{"metadata":{"labels":null}}""")).Expect(200);
        Assert.Equal(2, Hooks.Reviews.Count);
        (await Server.DeleteAsync(ConfigMaps + "/x")).Expect(200);
        Assert.Equal(2, Hooks.Reviews.Count);
    }

    [Fact]
    public async Task Match_conditions_keep_requests_from_a_webhook_and_an_error_goes_by_the_failure_policy()
    {
        Hooks.On("/v", review => HookServer.Allow(review));
        const string Conditions = "\"matchConditions\":[{\"name\":\"not-mine\",\"expression\":\"request.userInfo.username != 'kubernetes-admin' || object.data.k == 'call'\"}]";
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", OnConfigMaps(), Conditions));
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
        Assert.Empty(Hooks.Reviews);
        (await Server.PostAsync(ConfigMaps, ConfigMap("y").Replace("\"k\":\"v\"", "\"k\":\"call\"", StringComparison.Ordinal))).Expect(201);
        Assert.Equal("y", Assert.Single(Hooks.Reviews).Review["request"]!["name"]!.ToString());
        var refused = (await Server.PostAsync(ConfigMaps, """{"metadata":{"name":"z"}}""")).Expect(403);
        Assert.StartsWith("configmaps \"z\" is forbidden: ", refused.Message, StringComparison.Ordinal);
        (await Server.PatchAsync(PathOf("Validating") + "/v", """[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]""", "json-patch")).Expect(200);
        (await Server.PostAsync(ConfigMaps, """{"metadata":{"name":"z"}}""")).Expect(201);
        Assert.Single(Hooks.Reviews);
    }

    [Theory]
    [InlineData("Equivalent")]
    [InlineData("Exact")]
    public async Task Another_version_of_a_custom_kind_is_converted_for_who_knows_but_one(string policy)
    {
        await using var conversion = await WebhookServer.StartAsync();
        await Server.EstablishAsync(ConversionTests.TwoVersions(ConversionTests.Conversion(conversion)));
        Hooks.On("/m", review => HookServer.Patch(review, """[{"op":"replace","path":"/spec/size","value":7}]"""));
        Hooks.On("/v", review => HookServer.Allow(review));
        var rule = HookServer.Rule("*", "stable.example.com", "crontabs");
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", rule, $"\"matchPolicy\":\"{policy}\""));
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/v", rule, $"\"matchPolicy\":\"{policy}\""));
        var made = (await Server.PostAsync("/apis/stable.example.com/v2/namespaces/default/crontabs", ConversionTests.Item("v2", "a", """{"length":1}"""))).Expect(201).Json;
        if (policy == "Exact")
        {
            Assert.Empty(Hooks.Reviews);
            Assert.Equal("""{"length":1}""", made["spec"]!.ToJsonString());
            return;
        }
        Assert.Equal("""{"length":7}""", made["spec"]!.ToJsonString());
        Assert.Equal(["/m", "/v"], Hooks.Reviews.Select(one => one.Path));
        Assert.Equal("""{"group":"stable.example.com","version":"v1","kind":"CronTab"}""", Hooks.Last["kind"]!.ToJsonString());
        Assert.Equal("""{"group":"stable.example.com","version":"v2","kind":"CronTab"}""", Hooks.Last["requestKind"]!.ToJsonString());
        Assert.Equal("""{"group":"stable.example.com","version":"v1","resource":"crontabs"}""", Hooks.Last["resource"]!.ToJsonString());
        Assert.Equal(("stable.example.com/v1", """{"size":7}"""), (Hooks.Last["object"]!["apiVersion"]!.ToString(), Hooks.Last["object"]!["spec"]!.ToJsonString()));
    }

    private void Expect(string operation, string resource, string? subresource, string group, string kind)
    {
        Assert.Equal((operation, resource, subresource, group, kind),
            (Hooks.Last["operation"]!.ToString(), Hooks.Last["resource"]!["resource"]!.ToString(), Hooks.Last["subResource"]?.ToString(), Hooks.Last["kind"]!["group"]!.ToString(), Hooks.Last["kind"]!["kind"]!.ToString()));
    }
}
