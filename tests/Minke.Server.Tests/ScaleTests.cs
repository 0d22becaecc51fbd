using System.Text.Json.Nodes;

namespace Minke.Server.Tests;

/// <summary>Deployments and their like over HTTP: scale, generations, what is told of kinds that nothing acts on.</summary>
public sealed class ScaleTests
{
    private const string Template = """{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"i"}]}}""";
    private const string Apps = "/apis/apps/v1/namespaces/default/";

    private static string Object(string kind, string extra = "") =>
        $$$"""{"apiVersion":"apps/v1","kind":"{{{kind}}}","metadata":{"name":"web"},"spec":{"selector":{"matchLabels":{"app":"web"}},"template":{{{Template}}}{{{extra}}}}}""";

    [Theory]
    [InlineData("Deployment", "deployments")]
    [InlineData("ReplicaSet", "replicasets")]
    [InlineData("StatefulSet", "statefulsets")]
    public async Task Replicas_are_read_and_written_as_a_scale(string kind, string plural)
    {
        await using var server = await TestServer.StartAsync();
        var made = (await server.PostAsync(Apps + plural, Object(kind))).Expect(201);
        Assert.Contains(made.Warnings, warning => warning.StartsWith($"299 - \"{kind}: stored but not acted on by Minke yet", StringComparison.Ordinal));

        var scale = (await server.GetAsync($"{Apps}{plural}/web/scale")).Expect(200);
        Assert.Equal("Scale", scale.Json["kind"]!.GetValue<string>());
        Assert.Equal("autoscaling/v1", scale.Json["apiVersion"]!.GetValue<string>());
        Assert.Equal(1, scale.Json["spec"]!["replicas"]!.GetValue<int>());
        Assert.Equal("app=web", scale.Json["status"]!["selector"]!.GetValue<string>());
        Assert.Equal(made.Version, scale.Version);

        var patched = (await server.PatchAsync($"{Apps}{plural}/web/scale", """{"spec":{"replicas":3}}""")).Expect(200);
        Assert.Equal(3, patched.Json["spec"]!["replicas"]!.GetValue<int>());
        var now = (await server.GetAsync($"{Apps}{plural}/web")).Json;
        Assert.Equal(3, now["spec"]!["replicas"]!.GetValue<int>());
        Assert.Equal(2, now["metadata"]!["generation"]!.GetValue<int>());

        var body = scale.Json.AsObject();
        body["spec"]!["replicas"] = 5;
        var stale = (await server.PutAsync($"{Apps}{plural}/web/scale", body.ToJsonString())).Expect(409);
        Assert.Equal($"Operation cannot be fulfilled on {plural}.apps \"web\": the object has been modified; please apply your changes to the latest version and try again", stale.Message);
        body["metadata"]!.AsObject().Remove("resourceVersion");
        (await server.PutAsync($"{Apps}{plural}/web/scale", body.ToJsonString())).Expect(200);
        body["metadata"]!["uid"] = "other";
        var wrong = (await server.PutAsync($"{Apps}{plural}/web/scale", body.ToJsonString())).Expect(409);
        Assert.StartsWith($"Operation cannot be fulfilled on {plural}.apps/scale \"web\": Precondition failed: UID in precondition: other, UID in object meta: ", wrong.Message, StringComparison.Ordinal);

        var negative = (await server.PatchAsync($"{Apps}{plural}/web/scale", """{"spec":{"replicas":-1}}""")).Expect(422);
        Assert.Equal("Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0", negative.Message);
        var missing = (await server.PatchAsync($"{Apps}{plural}/none/scale", """{"spec":{"replicas":1}}""")).Expect(404);
        Assert.Equal($"{plural}.apps \"none\" not found", missing.Message);
        var table = (await server.GetAsync($"{Apps}{plural}/web/scale", "application/json;as=Table;v=v1;g=meta.k8s.io")).Expect(200);
        Assert.Equal(["Name", "Desired", "Available", "Age"], table.Json["columnDefinitions"]!.AsArray().Select(column => column!["name"]!.GetValue<string>()));
        Assert.Equal(5, table.Json["rows"]![0]!["cells"]![1]!.GetValue<int>());
        (await server.DeleteAsync($"{Apps}{plural}/web/scale")).Expect(405);
    }

    [Fact]
    public async Task A_dry_run_scales_nothing()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Apps + "deployments", Object("Deployment"))).Expect(201);
        var asked = (await server.PatchAsync(Apps + "deployments/web/scale?dryRun=All", """{"spec":{"replicas":3}}""")).Expect(200);
        Assert.Equal(3, asked.Json["spec"]!["replicas"]!.GetValue<int>());
        Assert.Equal(1, (await server.GetAsync(Apps + "deployments/web")).Json["spec"]!["replicas"]!.GetValue<int>());
    }

    [Fact]
    public async Task Annotations_of_a_deployment_count_as_its_generation_and_labels_do_not()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Apps + "deployments", Object("Deployment"))).Expect(201);
        Assert.Equal(1, Generation(await server.PatchAsync(Apps + "deployments/web", """{"metadata":{"labels":{"x":"y"}}}""")));
        Assert.Equal(2, Generation(await server.PatchAsync(Apps + "deployments/web", """{"metadata":{"annotations":{"x":"y"}}}""")));
        Assert.Equal(2, Generation(await server.PatchAsync(Apps + "deployments/web/status", """{"status":{"replicas":1}}""")));
    }

    [Fact]
    public async Task The_template_of_a_daemon_set_has_a_generation_only_the_server_writes()
    {
        await using var server = await TestServer.StartAsync();
        const string key = "deprecated.daemonset.template.generation";
        string Of(Reply reply) => reply.Expect(reply.Code is 201 ? 201 : 200).Json["metadata"]!["annotations"]![key]!.GetValue<string>();
        Assert.Equal("1", Of(await server.PostAsync(Apps + "daemonsets", Object("DaemonSet"))));
        Assert.Equal("1", Of(await server.PatchAsync(Apps + "daemonsets/web", $$"""{"metadata":{"annotations":{"{{key}}":"7"} } }""")));
        Assert.Equal("2", Of(await server.PatchAsync(Apps + "daemonsets/web", """{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":5}}}}""")));
    }

    [Fact]
    public async Task Warnings_of_a_template_say_where_they_are()
    {
        await using var server = await TestServer.StartAsync();
        var body = JsonNode.Parse(Object("Deployment"))!;
        body["metadata"]!["name"] = "web.shop";
        body["spec"]!["template"]!["spec"]!["nodeSelector"] = new JsonObject { ["beta.kubernetes.io/os"] = "linux" };
        body["spec"]!["template"]!["spec"]!["hostUsers"] = false;
        var warnings = (await server.PostAsync(Apps + "deployments", body.ToJsonString())).Expect(201).Warnings;
        Assert.Contains("299 - \"metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]\"", warnings);
        Assert.Contains("299 - \"spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \\\"kubernetes.io/os\\\" instead\"", warnings);
        Assert.Contains(warnings, warning => warning.StartsWith("299 - \"spec.template.spec.hostUsers: accepted but not acted on by Minke", StringComparison.Ordinal));
    }

    private static int Generation(Reply reply) => reply.Expect(200).Json["metadata"]!["generation"]!.GetValue<int>();
}
