namespace Minke.Server.Tests.Admission;

public sealed class MutatingWebhookTests : HookTest
{
    [Fact]
    public async Task A_review_holds_all_there_is_to_know_of_a_creation()
    {
        Hooks.On("/m", review => HookServer.Allow(review));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps()));
        (await Server.SendAsync(HttpMethod.Post, ConfigMaps + "?fieldManager=tester&fieldValidation=Strict", ConfigMap("a", ""","labels":{"x":"y"}"""))).Expect(201);
        var (_, review) = Assert.Single(Hooks.Reviews);
        Assert.Equal(("AdmissionReview", "admission.k8s.io/v1"), (review["kind"]!.ToString(), review["apiVersion"]!.ToString()));
        var request = review["request"]!;
        Assert.Equal(["uid", "kind", "resource", "requestKind", "requestResource", "name", "namespace", "operation", "userInfo", "object", "oldObject", "dryRun", "options"],
            request.AsObject().Select(member => member.Key));
        Assert.Equal("""{"group":"","version":"v1","kind":"ConfigMap"}""", request["kind"]!.ToJsonString());
        Assert.Equal("""{"group":"","version":"v1","resource":"configmaps"}""", request["resource"]!.ToJsonString());
        Assert.Equal(("a", "default", "CREATE", "kubernetes-admin"),
            (request["name"]!.ToString(), request["namespace"]!.ToString(), request["operation"]!.ToString(), request["userInfo"]!["username"]!.ToString()));
        Assert.Equal("""{"k":"v"}""", request["object"]!["data"]!.ToJsonString());
        Assert.Equal("ConfigMap", request["object"]!["kind"]!.ToString());
        Assert.Null(request["object"]!["metadata"]!["uid"]);
        Assert.Null(request["oldObject"]);
        Assert.False(request["dryRun"]!.GetValue<bool>());
        Assert.Equal("""{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1","fieldManager":"tester","fieldValidation":"Strict"}""", request["options"]!.ToJsonString());
    }

    [Fact]
    public async Task A_patch_changes_what_is_stored_and_the_result_has_its_defaults_and_no_unknown_fields()
    {
        Hooks.On("/m", review => HookServer.Patch(review, """
            [{"op":"add","path":"/spec/containers/-","value":{"name":"sidecar","image":"s","unknown":1,"ports":[{"containerPort":80}]}},
             {"op":"add","path":"/metadata/annotations","value":{"by":"hook"}}]
            """));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", HookServer.Rule("CREATE", "", "pods")));
        var pod = (await Server.PostAsync("/api/v1/namespaces/default/pods", """{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}""")).Expect(201).Json;
        Assert.Equal("hook", pod["metadata"]!["annotations"]!["by"]!.ToString());
        var sidecar = pod["spec"]!["containers"]![1]!;
        Assert.Equal(("sidecar", "Always", "TCP"), (sidecar["name"]!.ToString(), sidecar["imagePullPolicy"]!.ToString(), sidecar["ports"]![0]!["protocol"]!.ToString()));
        Assert.Null(sidecar["unknown"]);
    }

    [Fact]
    public async Task Configurations_are_called_by_name_and_each_sees_what_those_before_it_made()
    {
        foreach (var name in (string[])["a", "b", "c"])
            Hooks.On("/" + name, review => HookServer.Label(review, name, (review["request"]!["object"]!["metadata"]!["labels"]?.AsObject().Count ?? 0).ToString(System.Globalization.CultureInfo.InvariantCulture)));
        await MutatingAsync("b", Hooks.Hook("b.example.com", "/b", OnConfigMaps()), Hooks.Hook("c.example.com", "/c", OnConfigMaps()));
        await MutatingAsync("a", Hooks.Hook("a.example.com", "/a", OnConfigMaps()));
        var made = (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201).Json;
        Assert.Equal(["/a", "/b", "/c"], Hooks.Reviews.Select(one => one.Path));
        Assert.Equal("""{"a":"0","b":"1","c":"2"}""", made["metadata"]!["labels"]!.ToJsonString());
    }

    [Fact]
    public async Task Who_asks_to_be_is_called_again_when_somebody_changed_the_object_later_and_only_then()
    {
        Hooks.On("/first", review => HookServer.Allow(review));
        Hooks.On("/second", review => HookServer.Label(review, "second", "yes"));
        Hooks.On("/third", review => HookServer.Label(review, "third", Hooks.Reviews.Count.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        const string IfNeeded = "\"reinvocationPolicy\":\"IfNeeded\"";
        await MutatingAsync("m", Hooks.Hook("first.example.com", "/first", OnConfigMaps(), IfNeeded), Hooks.Hook("second.example.com", "/second", OnConfigMaps()),
            Hooks.Hook("third.example.com", "/third", OnConfigMaps(), IfNeeded));
        var made = (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201).Json;
        // The third is called last: nobody changes anything after it. What it changes is seen by the first alone, once.
        Assert.Equal(["/first", "/second", "/third", "/first"], Hooks.Reviews.Select(one => one.Path));
        Assert.Equal("""{"second":"yes","third":"3"}""", Hooks.Last["object"]!["metadata"]!["labels"]!.ToJsonString());
        Assert.Equal("""{"second":"yes","third":"3"}""", made["metadata"]!["labels"]!.ToJsonString());
    }

    [Fact]
    public async Task Two_that_undo_each_other_end_after_a_second_round()
    {
        foreach (var name in (string[])["a", "b"])
            Hooks.On("/" + name, review => HookServer.Label(review, "owner", name));
        const string IfNeeded = "\"reinvocationPolicy\":\"IfNeeded\"";
        await MutatingAsync("m", Hooks.Hook("a.example.com", "/a", OnConfigMaps(), IfNeeded), Hooks.Hook("b.example.com", "/b", OnConfigMaps(), IfNeeded));
        var made = (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201).Json;
        Assert.Equal(["/a", "/b", "/a", "/b"], Hooks.Reviews.Select(one => one.Path));
        Assert.Equal("b", made["metadata"]!["labels"]!["owner"]!.ToString());
    }

    [Fact]
    public async Task A_patch_that_makes_an_invalid_object_is_told_as_validation_tells_it()
    {
        Hooks.On("/m", review => HookServer.Patch(review, """[{"op":"add","path":"/data","value":{"a b":"c"}}]"""));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps()));
        var refused = (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(422);
        Assert.StartsWith("ConfigMap \"x\" is invalid: data[a b]: Invalid value: \"a b\": a valid config key must consist of", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""[{"op":"replace","path":"/spec/none","value":1}]""", "Internal error occurred: replace operation does not apply: doc is missing path: \"/spec/none\": missing value")]
    [InlineData("""[{"op":"add","path":"/data","value":7}]""", "Internal error occurred: json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string")]
    [InlineData("""{"op":"add"}""", "Internal error occurred: failed calling webhook \"m.example.com\": received undecodable patch in webhook response: json: cannot unmarshal object into Go value of type jsonpatch.Patch")]
    [InlineData("[", "Internal error occurred: failed calling webhook \"m.example.com\": received undecodable patch in webhook response: unexpected end of JSON input")]
    public async Task A_patch_that_cannot_be_put_on_refuses_the_request(string patch, string expected)
    {
        Hooks.On("/m", review => HookServer.Patch(review, patch));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps()));
        var refused = (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(500);
        Assert.Equal((expected, "InternalError"), (refused.Message, refused.Reason));
    }

    [Fact]
    public async Task What_is_deleted_cannot_be_changed()
    {
        Hooks.On("/m", review => HookServer.Patch(review, """[{"op":"add","path":"/data","value":{}}]"""));
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps("DELETE")));
        var refused = (await Server.DeleteAsync(ConfigMaps + "/x")).Expect(500);
        Assert.Equal("Internal error occurred: admission webhook \"m.example.com\" attempted to modify the object, which is not supported for this operation", refused.Message);
    }

    [Fact]
    public async Task An_update_shows_both_and_a_patch_and_an_apply_are_updates_or_creations()
    {
        Hooks.On("/m", review => HookServer.Allow(review));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", OnConfigMaps("*")));
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
        (await Server.PatchAsync(ConfigMaps + "/x?fieldManager=me", """{"data":{"k":"w"}}""")).Expect(200);
        Assert.Equal(("UPDATE", "v", "w"), (Hooks.Last["operation"]!.ToString(), Hooks.Last["oldObject"]!["data"]!["k"]!.ToString(), Hooks.Last["object"]!["data"]!["k"]!.ToString()));
        Assert.Equal("""{"kind":"UpdateOptions","apiVersion":"meta.k8s.io/v1","fieldManager":"me"}""", Hooks.Last["options"]!.ToJsonString());
        (await Server.SendAsync(HttpMethod.Patch, ConfigMaps + "/y?fieldManager=me", ConfigMap("y"), "application/apply-patch+yaml")).Expect(201);
        Assert.Equal(("CREATE", "CreateOptions", "y"), (Hooks.Last["operation"]!.ToString(), Hooks.Last["options"]!["kind"]!.ToString(), Hooks.Last["name"]!.ToString()));
        Assert.Null(Hooks.Last["oldObject"]);
    }

    [Fact]
    public async Task A_put_that_creates_is_a_creation()
    {
        Hooks.On("/m", review => HookServer.Allow(review));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", HookServer.Rule("*", "", "limitranges")));
        (await Server.PutAsync("/api/v1/namespaces/default/limitranges/l", """{"metadata":{"name":"l"},"spec":{"limits":[]}}""")).Expect(201);
        Assert.Equal(("CREATE", "CreateOptions"), (Hooks.Last["operation"]!.ToString(), Hooks.Last["options"]!["kind"]!.ToString()));
    }

    [Fact]
    public async Task A_change_of_the_configuration_holds_for_the_next_request()
    {
        Hooks.On("/one", review => HookServer.Label(review, "by", "one"));
        Hooks.On("/two", review => HookServer.Label(review, "by", "two"));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/one", OnConfigMaps()));
        Assert.Equal("one", (await Server.PostAsync(ConfigMaps, ConfigMap("a"))).Expect(201).Json["metadata"]!["labels"]!["by"]!.ToString());
        (await Server.PatchAsync(PathOf("Mutating") + "/m", $$"""[{"op":"replace","path":"/webhooks/0/clientConfig/url","value":"{{Hooks.Address}}/two"}]""", "json-patch")).Expect(200);
        Assert.Equal("two", (await Server.PostAsync(ConfigMaps, ConfigMap("b"))).Expect(201).Json["metadata"]!["labels"]!["by"]!.ToString());
        (await Server.DeleteAsync(PathOf("Mutating") + "/m")).Expect(200);
        Assert.Null((await Server.PostAsync(ConfigMaps, ConfigMap("c"))).Expect(201).Json["metadata"]!["labels"]);
    }

    [Fact]
    public async Task Configurations_of_webhooks_are_never_shown_to_webhooks()
    {
        Hooks.On("/m", review => HookServer.Deny(review));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", HookServer.Rule("*", "*", "*/*", "*")));
        await ValidatingAsync("v", Hooks.Hook("v.example.com", "/m", HookServer.Rule("*", "*", "*/*", "*")));
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(400);
        (await Server.DeleteAsync(PathOf("Mutating") + "/m")).Expect(200);
        (await Server.DeleteAsync(PathOf("Validating") + "/v")).Expect(200);
        (await Server.PostAsync(ConfigMaps, ConfigMap("x"))).Expect(201);
    }

    [Fact]
    public async Task A_patch_may_change_what_a_command_is_run_with_and_what_is_evicted()
    {
        Hooks.On("/m", review => HookServer.Patch(review, """[{"op":"add","path":"/deleteOptions","value":{"preconditions":{"uid":"another"}}}]"""));
        await MutatingAsync("m", Hooks.Hook("m.example.com", "/m", HookServer.Rule("CREATE", "", "pods/eviction")));
        (await Server.PostAsync("/api/v1/namespaces/default/pods", """{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}""")).Expect(201);
        var refused = (await Server.PostAsync("/api/v1/namespaces/default/pods/p/eviction", """{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"p"}}""")).Expect(409);
        Assert.Contains("the UID in the precondition (another) does not match the UID in record", refused.Message, StringComparison.Ordinal);
        Assert.Equal(("eviction", """{"group":"policy","version":"v1","kind":"Eviction"}"""), (Hooks.Last["subResource"]!.ToString(), Hooks.Last["kind"]!.ToJsonString()));
    }
}
