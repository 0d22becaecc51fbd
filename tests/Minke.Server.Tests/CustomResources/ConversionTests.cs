using System.Text;
using System.Text.Json.Nodes;

namespace Minke.Server.Tests.CustomResources;

/// <summary>Several versions of one kind: the same objects under each, converted by name alone or by a webhook that may be slow, wrong or gone.</summary>
public sealed class ConversionTests
{
    private const string V1 = "/apis/stable.example.com/v1/namespaces/default/crontabs";
    private const string V2 = "/apis/stable.example.com/v2/namespaces/default/crontabs";

    [Fact]
    public async Task Without_a_webhook_versions_differ_in_name_and_schema_alone()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(TwoVersions("""{"strategy":"None"}"""));
        (await server.PostAsync(V1, Item("v1", "a", """{"size":1,"both":2}"""))).Expect(201);
        var second = (await server.GetAsync(V2 + "/a")).Expect(200).Json;
        Assert.Equal(("stable.example.com/v2", """{"both":2}"""), (second["apiVersion"]!.ToString(), second["spec"]!.ToJsonString()));
        // Stored is v1: what v2 has beyond it does not last.
        var created = (await server.PostAsync(V2, Item("v2", "b", """{"length":1,"both":3}"""))).Expect(201).Json;
        Assert.Equal(("stable.example.com/v2", """{"both":3}"""), (created["apiVersion"]!.ToString(), created["spec"]!.ToJsonString()));
        Assert.Equal(["stable.example.com/v2", "stable.example.com/v2"], (await server.GetAsync(V2)).Json["items"]!.AsArray().Select(item => item!["apiVersion"]!.ToString()));
        var group = (await server.GetAsync("/apis/stable.example.com")).Json;
        Assert.Equal(("v2", "v2,v1"), (group["preferredVersion"]!["version"]!.ToString(), string.Join(',', group["versions"]!.AsArray().Select(version => version!["version"]))));
        var wrong = (await server.PostAsync(V2, Item("v1", "c", "{}"))).Expect(400);
        Assert.Equal("the API version in the data (stable.example.com/v1) does not match the expected API version (stable.example.com/v2)", wrong.Message);
    }

    [Fact]
    public async Task A_webhook_converts_what_is_read_written_listed_and_watched()
    {
        await using var webhook = await WebhookServer.StartAsync();
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(TwoVersions(Conversion(webhook)));
        (await server.PostAsync(V1, Item("v1", "a", """{"size":1}"""))).Expect(201);
        (await server.PostAsync(V1, Item("v1", "b", """{"size":2}"""))).Expect(201);
        Assert.Empty(webhook.Requests);
        var read = (await server.GetAsync(V2 + "/a")).Expect(200).Json;
        Assert.Equal(("stable.example.com/v2", """{"length":1}"""), (read["apiVersion"]!.ToString(), read["spec"]!.ToJsonString()));
        // What was converted once is not asked for again.
        Assert.Equal("""{"length":2}""", (await server.GetAsync(V2)).Expect(200).Json["items"]![1]!["spec"]!.ToJsonString());
        Assert.Equal([1, 1], webhook.Requests);

        var created = (await server.PostAsync(V2, Item("v2", "c", """{"length":3}"""))).Expect(201).Json;
        Assert.Equal("""{"length":3}""", created["spec"]!.ToJsonString());
        Assert.Equal("""{"size":3}""", (await server.GetAsync(V1 + "/c")).Json["spec"]!.ToJsonString());
        (await server.PatchAsync(V2 + "/c", """{"spec":{"length":4},"metadata":{"labels":{"l":"4"}}}""")).Expect(200);
        Assert.Equal("""{"size":4}""", (await server.GetAsync(V1 + "/c")).Json["spec"]!.ToJsonString());
        Assert.Equal(["c"], (await server.GetAsync(V2 + "?labelSelector=l%3D4")).Names);
        var watched = await server.WaitAsync(V2 + "?fieldSelector=metadata.name=c", value => value["spec"]!["length"]?.ToString() == "4");
        Assert.Equal("stable.example.com/v2", watched["apiVersion"]!.ToString());
        (await server.DeleteAsync(V2 + "/c")).Expect(200);
        (await server.SendAsync(HttpMethod.Delete, V2)).Expect(200);
        Assert.Empty((await server.GetAsync(V1)).Names);
    }

    [Fact]
    public async Task A_webhook_behind_a_Service_is_found_by_its_endpoints_and_believed_under_its_name()
    {
        await using var webhook = await WebhookServer.StartAsync("hook.default.svc");
        await using var server = await TestServer.StartAsync();
        var conversion = $$$$"""
            {"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"service":{"namespace":"default","name":"hook","path":"/convert","port":443},"caBundle":"{{{{Base64(webhook.AuthorityPem)}}}}"}}}
            """;
        await server.EstablishAsync(TwoVersions(conversion));
        (await server.PostAsync(V1, Item("v1", "a", """{"size":1}"""))).Expect(201);
        Assert.Equal(
            "conversion webhook for stable.example.com/v1, Kind=CronTab failed: Post \"https://hook.default.svc:443/convert?timeout=30s\": service \"hook\" not found",
            (await server.GetAsync(V2 + "/a")).Expect(500).Message);
        (await server.PostAsync("/api/v1/namespaces/default/services", """{"apiVersion":"v1","kind":"Service","metadata":{"name":"hook"},"spec":{"selector":{"a":"b"},"ports":[{"port":443}]}}""")).Expect(201);
        Assert.EndsWith("no endpoints available for service \"hook\"", (await server.GetAsync(V2 + "/a")).Expect(500).Message, StringComparison.Ordinal);
        (await server.PostAsync("/api/v1/namespaces/default/endpoints", $$$"""
            {"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"hook"},"subsets":[{"addresses":[{"ip":"127.0.0.1"}],"ports":[{"port":{{{webhook.Port}}}}]}]}
            """)).Expect(422); // No endpoint may be a loopback address: the machine's own is taken below.
        var stored = Minke.Server.Registry.StoredObject.Encode(new Minke.Api.Core.V1.Endpoints
        {
            Metadata = new() { Name = "hook", Namespace = "default", Uid = "u" },
            Subsets = [new() { Addresses = [new() { Ip = "127.0.0.1" }], Ports = [new() { Port = webhook.Port }] }],
        });
        await server.Store.PutAsync("/endpoints/default/hook", stored, Minke.Store.Revision.None, TestServer.Cancelled);
        Assert.Equal("""{"length":1}""", (await server.GetAsync(V2 + "/a")).Expect(200).Json["spec"]!.ToJsonString());
    }

    public static TheoryData<string, string> Lies => new()
    {
        { """{"response":null}""", "failed: no response provided" },
        { """{"response":{"uid":"other"}}""", "failed: expected response.uid=\"UID\", got \"other\"" },
        { """{"kind":"Other"}""", "failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1, Kind=Other" },
        { """{"response":{"result":{"status":"Failure","message":"cannot"}}}""", "failed: cannot" },
        { """{"response":{"result":{"status":"Odd"}}}""", "failed: response.result.status was 'Odd', not 'Success'" },
        { """{"response":{"convertedObjects":[]}}""", "returned 0 objects, expected 1" },
        { """{"response":{"convertedObjects":[{"apiVersion":"stable.example.com/v3"}]}}""", "returned invalid converted object at index 0: invalid groupVersion (expected stable.example.com/v2, received stable.example.com/v3)" },
        { """{"response":{"convertedObjects":[{"kind":"Other"}]}}""", "returned invalid converted object at index 0: invalid kind (expected CronTab, received Other)" },
        { """{"response":{"convertedObjects":[{"metadata":{"name":"b"}}]}}""", "returned invalid converted object at index 0: must have the same name: a != b" },
        { """{"response":{"convertedObjects":[{"metadata":{"uid":"b"}}]}}""", "returned invalid converted object at index 0: must have the same UID: UID != b" },
        { """{"response":{"convertedObjects":[{"metadata":5}]}}""", "returned invalid metadata in object at index 0: invalid metadata of type int64 in converted object" },
        { """{"response":{"convertedObjects":[{"metadata":{"labels":{"a":5}}}]}}""", "returned invalid metadata in object at index 0: metadata.labels[a] must be a string, but is int64 in converted object" },
        { """{"code":500}""", "failed: an error on the server (\"no\") has prevented the request from succeeding" },
        { """{"code":404}""", "failed: the server could not find the requested resource" },
    };

    [Theory, MemberData(nameof(Lies))]
    public async Task A_webhook_is_not_believed_what_it_may_not_say(string lie, string expected)
    {
        await using var webhook = await WebhookServer.StartAsync();
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(TwoVersions(Conversion(webhook)));
        var uid = (await server.PostAsync(V1, Item("v1", "a", """{"size":1}"""))).Expect(201).Json["metadata"]!["uid"]!.ToString();
        var request = "";
        webhook.Change = answer =>
        {
            request = answer["response"]!["uid"]!.ToString();
            return lie.Contains("code", StringComparison.Ordinal) ? JsonNode.Parse(lie) : Merge(answer, JsonNode.Parse(lie)!);
        };
        var failed = (await server.GetAsync(V2 + "/a")).Expect(500);
        Assert.Equal("conversion webhook for stable.example.com/v1, Kind=CronTab " + expected.Replace("uid=\"UID\"", $"uid=\"{request}\"", StringComparison.Ordinal).Replace("UID:", "UID;", StringComparison.Ordinal).Replace(" UID !=", $" {uid} !=", StringComparison.Ordinal).Replace("UID;", "UID:", StringComparison.Ordinal), failed.Message);
        // The lie is nobody else's trouble, and forgotten once it is mended.
        (await server.GetAsync(V1 + "/a")).Expect(200);
        webhook.Change = static answer => answer;
        (await server.GetAsync(V2 + "/a")).Expect(200);
    }

    [Fact]
    public async Task One_object_that_cannot_be_converted_spoils_its_list_and_nothing_else()
    {
        await using var webhook = await WebhookServer.StartAsync();
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(TwoVersions(Conversion(webhook)));
        foreach (var name in (string[])["a", "b", "c"])
            (await server.PostAsync(V1, Item("v1", name, """{"size":1}"""))).Expect(201);
        webhook.Change = answer =>
        {
            foreach (var item in answer["response"]!["convertedObjects"]!.AsArray().Where(item => item!["metadata"]!["name"]!.ToString() == "b"))
                item!["kind"] = "Other";
            return answer;
        };
        const string Failed = "conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid converted object at index ";
        Assert.Equal(Failed + "1: invalid kind (expected CronTab, received Other)", (await server.GetAsync(V2)).Expect(500).Message);
        Assert.Equal(Failed + "0: invalid kind (expected CronTab, received Other)", (await server.GetAsync(V2 + "/b")).Expect(500).Message);
        Assert.Equal(Failed + "0: invalid kind (expected CronTab, received Other)", (await server.PatchAsync(V2 + "/b", "{}")).Expect(500).Message);
        (await server.GetAsync(V2 + "/c")).Expect(200);
        Assert.Equal(["a", "b", "c"], (await server.GetAsync(V1)).Names);
        (await server.DeleteAsync(V1 + "/b")).Expect(200);
        Assert.Equal(["a", "c"], (await server.GetAsync(V2)).Expect(200).Names);
    }

    [Fact]
    public async Task A_webhook_changes_no_metadata_but_labels_and_annotations()
    {
        await using var webhook = await WebhookServer.StartAsync();
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(TwoVersions(Conversion(webhook)));
        (await server.PostAsync(V1, Item("v1", "a", """{"size":1}"""))).Expect(201);
        webhook.Change = answer => Merge(answer, JsonNode.Parse("""{"response":{"convertedObjects":[{"metadata":{"labels":{"a":"b"},"annotations":{"c":"d"},"generation":99,"finalizers":["x/y"]}}]}}""")!);
        var metadata = (await server.GetAsync(V2 + "/a")).Expect(200).Json["metadata"]!;
        Assert.Equal(("""{"a":"b"}""", """{"c":"d"}""", "1", null), (metadata["labels"]!.ToJsonString(), metadata["annotations"]!.ToJsonString(), metadata["generation"]!.ToString(), metadata["finalizers"]));
    }

    [Fact]
    public async Task A_webhook_that_cannot_be_reached_or_believed_is_told_so()
    {
        await using var webhook = await WebhookServer.StartAsync();
        await using var stranger = await WebhookServer.StartAsync();
        await using var server = await TestServer.StartAsync();
        var conversion = Conversion(webhook).Replace(Base64(webhook.AuthorityPem), Base64(stranger.AuthorityPem), StringComparison.Ordinal);
        await server.EstablishAsync(TwoVersions(conversion));
        (await server.PostAsync(V1, Item("v1", "a", """{"size":1}"""))).Expect(201);
        var failed = await server.GetAsync(V2 + "/a");
        Assert.Equal($"conversion webhook for stable.example.com/v1, Kind=CronTab failed: Post \"{webhook.Url}?timeout=30s\": tls: failed to verify certificate: x509: certificate signed by unknown authority", failed.Expect(500).Message);
        Assert.Equal("", failed.Reason);

        var url = webhook.Url;
        await webhook.DisposeAsync();
        failed = await server.GetAsync(V2);
        Assert.Equal($"conversion webhook for stable.example.com/v1, Kind=CronTab failed: Post \"{url}?timeout=30s\": dial tcp {new Uri(url).Authority}: connect: connection refused", failed.Expect(500).Message);
    }

    [Fact]
    public async Task A_webhook_that_hangs_holds_up_nobody_but_who_asked()
    {
        await using var webhook = await WebhookServer.StartAsync();
        var clock = new Minke.TestSupport.ManualTime(DateTimeOffset.UtcNow);
        await using var server = await TestServer.StartAsync(clock);
        await server.EstablishAsync(TwoVersions(Conversion(webhook)));
        (await server.PostAsync(V1, Item("v1", "a", """{"size":1}"""))).Expect(201);
        var asked = new TaskCompletionSource();
        webhook.Change = _ =>
        {
            asked.SetResult();
            return null;
        };
        var hanging = server.GetAsync(V2 + "/a");
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(60), TestServer.Cancelled);
        (await server.GetAsync(V1 + "/a")).Expect(200);
        (await server.PostAsync(V1, Item("v1", "b", """{"size":1}"""))).Expect(201);
        clock.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(
            $"conversion webhook for stable.example.com/v1, Kind=CronTab failed: Post \"{webhook.Url}?timeout=30s\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            (await hanging).Expect(500).Message);
    }

    internal static string TwoVersions(string conversion) => """
        {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"crontabs.stable.example.com"},
         "spec":{"group":"stable.example.com","scope":"Namespaced","names":{"plural":"crontabs","kind":"CronTab"},"conversion":CONVERSION,
          "versions":[
           {"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"integer"},"both":{"type":"integer"}}}}}}},
           {"name":"v2","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"length":{"type":"integer"},"both":{"type":"integer"}}}}}}}]}}
        """.Replace("CONVERSION", conversion, StringComparison.Ordinal);

    internal static string Conversion(WebhookServer webhook) => $$$$"""
        {"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"url":"{{{{webhook.Url}}}}","caBundle":"{{{{Base64(webhook.AuthorityPem)}}}}"}}}
        """;

    internal static string Item(string version, string name, string spec) =>
        $$"""{"apiVersion":"stable.example.com/{{version}}","kind":"CronTab","metadata":{"name":"{{name}}"},"spec":{{spec}}}""";

    private static string Base64(string text) => Convert.ToBase64String(Encoding.ASCII.GetBytes(text));

    private static JsonNode? Merge(JsonNode? value, JsonNode? patch)
    {
        switch (value, patch)
        {
            case (JsonObject into, JsonObject from):
                foreach (var (name, member) in from)
                    into[name] = Merge(into[name]?.DeepClone(), member);
                return into;
            case (JsonArray into, JsonArray { Count: > 0 } from):
                for (var i = 0; i < from.Count; i++)
                    into[i] = Merge(into[i]?.DeepClone(), from[i]);
                return into;
            default:
                return patch?.DeepClone();
        }
    }
}
