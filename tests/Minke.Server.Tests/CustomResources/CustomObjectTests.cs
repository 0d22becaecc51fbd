namespace Minke.Server.Tests.CustomResources;

/// <summary>Objects of custom kinds: the same verbs, and what a schema does to them.</summary>
public sealed class CustomObjectTests
{
    private const string Spec = """
        {"type":"object","required":["cron"],"properties":{
          "cron":{"type":"string","pattern":"^[0-9*/ ]+$","maxLength":20,"minLength":3},
          "replicas":{"type":"integer","minimum":1,"maximum":10,"default":1},
          "ratio":{"type":"number","multipleOf":0.5,"exclusiveMinimum":true,"minimum":0},
          "policy":{"type":"string","enum":["Allow","Forbid"]},
          "port":{"x-kubernetes-int-or-string":true},
          "when":{"type":"string","format":"date-time","nullable":true},
          "tags":{"type":"array","maxItems":3,"minItems":1,"items":{"type":"string"},"x-kubernetes-list-type":"set"},
          "ports":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],"items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"port":{"type":"integer","default":80}}}},
          "labels":{"type":"object","additionalProperties":{"type":"string"},"maxProperties":2,"minProperties":1},
          "choice":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"oneOf":[{"required":["a"]},{"required":["b"]}]},
          "any":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
          "template":{"type":"object","x-kubernetes-embedded-resource":true,"properties":{"spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}},
          "deep":{"type":"object","default":{},"properties":{"level":{"type":"object","default":{"x":1},"properties":{"x":{"type":"integer"},"y":{"type":"integer","default":2}}}}}
        }}
        """;

    [Fact]
    public async Task A_kind_is_served_once_its_definition_is_established()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal(404, (await server.GetAsync(Definitions.Items)).Code);
        await server.EstablishAsync(Definitions.CronTab());

        var created = (await server.PostAsync(Definitions.Items, Definitions.Item("a", """{"cron":"* * *","b":{"z":1,"y":[1,2.5,"x",null,true]}}"""))).Expect(201);
        var metadata = created.Json["metadata"]!;
        Assert.Equal("1", metadata["generation"]!.ToString());
        Assert.Equal("default", metadata["namespace"]!.ToString());
        Assert.Equal("""{"b":{"y":[1,2.5,"x",null,true],"z":1},"cron":"* * *"}""", created.Json["spec"]!.ToJsonString());

        var read = (await server.GetAsync(Definitions.Items + "/a")).Expect(200);
        Assert.Equal(created.Text, read.Text);
        var list = (await server.GetAsync("/apis/stable.example.com/v1/crontabs")).Expect(200);
        Assert.Equal("CronTabList", list.Json["kind"]!.ToString());
        Assert.Equal(("stable.example.com/v1", "CronTab"), (list.Json["items"]![0]!["apiVersion"]!.ToString(), list.Json["items"]![0]!["kind"]!.ToString()));

        var patched = (await server.PatchAsync(Definitions.Items + "/a", """{"spec":{"cron":"1 * *","b":null}}""")).Expect(200);
        Assert.Equal("""{"cron":"1 * *"}""", patched.Json["spec"]!.ToJsonString());
        Assert.Equal("2", patched.Json["metadata"]!["generation"]!.ToString());
        var labelled = (await server.PatchAsync(Definitions.Items + "/a", """[{"op":"add","path":"/metadata/labels","value":{"x":"y"}}]""", "json-patch")).Expect(200);
        Assert.Equal("2", labelled.Json["metadata"]!["generation"]!.ToString());
        Assert.Equal(["a"], (await server.GetAsync(Definitions.Items + "?labelSelector=x%3Dy")).Names);

        var same = (await server.PatchAsync(Definitions.Items + "/a", "{}")).Expect(200);
        Assert.Equal(labelled.Version, same.Version);
        var deleted = (await server.DeleteAsync(Definitions.Items + "/a")).Expect(200);
        Assert.Equal(("Success", "crontabs"), (deleted.Json["status"]!.ToString(), deleted.Json["details"]!["kind"]!.ToString()));
        Assert.Equal("crontabs.stable.example.com \"a\" not found", (await server.GetAsync(Definitions.Items + "/a")).Message);
    }

    [Fact]
    public async Task Strategic_merge_and_protobuf_are_not_for_custom_objects()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab());
        (await server.PostAsync(Definitions.Items, Definitions.Item("a"))).Expect(201);
        var strategic = (await server.PatchAsync(Definitions.Items + "/a", "{}", "strategic-merge-patch")).Expect(415);
        Assert.Equal("the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml", strategic.Message);
        Assert.Equal(406, (await server.GetAsync(Definitions.Items + "/a", "application/vnd.kubernetes.protobuf")).Code);
        Assert.Equal(200, (await server.GetAsync(Definitions.Items + "/a", "application/vnd.kubernetes.protobuf,application/json")).Code);
        Assert.Equal(200, (await server.GetAsync(Definitions.Items + "/a", "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")).Code);
        Assert.Equal(415, (await server.SendAsync(HttpMethod.Post, Definitions.Items, "k8s", "application/vnd.kubernetes.protobuf")).Code);
    }

    [Theory]
    [InlineData("""{"cron":"ab"}""", "spec.cron: Invalid value: \"ab\": spec.cron in body should be at least 3 chars long")]
    [InlineData("""{"cron":"abc"}""", "spec.cron: Invalid value: \"abc\": spec.cron in body should match '^[0-9*/ ]+$'")]
    [InlineData("""{"cron":"*********************"}""", "spec.cron: Too long: may not be more than 20 bytes")]
    [InlineData("{}", "spec.cron: Required value")]
    [InlineData("""{"cron":5}""", "spec.cron: Invalid value: \"integer\": spec.cron in body must be of type string: \"integer\"")]
    [InlineData("""{"cron":"* * *","replicas":"x"}""", "spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\"")]
    [InlineData("""{"cron":"* * *","replicas":1.5}""", "spec.replicas: Invalid value: \"number\": spec.replicas in body must be of type integer: \"number\"")]
    [InlineData("""{"cron":"* * *","replicas":11}""", "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10")]
    [InlineData("""{"cron":"* * *","replicas":0}""", "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1")]
    [InlineData("""{"cron":"* * *","ratio":0.0}""", "spec.ratio: Invalid value: 0: spec.ratio in body should be greater than 0")]
    [InlineData("""{"cron":"* * *","ratio":0.3}""", "spec.ratio: Invalid value: 0.3: spec.ratio in body should be a multiple of 0.5")]
    [InlineData("""{"cron":"* * *","policy":"Maybe"}""", "spec.policy: Unsupported value: \"Maybe\": supported values: \"Allow\", \"Forbid\"")]
    [InlineData("""{"cron":"* * *","port":true}""", "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"")]
    [InlineData("""{"cron":"* * *","when":"yesterday"}""", "spec.when: Invalid value: \"yesterday\": spec.when in body must be of type date-time: \"yesterday\"")]
    [InlineData("""{"cron":"* * *","tags":[]}""", "spec.tags: Invalid value: 0: spec.tags in body should have at least 1 items")]
    [InlineData("""{"cron":"* * *","tags":["a","b","c","d"]}""", "spec.tags: Too many: 4: must have at most 3 items")]
    [InlineData("""{"cron":"* * *","tags":["a","b","a"]}""", "spec.tags[2]: Duplicate value: \"a\"")]
    [InlineData("""{"cron":"* * *","tags":["a",5]}""", "spec.tags[1]: Invalid value: \"integer\": spec.tags[1] in body must be of type string: \"integer\"")]
    [InlineData("""{"cron":"* * *","tags":["a",null]}""", "spec.tags[1]: Invalid value: \"null\": spec.tags[1] in body must be of type string: \"null\"")]
    [InlineData("""{"cron":"* * *","ports":[{"name":"a"},{"name":"a"}]}""", "spec.ports[1]: Duplicate value: map[string]interface {}{\"name\":\"a\"}")]
    [InlineData("""{"cron":"* * *","ports":[{}]}""", "spec.ports[0].name: Required value")]
    [InlineData("""{"cron":"* * *","labels":{}}""", "spec.labels: Invalid value: 0: spec.labels in body should have at least 1 properties")]
    [InlineData("""{"cron":"* * *","labels":{"a":"1","b":"2","c":"3"}}""", "spec.labels: Too many: 3: must have at most 2 items")]
    [InlineData("""{"cron":"* * *","labels":{"a":1}}""", "spec.labels.a: Invalid value: \"integer\": spec.labels.a in body must be of type string: \"integer\"")]
    [InlineData("""{"cron":"* * *","choice":{}}""", "[<nil>: Invalid value: \"\": \"spec.choice\" must validate one and only one schema (oneOf). Found none valid, spec.choice.a: Required value]")]
    [InlineData("""{"cron":"* * *","choice":{"a":"","b":""}}""", "<nil>: Invalid value: \"\": \"spec.choice\" must validate one and only one schema (oneOf). Found 2 valid alternatives")]
    [InlineData("""{"cron":"* * *","template":{}}""", "[spec.template.apiVersion: Required value, spec.template.kind: Required value]")]
    public async Task Invalid_objects_are_refused_in_upstreams_words(string spec, string expected)
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab(Spec));
        var refused = (await server.PostAsync(Definitions.Items, Definitions.Item("a", spec))).Expect(422);
        Assert.Equal("CronTab.stable.example.com \"a\" is invalid: " + expected, refused.Message);
    }

    [Fact]
    public async Task Unknown_fields_are_dropped_and_told_and_defaults_filled_in_at_every_depth()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab(Spec));
        const string Odd = """{"cron":"* * *","odd":1,"replicas":null,"when":null,"any":{"kept":{"as":"it is"}},"ports":[{"name":"a","odd":2}],"template":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","odd":1},"odd":3,"spec":{"a":1}}}""";
        var warned = (await server.PostAsync(Definitions.Items, Definitions.Item("a", Odd, ""","top":1"""))).Expect(201);
        Assert.Equal(
            ["299 - \"unknown field \\\"spec.odd\\\"\"", "299 - \"unknown field \\\"spec.ports[0].odd\\\"\"", "299 - \"unknown field \\\"spec.template.metadata.odd\\\"\"",
                "299 - \"unknown field \\\"spec.template.odd\\\"\"", "299 - \"unknown field \\\"top\\\"\""],
            warned.Warnings.Order(StringComparer.Ordinal));
        Assert.Equal(
            """{"any":{"kept":{"as":"it is"}},"cron":"* * *","deep":{"level":{"x":1,"y":2}},"ports":[{"name":"a","port":80}],"replicas":1,"template":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},"spec":{"a":1}},"when":null}""",
            warned.Json["spec"]!.ToJsonString());
        Assert.Null(warned.Json["top"]);

        var strict = (await server.PostAsync(Definitions.Items + "?fieldValidation=Strict", """{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"b","foo":1},"spec":{"cron":"* * *","cron":"* * *","odd":1}}""")).Expect(400);
        Assert.Equal(
            "CronTab in version \"v1\" cannot be handled as a CronTab: strict decoding error: duplicate field \"spec.cron\", unknown field \"metadata.foo\", unknown field \"spec.odd\"",
            strict.Message);
        Assert.Empty((await server.PostAsync(Definitions.Items + "?fieldValidation=Ignore", Definitions.Item("c", """{"cron":"* * *","odd":1}"""))).Expect(201).Warnings);
    }

    [Fact]
    public async Task A_change_of_the_schema_holds_for_what_is_stored_already()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab("""{"type":"object","properties":{"old":{"type":"string"},"kept":{"type":"string"}}}"""));
        (await server.PostAsync(Definitions.Items, Definitions.Item("a", """{"old":"1","kept":"2"}"""))).Expect(201);
        (await server.PatchAsync(Definitions.Path + "/crontabs.stable.example.com", """
            [{"op":"replace","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties","value":{"kept":{"type":"string"},"new":{"type":"integer","default":3}}}]
            """, "json-patch")).Expect(200);
        var seen = await server.WaitAsync(Definitions.Items, value => value["spec"]!["new"] is not null);
        Assert.Equal("""{"kept":"2","new":3}""", seen["spec"]!.ToJsonString());
        Assert.Equal("""{"kept":"2","new":3}""", (await server.GetAsync(Definitions.Items)).Json["items"]![0]!["spec"]!.ToJsonString());
        // What was wrong before stays forgiven as long as it is not touched.
        (await server.PatchAsync(Definitions.Path + "/crontabs.stable.example.com", """
            [{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/kept/maxLength","value":0}]
            """, "json-patch")).Expect(200);
        Reply touched;
        do
        {
            touched = await server.PatchAsync(Definitions.Items + "/a?dryRun=All", """{"spec":{"kept":"3"}}""");
        }
        while (touched.Code == 200);
        Assert.Contains("spec.kept: Too long: may not be more than 0 bytes", touched.Message, StringComparison.Ordinal);
        (await server.PatchAsync(Definitions.Items + "/a", """{"spec":{"new":4}}""")).Expect(200);
    }

    [Fact]
    public async Task A_finalizer_without_a_domain_is_warned_of_and_holds_up_no_status()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab("""{"type":"object"}""", """{"type":"object","properties":{"replicas":{"type":"integer"}}}""", ""","subresources":{"status":{}}"""));
        (await server.PostAsync(Definitions.Items, Definitions.Item("a", "{}"))).Expect(201);
        var kept = (await server.PatchAsync(Definitions.Items + "/a", """{"metadata":{"finalizers":["op.example.com"]}}""")).Expect(200);
        Assert.Contains("prefer a domain-qualified finalizer name", kept.Warnings[0], StringComparison.Ordinal);
        var status = (await server.PatchAsync(Definitions.Items + "/a/status", """{"status":{"replicas":1}}""")).Expect(200);
        Assert.Equal("""{"replicas":1}""", status.Json["status"]!.ToJsonString());
    }

    [Fact]
    public async Task Status_is_apart_where_the_definition_says_so()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab(
            """{"type":"object","properties":{"replicas":{"type":"integer"}}}""",
            """{"type":"object","properties":{"replicas":{"type":"integer"},"selector":{"type":"string"}}}""",
            ""","subresources":{"status":{},"scale":{"specReplicasPath":".spec.replicas","statusReplicasPath":".status.replicas","labelSelectorPath":".status.selector"}}"""));
        var created = (await server.PostAsync(Definitions.Items, Definitions.Item("a", """{"replicas":2}""", ""","status":{"replicas":9}"""))).Expect(201);
        Assert.Null(created.Json["status"]);
        var status = (await server.PatchAsync(Definitions.Items + "/a/status", """{"metadata":{"labels":{"a":"b"}},"spec":{"replicas":7},"status":{"replicas":1,"selector":"a=b"}}""")).Expect(200);
        Assert.Equal("""{"replicas":2}""", status.Json["spec"]!.ToJsonString());
        Assert.Equal("1", status.Json["metadata"]!["generation"]!.ToString());
        Assert.Null(status.Json["metadata"]!["labels"]);
        var wrong = (await server.PatchAsync(Definitions.Items + "/a/status", """{"status":{"replicas":"x"}}""")).Expect(422);
        Assert.Contains("status.replicas: Invalid value: \"string\": replicas in body must be of type integer: \"string\"", wrong.Message, StringComparison.Ordinal);

        var scale = (await server.GetAsync(Definitions.Items + "/a/scale")).Expect(200);
        Assert.Equal(("Scale", "autoscaling/v1"), (scale.Json["kind"]!.ToString(), scale.Json["apiVersion"]!.ToString()));
        Assert.Equal("""{"replicas":1,"selector":"a=b"}""", scale.Json["status"]!.ToJsonString());
        var scaled = (await server.PatchAsync(Definitions.Items + "/a/scale", """{"spec":{"replicas":5}}""")).Expect(200);
        Assert.Equal("""{"replicas":5}""", scaled.Json["spec"]!.ToJsonString());
        var now = (await server.GetAsync(Definitions.Items + "/a")).Json;
        Assert.Equal(("""{"replicas":5}""", "2"), (now["spec"]!.ToJsonString(), now["metadata"]!["generation"]!.ToString()));
        var negative = (await server.PatchAsync(Definitions.Items + "/a/scale", """{"spec":{"replicas":-1}}""")).Expect(422);
        Assert.Contains(".spec.replicas: Invalid value: -1: should be a non-negative integer", negative.Message, StringComparison.Ordinal);
        (await server.PutAsync(Definitions.Items + "/a/scale", """{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"a","namespace":"default"},"spec":{"replicas":3}}""")).Expect(200);
        (await server.PostAsync(Definitions.Items, Definitions.Item("b"))).Expect(201);
        var none = (await server.GetAsync(Definitions.Items + "/b/scale")).Expect(500);
        Assert.Equal("Internal error occurred: the spec replicas field \".spec.replicas\" does not exist", none.Message);
    }

    [Fact]
    public async Task Columns_are_those_of_the_definition()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab(more: """
            ,"additionalPrinterColumns":[
              {"name":"Spec","type":"string","jsonPath":".spec.cron","description":"The cron spec"},
              {"name":"Replicas","type":"integer","jsonPath":".spec.replicas","priority":1},
              {"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"},
              {"name":"Due","type":"date","jsonPath":".spec.due"},
              {"name":"First","type":"string","jsonPath":".spec.list[0].name"},
              {"name":"Label","type":"string","jsonPath":".metadata.labels['a\\.b/c']"}]
            """));
        (await server.PostAsync(Definitions.Items, """
            {"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"a","labels":{"a.b/c":"l"}},
             "spec":{"cron":"* * *","replicas":3,"due":"soon","list":[{"name":"n"}]},"status":{"conditions":[{"type":"Other","status":"False"},{"type":"Ready","status":"True"}]}}
            """)).Expect(201);
        var table = (await server.GetAsync(Definitions.Items, "application/json;as=Table;g=meta.k8s.io;v=v1")).Expect(200).Json;
        Assert.Equal("""["a","* * *",3,"True","\u003Cinvalid\u003E","n","l"]""", table["rows"]![0]!["cells"]!.ToJsonString());
        Assert.Equal(["Name", "Spec", "Replicas", "Ready", "Due", "First", "Label"], table["columnDefinitions"]!.AsArray().Select(column => column!["name"]!.ToString()));
        Assert.Equal(("The cron spec", "1"), (table["columnDefinitions"]![1]!["description"]!.ToString(), table["columnDefinitions"]![2]!["priority"]!.ToString()));
    }

    [Fact]
    public async Task Fields_that_the_definition_names_can_be_selected_by()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab(
            """{"type":"object","properties":{"colour":{"type":"string"},"size":{"type":"integer"}}}""", more: ""","selectableFields":[{"jsonPath":".spec.colour"},{"jsonPath":".spec.size"}]"""));
        (await server.PostAsync(Definitions.Items, Definitions.Item("a", """{"colour":"red","size":1}"""))).Expect(201);
        (await server.PostAsync(Definitions.Items, Definitions.Item("b", """{"colour":"blue","size":1}"""))).Expect(201);
        Assert.Equal(["a"], (await server.GetAsync(Definitions.Items + "?fieldSelector=spec.colour%3Dred")).Expect(200).Names);
        Assert.Equal(["a", "b"], (await server.GetAsync(Definitions.Items + "?fieldSelector=spec.size%3D1")).Expect(200).Names);
        var unknown = (await server.GetAsync(Definitions.Items + "?fieldSelector=spec.other%3D1")).Expect(400);
        Assert.Equal("field label not supported: spec.other", unknown.Message);
    }
}
