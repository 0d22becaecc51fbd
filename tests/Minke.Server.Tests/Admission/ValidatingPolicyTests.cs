using System.Text.Json.Nodes;

namespace Minke.Server.Tests.Admission;

public sealed class ValidatingPolicyTests
{
    private const string Api = "/apis/admissionregistration.k8s.io/v1";
    private const string Policies = Api + "/validatingadmissionpolicies";
    private const string Bindings = Api + "/validatingadmissionpolicybindings";
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";
    private const string Rules = """ "matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE","UPDATE"],"resources":["configmaps"]}]} """;

    [Fact]
    public async Task A_request_that_fails_a_validation_is_denied_in_upstreams_words()
    {
        await using var server = await TestServer.StartAsync();
        await EnforceAsync(server, """ "validations":[{"expression":"has(object.data) && 'owner' in object.data"}] """);
        var reply = (await CreateAsync(server, "a", """{"x":"y"}""")).Expect(422);
        const string Message = "ValidatingAdmissionPolicy 'demo' with binding 'bind' denied request: failed expression: has(object.data) && 'owner' in object.data";
        Assert.Equal("configmaps \"a\" is forbidden: " + Message, reply.Message);
        Assert.Equal("Invalid", reply.Reason);
        Assert.Equal("""{"name":"a","kind":"configmaps","causes":[{"message":"MESSAGE"}]}""".Replace("MESSAGE", Message.Replace("&", "\\u0026", StringComparison.Ordinal).Replace("'", "\\u0027", StringComparison.Ordinal), StringComparison.Ordinal),
            reply.Json["details"]!.ToJsonString());
        (await CreateAsync(server, "a", """{"owner":"me"}""")).Expect(201);
        Assert.Contains("denied request", (await server.PatchAsync(ConfigMaps + "/a", """{"data":{"owner":null,"x":"y"}}""")).Expect(422).Message, StringComparison.Ordinal);
        (await server.DeleteAsync(ConfigMaps + "/a")).Expect(200);
    }

    [Theory]
    [InlineData(""" "expression":"false","message":"no such thing","reason":"Forbidden" """, 403, "no such thing")]
    [InlineData(""" "expression":"false","message":"plain","messageExpression":"'name is ' + object.metadata.name" """, 422, "name is a")]
    [InlineData(""" "expression":"false","message":"plain","messageExpression":"object.metadata.missing + ''" """, 422, "plain")]
    [InlineData(""" "expression":"false","messageExpression":"'two\\nlines'" """, 422, "failed expression: false")]
    [InlineData(""" "expression":"object.spec.x == 1" """, 422, "expression 'object.spec.x == 1' resulted in error: no such key: spec")]
    [InlineData(""" "expression":"oldObject == null && request.operation == 'UPDATE'","message":"it is " """, 422, "it is")]
    [InlineData(""" "expression":"request.userInfo.username == 'x'","messageExpression":"request.resource.resource + '/' + request.namespace + '/' + request.name + ' ' + request.kind.kind + ' ' + string(request.dryRun)" """,
        422, "configmaps/default/a ConfigMap false")]
    [InlineData(""" "expression":"namespaceObject.metadata.name != 'default'" """, 422, "failed expression: namespaceObject.metadata.name != 'default'")]
    [InlineData(""" "expression":"!authorizer.group('').resource('secrets').namespace('x').check('get').allowed()","message":"may" """, 422, "may")]
    [InlineData(""" "expression":"!authorizer.requestResource.check('create').allowed()","message":"may" """, 422, "may")]
    [InlineData(""" "expression":"authorizer.serviceAccount('default', 'nobody').path('/x').check('get').allowed()","message":"may not" """, 422, "may not")]
    [InlineData(""" "expression":"object.metadata.name.size() > 300 || [1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, true))))))" """,
        422, "expression 'object.metadata.name.size() > 300 || [1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, true))))))' resulted in error: operation cancelled: actual cost limit exceeded")]
    public async Task A_validation_says_why(string validation, int code, string message)
    {
        await using var server = await TestServer.StartAsync();
        await EnforceAsync(server, $$""" "validations":[{{{validation}}}] """);
        var reply = (await CreateAsync(server, "a", """{"x":"y"}""")).Expect(code);
        Assert.Equal($"configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'demo' with binding 'bind' denied request: {message}", reply.Message);
    }

    [Fact]
    public async Task Errors_pass_when_the_policy_ignores_them()
    {
        await using var server = await TestServer.StartAsync();
        await EnforceAsync(server, """ "failurePolicy":"Ignore","validations":[{"expression":"object.spec.x == 1"}] """);
        (await CreateAsync(server, "a", "{}")).Expect(201);
    }

    [Fact]
    public async Task A_binding_may_warn_instead()
    {
        await using var server = await TestServer.StartAsync();
        await EnforceAsync(server, """ "validations":[{"expression":"false","message":"oh"}] """, actions: """["Warn","Audit"]""");
        Assert.Equal(["299 - \"Validation failed for ValidatingAdmissionPolicy 'demo' with binding 'bind': oh\""], (await CreateAsync(server, "a", "{}")).Expect(201).Warnings);
    }

    [Fact]
    public async Task Match_conditions_decide_whether_a_policy_concerns_a_request()
    {
        await using var server = await TestServer.StartAsync();
        await EnforceAsync(server, """
            "matchConditions":[{"name":"named","expression":"object.metadata.name.startsWith('a')"},{"name":"broken","expression":"object.data.x == 'y'"}],
            "validations":[{"expression":"false"}]
            """);
        (await CreateAsync(server, "b", """{"x":"y"}""")).Expect(201);
        (await CreateAsync(server, "b2", """{"z":"y"}""")).Expect(201); // One that is false outweighs one that is in error.
        Assert.EndsWith("denied request: failed expression: false", (await CreateAsync(server, "a", """{"x":"y"}""")).Expect(422).Message, StringComparison.Ordinal);
        Assert.EndsWith("denied request: expression 'object.data.x == 'y'' resulted in error: no such key: x",
            (await CreateAsync(server, "a", """{"z":"y"}""")).Expect(422).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Variables_use_those_before_them()
    {
        await using var server = await TestServer.StartAsync();
        await EnforceAsync(server, """
            "variables":[{"name":"count","expression":"size(object.data)"},{"name":"isMany","expression":"variables.count > 2"},{"name":"broken","expression":"object.data.nothing"}],
            "validations":[{"expression":"!variables.isMany","messageExpression":"string(variables.count) + ' are too many'"},{"expression":"variables.count != 2 || variables.broken == 'x'"}]
            """);
        (await CreateAsync(server, "a", """{"1":"x"}""")).Expect(201);
        Assert.EndsWith("denied request: 3 are too many", (await CreateAsync(server, "b", """{"1":"x","2":"x","3":"x"}""")).Expect(422).Message, StringComparison.Ordinal);
        Assert.EndsWith("resulted in error: composited variable \"broken\" fails to evaluate: no such key: nothing", (await CreateAsync(server, "b", """{"1":"x","2":"x"}""")).Expect(422).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Parameters_come_from_the_objects_a_binding_names()
    {
        await using var server = await TestServer.StartAsync();
        const string Secrets = "/api/v1/namespaces/default/secrets";
        await EnforceAsync(server, """ "paramKind":{"apiVersion":"v1","kind":"Secret"},"validations":[{"expression":"params == null || object.metadata.name != params.metadata.name","messageExpression":"'not ' + params.metadata.name"}] """,
            more: ""","paramRef":{"name":"limit","parameterNotFoundAction":"Deny"}""");
        Assert.Equal("configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'demo' with binding 'bind' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
            (await CreateAsync(server, "a", "{}")).Expect(422).Message);
        (await server.PostAsync(Secrets, """{"metadata":{"name":"limit","labels":{"for":"it"}}}""")).Expect(201);
        (await CreateAsync(server, "a", "{}")).Expect(201);
        Assert.EndsWith("denied request: not limit", (await CreateAsync(server, "limit", "{}")).Expect(422).Message, StringComparison.Ordinal);

        (await server.PostAsync(Secrets, """{"metadata":{"name":"other","labels":{"for":"it"}}}""")).Expect(201);
        (await server.PatchAsync(Bindings + "/bind", """{"spec":{"paramRef":{"name":null,"selector":{"matchLabels":{"for":"it"}}}}}""")).Expect(200);
        Assert.EndsWith("denied request: not other", (await CreateAsync(server, "other", "{}")).Expect(422).Message, StringComparison.Ordinal);
        (await server.PatchAsync(Policies + "/demo", """{"spec":{"paramKind":{"kind":"Nothing"}}}""")).Expect(200);
        Assert.EndsWith("ValidatingAdmissionPolicy 'demo' denied request: failed to configure policy: failed to find resource referenced by paramKind: '/v1, Kind=Nothing'",
            (await CreateAsync(server, "c", "{}")).Expect(422).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Selectors_and_rules_of_policy_and_binding_must_all_match()
    {
        await using var server = await TestServer.StartAsync();
        await EnforceAsync(server, """ "validations":[{"expression":"false"}] """,
            more: ""","matchResources":{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"default"}},"objectSelector":{"matchLabels":{"held":"yes"}}}""");
        (await CreateAsync(server, "a", "{}")).Expect(201);
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"b","labels":{"held":"yes"}}}""")).Expect(422);
        (await server.PostAsync("/api/v1/namespaces/kube-system/configmaps", """{"metadata":{"name":"b","labels":{"held":"yes"}}}""")).Expect(201);
        (await server.PostAsync("/api/v1/namespaces/default/secrets", """{"metadata":{"name":"b","labels":{"held":"yes"}}}""")).Expect(201);
        // A policy is never judged by policies: it could not be taken away.
        (await server.PatchAsync(Policies + "/demo", """{"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":["*"],"apiVersions":["*"],"operations":["*"],"resources":["*"]}]}}}""")).Expect(200);
        (await server.DeleteAsync(Bindings + "/bind")).Expect(200);
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"b","labels":{"held":"yes"}}}""")).Expect(201);
    }

    [Fact]
    public async Task Deletions_are_judged_by_what_is_deleted()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Policies, """
            {"metadata":{"name":"demo"},"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["DELETE"],"resources":["configmaps"]}]},
             "validations":[{"expression":"object == null && oldObject.metadata.name != 'keep'","message":"kept"}]}}
            """)).Expect(201);
        (await server.PostAsync(Bindings, """{"metadata":{"name":"bind"},"spec":{"policyName":"demo","validationActions":["Deny"]}}""")).Expect(201);
        (await CreateAsync(server, "keep", "{}")).Expect(201);
        (await CreateAsync(server, "other", "{}")).Expect(201);
        Assert.EndsWith("denied request: kept", (await server.DeleteAsync(ConfigMaps + "/keep")).Expect(422).Message, StringComparison.Ordinal);
        (await server.DeleteAsync(ConfigMaps + "/other")).Expect(200);
    }

    [Fact]
    public async Task An_audit_annotation_in_error_denies()
    {
        await using var server = await TestServer.StartAsync();
        await EnforceAsync(server, """ "auditAnnotations":[{"key":"name","valueExpression":"'is ' + object.data.x"}] """);
        (await CreateAsync(server, "a", """{"x":"y"}""")).Expect(201);
        Assert.EndsWith("denied request: expression ''is ' + object.data.x' resulted in error: no such key: x",
            (await CreateAsync(server, "b", """{"z":"y"}""")).Expect(422).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(""" "validations":[{"expression":"object.x +"}] """,
        "spec.validations[0].expression: Invalid value: \"object.x +\": compilation failed: ERROR: <input>:1:11: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | object.x +\n | ..........^")]
    [InlineData(""" "validations":[{"expression":"params.x == 1"}] """,
        "spec.validations[0].expression: Invalid value: \"params.x == 1\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.x == 1\n | ^")]
    [InlineData(""" "validations":[{"expression":"object.x"}] """, "spec.validations[0].expression: Invalid value: \"object.x\": must evaluate to bool")]
    [InlineData(""" "validations":[{"expression":"true","messageExpression":"1"}] """, "spec.validations[0].messageExpression: Invalid value: \"1\": must evaluate to string")]
    [InlineData(""" "validations":[{"expression":"variables.later"}],"variables":[{"name":"now","expression":"variables.later"},{"name":"later","expression":"true"}] """,
        "spec.variables[0].expression: Invalid value: \"variables.later\": compilation failed: ERROR: <input>:1:10: undefined field 'later'\n | variables.later\n | .........^")]
    [InlineData(""" "auditAnnotations":[{"key":"k","valueExpression":"1"}] """, "spec.auditAnnotations[0].valueExpression: Invalid value: \"1\": must evaluate to one of [string null_type]")]
    [InlineData(""" "matchConditions":[{"name":"n","expression":"request.nothing"}],"validations":[{"expression":"true"}] """,
        "spec.matchConditions[0].expression: Invalid value: \"request.nothing\": compilation failed: ERROR: <input>:1:8: undefined field 'nothing'\n | request.nothing\n | .......^")]
    [InlineData(""" "validations":[{"expression":"[1, 2].all(i, v, i < v)"}] """,
        "spec.validations[0].expression: Invalid value: \"[1, 2].all(i, v, i < v)\": compilation failed: ERROR: <input>:1:11: undeclared reference to 'all' (in container '')\n | [1, 2].all(i, v, i < v)\n | ..........^")]
    public async Task Expressions_are_compiled_when_they_are_written(string spec, string message)
    {
        await using var server = await TestServer.StartAsync();
        var reply = (await server.PostAsync(Policies, """{"metadata":{"name":"demo"},"spec":{""" + Rules + "," + spec + "}}")).Expect(422);
        Assert.Contains(message, reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Match_conditions_of_webhooks_are_compiled_too()
    {
        await using var server = await TestServer.StartAsync();
        var reply = (await server.PostAsync(Api + "/validatingwebhookconfigurations", """
            {"metadata":{"name":"w"},"webhooks":[{"name":"a.example.com","clientConfig":{"url":"https://example.com"},"sideEffects":"None","admissionReviewVersions":["v1"],
             "matchConditions":[{"name":"n","expression":"1"}]}]}
            """)).Expect(422);
        Assert.Contains("webhooks[0].matchConditions[0].expression: Invalid value: \"1\": must evaluate to bool", reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Types_are_checked_into_the_status()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Policies, """
            {"metadata":{"name":"demo"},"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":["apps"],"apiVersions":["v1"],"operations":["CREATE"],"resources":["deployments","replicasets"]}]},
             "variables":[{"name":"spec","expression":"object.spec"}],
             "validations":[{"expression":"object.replicas > 1"},{"expression":"object.spec.replicas > 1 && variables.spec.replicas > 1","messageExpression":"'is ' + object.spec.strategy.type"},
                            {"expression":"object.spec.template.spec.containers.all(c, c.image.startsWith('x') && has(c.securityContext))"}]}}
            """)).Expect(201);
        var status = (await server.UntilAsync(Policies + "/demo", policy => policy["status"]?["typeChecking"] is not null))["status"]!;
        var warnings = status["typeChecking"]!["expressionWarnings"]!.AsArray();
        Assert.Equal(["spec.validations[0].expression", "spec.validations[1].messageExpression"], warnings.Select(warning => (string)warning!["fieldRef"]!));
        const string Undefined = "ERROR: <input>:1:7: undefined field 'replicas'\n | object.replicas > 1\n | ......^\n";
        Assert.Equal($"apps/v1, Kind=Deployment: {Undefined}\napps/v1, Kind=ReplicaSet: {Undefined}", (string)warnings[0]!["warning"]!);
        Assert.StartsWith("apps/v1, Kind=ReplicaSet: ERROR: <input>:1:20: undefined field 'strategy'", (string)warnings[1]!["warning"]!, StringComparison.Ordinal);
    }

    private static Task<Reply> CreateAsync(TestServer server, string name, string data) =>
        server.PostAsync(ConfigMaps, new JsonObject { ["metadata"] = new JsonObject { ["name"] = name }, ["data"] = JsonNode.Parse(data) }.ToJsonString());

    private static async Task EnforceAsync(TestServer server, string spec, string actions = """["Deny"]""", string more = "")
    {
        Assert.Empty((await server.PostAsync(Policies, """{"metadata":{"name":"demo"},"spec":{""" + Rules + "," + spec + "}}")).Expect(201).Warnings);
        (await server.PostAsync(Bindings, """{"metadata":{"name":"bind"},"spec":{"policyName":"demo","validationActions":""" + actions + more + "}}")).Expect(201);
    }
}
