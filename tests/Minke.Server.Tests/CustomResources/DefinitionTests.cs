using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Control;

namespace Minke.Server.Tests.CustomResources;

/// <summary>The life of a definition: names, conditions, discovery, changes while in use, and its end.</summary>
public sealed class DefinitionTests
{
    private const string Name = "crontabs.stable.example.com";
    private const string One = Definitions.Path + "/" + Name;

    [Fact]
    public async Task A_definition_says_what_became_of_it()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab());
        var status = (await server.GetAsync(One)).Expect(200).Json["status"]!;
        Assert.Equal(
            """[["NamesAccepted","True","NoConflicts","no conflicts found"],["Established","True","InitialNamesAccepted","the initial names have been accepted"]]""",
            Conditions(status));
        Assert.Equal("""["v1"]""", status["storedVersions"]!.ToJsonString());
        Assert.Equal("CronTabList", status["acceptedNames"]!["listKind"]!.ToString());
    }

    [Fact]
    public async Task Conditions_that_somebody_wrote_away_come_back()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab());
        const string Patch = """{"status":{"conditions":[{"type":"","status":"","lastTransitionTime":null,"reason":"","message":"patched"}]}}""";
        var patched = (await server.PatchAsync(One + "/status", Patch)).Expect(200).Json["status"]!["conditions"]!;
        Assert.Equal("patched", Assert.Single(patched.AsArray())!["message"]!.ToString());
        var mended = await server.UntilAsync(One, one => Definitions.Condition(one, "Established")?["status"]?.ToString() == "True");
        Assert.Equal("patched", mended["status"]!["conditions"]![0]!["message"]!.ToString());
        (await server.GetAsync("/apis/stable.example.com/v1/crontabs")).Expect(200);
    }

    [Fact]
    public async Task Names_that_are_taken_are_refused_until_they_are_free()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab());
        var other = Definitions.CronTab().Replace("crontabs", "others", StringComparison.Ordinal).Replace("\"crontab\"", "\"other\"", StringComparison.Ordinal);
        (await server.PostAsync(Definitions.Path, other)).Expect(201);
        var refused = await server.WaitAsync(Definitions.Path + "?fieldSelector=metadata.name=others.stable.example.com", value => Definitions.Condition(value, "NamesAccepted") is not null);
        Assert.Equal(
            """[["NamesAccepted","False","ListKindConflict","\u0022CronTabList\u0022 is already in use"],["Established","False","NotAccepted","not all names are accepted"]]""",
            Conditions(refused["status"]!));
        Assert.Equal(404, (await server.GetAsync("/apis/stable.example.com/v1/others")).Code);

        (await server.DeleteAsync(One)).Expect(200);
        await server.WaitAsync(Definitions.Path + "?fieldSelector=metadata.name=others.stable.example.com", value => Definitions.Condition(value, "Established")?["status"]?.ToString() == "True");
        Assert.Equal(200, (await server.GetAsync("/apis/stable.example.com/v1/others")).Code);
    }

    [Fact]
    public async Task Discovery_and_schemas_know_a_kind_as_soon_as_it_is_established_and_forget_it_with_its_definition()
    {
        await using var server = await TestServer.StartAsync();
        const string Aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        var before = await server.GetAsync("/apis", Aggregated);
        await server.EstablishAsync(Definitions.CronTab("""{"type":"object","description":"What is wanted of it.","properties":{"cron":{"type":"string"},"port":{"x-kubernetes-int-or-string":true}}}""", more: ""","subresources":{"status":{},"scale":{"specReplicasPath":".spec.replicas","statusReplicasPath":".status.replicas"}}"""));

        var group = (await server.GetAsync("/apis", Aggregated)).Json["items"]!.AsArray().Single(item => item!["metadata"]!["name"]!.ToString() == "stable.example.com")!;
        var resource = group["versions"]![0]!["resources"]![0]!;
        Assert.Equal(("crontabs", "crontab", """["ct"]""", """["all"]"""),
            (resource["resource"]!.ToString(), resource["singularResource"]!.ToString(), resource["shortNames"]!.ToJsonString(), resource["categories"]!.ToJsonString()));
        Assert.Equal(["scale", "status"], resource["subresources"]!.AsArray().Select(sub => sub!["subresource"]!.ToString()));
        var list = (await server.GetAsync("/apis/stable.example.com/v1")).Expect(200).Json["resources"]!.AsArray();
        Assert.Equal(["crontabs", "crontabs/scale", "crontabs/status"], list.Select(one => one!["name"]!.ToString()));

        var schema = (await server.GetAsync("/openapi/v3/apis/stable.example.com/v1")).Expect(200).Json["components"]!["schemas"]!["com.example.stable.v1.CronTab"]!;
        Assert.Equal("What is wanted of it.", schema["properties"]!["spec"]!["description"]!.ToString());
        Assert.NotNull((await server.GetAsync("/openapi/v2")).Json["definitions"]!["com.example.stable.v1.CronTabList"]);

        (await server.DeleteAsync(One)).Expect(200);
        await server.WaitUntilGoneAsync(Definitions.Path + "?fieldSelector=metadata.name=" + Name);
        Assert.Equal(404, (await server.GetAsync(Definitions.Items)).Code);
        Assert.Equal(404, (await server.GetAsync("/apis/stable.example.com")).Code);
        Assert.Equal(404, (await server.GetAsync("/openapi/v3/apis/stable.example.com/v1")).Code);
        Assert.Equal(before.Text, (await server.GetAsync("/apis", Aggregated)).Text);
    }

    [Fact]
    public async Task The_aggregated_document_has_a_tag_that_changes_with_it()
    {
        await using var server = await TestServer.StartAsync();
        var first = await TagAsync(server, "");
        Assert.Equal(304, (await TagAsync(server, first.Tag)).Code);
        await server.EstablishAsync(Definitions.CronTab());
        var second = await TagAsync(server, first.Tag);
        Assert.Equal(200, second.Code);
        Assert.NotEqual(first.Tag, second.Tag);

        static async Task<(int Code, string Tag)> TagAsync(TestServer server, string known)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/apis") { Version = new(2, 0) };
            request.Headers.TryAddWithoutValidation("Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
            if (known.Length > 0)
                request.Headers.TryAddWithoutValidation("If-None-Match", known);
            using var response = await server.Admin.SendAsync(request, TestServer.Cancelled);
            return ((int)response.StatusCode, response.Headers.ETag?.ToString() ?? "");
        }
    }

    [Fact]
    public async Task Deleting_a_definition_deletes_its_objects_first()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab());
        (await server.PostAsync(Definitions.Items, Definitions.Item("a"))).Expect(201);
        (await server.PostAsync(Definitions.Items, """{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"held","finalizers":["example.com/hold"]}}""")).Expect(201);
        var deleting = (await server.DeleteAsync(One)).Expect(200).Json;
        Assert.Equal("""["customresourcecleanup.apiextensions.k8s.io"]""", deleting["metadata"]!["finalizers"]!.ToJsonString());
        Assert.Equal("InstanceDeletionPending", Definitions.Condition(deleting, "Terminating")!["reason"]!.ToString());
        var progress = await server.WaitAsync(Definitions.Path + "?fieldSelector=metadata.name=" + Name, value => Definitions.Condition(value, "Terminating")?["reason"]?.ToString() == "InstanceDeletionInProgress");
        Assert.Equal("CustomResource deletion is in progress", Definitions.Condition(progress, "Terminating")!["message"]!.ToString());
        await server.WaitUntilGoneAsync(Definitions.Items + "?fieldSelector=metadata.name=a");

        var create = (await server.PostAsync(Definitions.Items, Definitions.Item("new"))).Expect(405);
        Assert.Equal("create not allowed while custom resource definition is terminating", create.Message);
        var again = (await server.PostAsync(Definitions.Path, Definitions.CronTab())).Expect(409);
        Assert.Equal($"object is being deleted: customresourcedefinitions.apiextensions.k8s.io \"{Name}\" already exists", again.Message);
        Assert.Equal(["delete", "deletecollection", "get", "list", "watch"],
            (await server.GetAsync("/apis/stable.example.com/v1")).Json["resources"]![0]!["verbs"]!.AsArray().Select(verb => verb!.ToString()));

        Assert.Equal(["held"], (await server.GetAsync(Definitions.Items)).Names);
        (await server.PatchAsync(Definitions.Items + "/held", """{"metadata":{"finalizers":null}}""")).Expect(200);
        await server.WaitUntilGoneAsync(Definitions.Path + "?fieldSelector=metadata.name=" + Name);
        Assert.Equal(404, (await server.GetAsync(Definitions.Items)).Code);
        await server.EstablishAsync(Definitions.CronTab());
        Assert.Empty((await server.GetAsync(Definitions.Items)).Names);
    }

    [Fact]
    public async Task A_watch_ends_plainly_when_its_kind_changes_and_goes_on_from_where_it_was()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab());
        var first = (await server.PostAsync(Definitions.Items, Definitions.Item("a"))).Expect(201);
        var seen = new List<string>();
        var revision = first.Version;
        var changed = false;
        await foreach (var (type, value) in server.WatchAsync(Definitions.Items, TestServer.Cancelled))
        {
            Assert.Equal("ADDED", type);
            seen.Add(value["metadata"]!["name"]!.ToString());
            if (!changed)
                (await server.PatchAsync(One, """[{"op":"add","path":"/spec/versions/0/additionalPrinterColumns","value":[{"name":"X","type":"string","jsonPath":".spec.x"}]}]""", "json-patch")).Expect(200);
            changed = true;
        }
        Assert.Equal(["a"], seen);
        (await server.PostAsync(Definitions.Items, Definitions.Item("b"))).Expect(201);
        await server.WaitAsync($"{Definitions.Items}?resourceVersion={revision}", value => value["metadata"]!["name"]!.ToString() == "b");
    }

    [Fact]
    public async Task Writers_do_not_notice_that_the_schema_changes_under_them()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab("""{"type":"object","properties":{"n":{"type":"integer"}}}"""));
        const int Changes = 20;
        var writers = Enumerable.Range(0, 4).Select(async writer =>
        {
            for (var i = 0; i < 50; i++)
                (await server.PostAsync(Definitions.Items, Definitions.Item($"w{writer}-{i}", $$"""{"n":{{i}}}"""))).Expect(201);
        }).ToArray();
        for (var i = 0; i < Changes; i++)
        {
            (await server.PatchAsync(One, $$$"""
                [{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/f{{{i}}}","value":{"type":"integer","default":{{{i}}}}}]
                """, "json-patch")).Expect(200);
        }
        await Task.WhenAll(writers);
        await server.WaitAsync(Definitions.Items, value => value["spec"]![$"f{Changes - 1}"] is not null);
        var items = (await server.GetAsync(Definitions.Items)).Expect(200).Json["items"]!.AsArray();
        Assert.Equal(200, items.Count);
        Assert.All(items, item => Assert.Equal(Changes + 1, item!["spec"]!.AsObject().Count));
    }

    [Fact]
    public async Task A_namespace_takes_its_custom_objects_with_it()
    {
        await using var server = await TestServer.StartAsync();
        using var stop = new CancellationTokenSource();
        var control = new ControlPlane(server.Server.Client, "root", server.Pki.SignRequest, server.Server.Kinds, TimeProvider.System, NullLoggerFactory.Instance).RunAsync(stop.Token);
        await server.EstablishAsync(Definitions.CronTab());
        (await server.PostAsync("/api/v1/namespaces", """{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}""")).Expect(201);
        (await server.PostAsync("/apis/stable.example.com/v1/namespaces/shop/crontabs", Definitions.Item("a"))).Expect(201);
        (await server.DeleteAsync("/api/v1/namespaces/shop")).Expect(200);
        await server.WaitUntilGoneAsync("/api/v1/namespaces?fieldSelector=metadata.name=shop");
        Assert.Empty((await server.GetAsync("/apis/stable.example.com/v1/crontabs")).Names);
        await stop.CancelAsync();
        await control;
    }

    [Fact]
    public async Task Kinds_and_their_objects_are_there_again_after_a_restart()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab("""{"type":"object","properties":{"n":{"type":"integer","default":7}}}"""));
        (await server.PostAsync(Definitions.Items, Definitions.Item("a"))).Expect(201);
        await using var restarted = await server.StartAnotherAsync();
        Assert.Equal("""{"n":7}""", (await restarted.GetAsync(Definitions.Items + "/a")).Expect(200).Json["spec"]!.ToJsonString());
        (await restarted.PostAsync(Definitions.Items, Definitions.Item("b"))).Expect(201);
    }

    private static string Conditions(JsonNode status) => new JsonArray([.. status["conditions"]!.AsArray().Select(condition =>
        (JsonNode)new JsonArray(condition!["type"]!.DeepClone(), condition["status"]!.DeepClone(), condition["reason"]!.DeepClone(), condition["message"]!.DeepClone()))]).ToJsonString();
}
