using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Control.Lifecycle.Ownership;
using Minke.Server.Tests.CustomResources;

namespace Minke.Server.Tests.Admission;

/// <summary>
/// An operator as people write them, over HTTP alone: its kind has two versions that its own server converts, a default and a rule that its
/// webhooks know, a status, a finalizer, and ConfigMaps that it keeps.
/// </summary>
public sealed class OperatorTests : HookTest
{
    private const string V1 = "/apis/web.example.com/v1/namespaces/default/sites";
    private const string V2 = "/apis/web.example.com/v2/namespaces/default/sites";

    private const string Definition = """
        {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"sites.web.example.com"},
         "spec":{"group":"web.example.com","scope":"Namespaced","names":{"plural":"sites","kind":"Site"},
          "conversion":{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"url":"ADDRESS/convert","caBundle":"BUNDLE"}}},
          "versions":[
           {"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","properties":{
             "spec":{"type":"object","properties":{"theme":{"type":"string"},"pages":{"type":"integer"}}},
             "status":{"type":"object","properties":{"ready":{"type":"boolean"},"observedGeneration":{"type":"integer"}}}}}}},
           {"name":"v2","served":true,"storage":false,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","properties":{
             "spec":{"type":"object","properties":{"style":{"type":"string"},"pages":{"type":"integer"}}},
             "status":{"type":"object","properties":{"ready":{"type":"boolean"},"observedGeneration":{"type":"integer"}}}}}}}]}}
        """;

    private protected override ApiServerOptions Change(ApiServerOptions options) => options with { HasGarbageCollector = true };

    [Fact]
    public async Task An_operator_with_a_definition_conversion_and_admission_webhooks_works_end_to_end()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancelled);
        var collecting = new GarbageCollector(
            Server.Server.Client.As("generic-garbage-collector"), Server.Server.Kinds, TimeProvider.System, NullLoggerFactory.Instance).RunAsync(stop.Token);
        await InstallAsync();
        using var http = Server.ClientOf(Server.Pki.IssueClient("site-operator", [], TimeSpan.FromHours(1)));
        var @operator = new SiteOperator(http);
        var operating = @operator.RunAsync(stop.Token);

        // The hook that fills in a theme knows v1 alone; who writes v2 gets it in v2's words.
        var made = (await Server.PostAsync(V2, Site("v2", """{"pages":3}"""))).Expect(201).Json;
        Assert.Equal("""{"pages":3,"style":"plain"}""", made["spec"]!.ToJsonString());
        var ready = await Server.UntilAsync(V2 + "/shop", site => site["status"]?["observedGeneration"]?.GetValue<int>() == 1);
        Assert.True(ready["status"]!["ready"]!.GetValue<bool>());
        Assert.Equal(SiteOperator.Finalizer, ready["metadata"]!["finalizers"]![0]!.ToString());
        var map = (await Server.GetAsync(ConfigMaps + "/site-shop")).Expect(200).Json;
        Assert.Equal("plain", map["data"]!["theme"]!.ToString());
        Assert.Equal((made["metadata"]!["uid"]!.ToString(), "Site"), (map["metadata"]!["ownerReferences"]![0]!["uid"]!.ToString(), map["metadata"]!["ownerReferences"]![0]!["kind"]!.ToString()));

        // A change in either version reaches what the operator keeps.
        (await Server.PatchAsync(V2 + "/shop", """{"spec":{"style":"dark"}}""")).Expect(200);
        await Server.UntilAsync(ConfigMaps + "/site-shop", value => value["data"]!["theme"]!.ToString() == "dark");
        await Server.UntilAsync(V1 + "/shop", site => site["status"]?["observedGeneration"]?.GetValue<int>() == 2);
        Assert.Equal("""{"pages":3,"theme":"dark"}""", (await Server.GetAsync(V1 + "/shop")).Expect(200).Json["spec"]!.ToJsonString());

        // What the rule refuses is refused in both versions, however it is written.
        const string Refusal = "admission webhook \"validate.sites.web.example.com\" denied the request: spec.pages: no site has more than 10";
        foreach (var (path, version) in ((string, string)[])[(V1, "v1"), (V2, "v2")])
        {
            var refused = (await Server.PatchAsync(path + "/shop", """{"spec":{"pages":11}}""")).Expect(403);
            Assert.Equal((Refusal, "Forbidden"), (refused.Message, refused.Reason));
            Assert.Equal(Refusal, (await Server.PostAsync(path, Site(version, """{"pages":99}""", "big"))).Expect(403).Message);
        }
        Assert.Equal(["shop"], (await Server.GetAsync(V1)).Names);

        // It goes when the operator lets it, and what it owned goes with it.
        var going = (await Server.DeleteAsync(V2 + "/shop")).Expect(200).Json;
        Assert.NotNull(going["metadata"]!["deletionTimestamp"]);
        await Server.WaitUntilGoneAsync(V1 + "?fieldSelector=metadata.name=shop");
        await Server.WaitUntilGoneAsync(ConfigMaps + "?fieldSelector=metadata.name=site-shop");
        Assert.Equal(["shop"], @operator.Cleaned);

        await stop.CancelAsync();
        await operating;
        await collecting;
    }

    private async Task InstallAsync()
    {
        Hooks.On("/convert", Convert);
        Hooks.On("/mutate", review => review["request"]!["object"]!["spec"]!["theme"] is null
            ? HookServer.Patch(review, """[{"op":"add","path":"/spec/theme","value":"plain"}]""") : HookServer.Allow(review));
        Hooks.On("/validate", review => review["request"]!["object"]!["spec"]!["pages"]!.GetValue<int>() > 10
            ? HookServer.Deny(review, """{"message":"spec.pages: no site has more than 10","reason":"Forbidden","code":403}""") : HookServer.Allow(review));
        await Server.EstablishAsync(Definition.Replace("ADDRESS", Hooks.Address, StringComparison.Ordinal).Replace("BUNDLE", Hooks.Bundle, StringComparison.Ordinal));
        var sites = HookServer.Rule("CREATE,UPDATE", "web.example.com", "sites");
        await MutatingAsync("sites", Hooks.Hook("default.sites.web.example.com", "/mutate", sites));
        await ValidatingAsync("sites", Hooks.Hook("validate.sites.web.example.com", "/validate", sites));
        (await Server.PostAsync("/apis/rbac.authorization.k8s.io/v1/clusterroles", """
            {"metadata":{"name":"site-operator"},"rules":[
             {"apiGroups":["web.example.com"],"resources":["sites","sites/status"],"verbs":["get","list","watch","update"]},
             {"apiGroups":[""],"resources":["configmaps"],"verbs":["get","create","update"]}]}
            """)).Expect(201);
        (await Server.PostAsync("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", """
            {"metadata":{"name":"site-operator"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"site-operator"},
             "subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"site-operator"}]}
            """)).Expect(201);
    }

    /// <summary>v1 says theme, v2 style.</summary>
    private static JsonObject Convert(JsonNode review)
    {
        var request = review["request"]!;
        var desired = request["desiredAPIVersion"]!.ToString();
        var (from, to) = desired.EndsWith("v2", StringComparison.Ordinal) ? ("theme", "style") : ("style", "theme");
        var converted = new JsonArray();
        foreach (var item in request["objects"]!.AsArray())
        {
            var value = item!.DeepClone().AsObject();
            value["apiVersion"] = desired;
            if (value["spec"]!.AsObject().Remove(from, out var name))
                value["spec"]![to] = name;
            converted.Add(value);
        }
        return new JsonObject
        {
            ["apiVersion"] = review["apiVersion"]!.DeepClone(),
            ["kind"] = "ConversionReview",
            ["response"] = new JsonObject { ["uid"] = request["uid"]!.DeepClone(), ["result"] = new JsonObject { ["status"] = "Success" }, ["convertedObjects"] = converted },
        };
    }

    private static string Site(string version, string spec, string name = "shop") =>
        $$"""{"apiVersion":"web.example.com/{{version}}","kind":"Site","metadata":{"name":"{{name}}"},"spec":{{spec}}}""";

    /// <summary>Lists, watches, and brings each Site one step closer to what it asks for.</summary>
    private sealed class SiteOperator(HttpClient http)
    {
        public const string Finalizer = "web.example.com/site";

        public List<string> Cleaned { get; } = [];

        public async Task RunAsync(CancellationToken cancellationToken)
        {
            try
            {
                while (true)
                {
                    var (_, list) = await SendAsync(HttpMethod.Get, V1, null, cancellationToken);
                    foreach (var site in list!["items"]!.AsArray())
                        await ReconcileAsync(site!, cancellationToken);
                    await FollowAsync(list["metadata"]!["resourceVersion"]!.ToString(), cancellationToken);
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // The test is over.
            }
        }

        private async Task FollowAsync(string version, CancellationToken cancellationToken)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"{V1}?watch=1&resourceVersion={version}") { Version = new(2, 0) };
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
            while (await reader.ReadLineAsync(cancellationToken) is { } line)
            {
                var change = JsonNode.Parse(line)!;
                if (change["type"]!.ToString() is "ADDED" or "MODIFIED")
                    await ReconcileAsync(change["object"]!, cancellationToken);
            }
        }

        private async Task ReconcileAsync(JsonNode site, CancellationToken cancellationToken)
        {
            var metadata = site["metadata"]!;
            var name = metadata["name"]!.ToString();
            var isHeld = metadata["finalizers"]?.AsArray().Any(one => one!.ToString() == Finalizer) == true;
            if (metadata["deletionTimestamp"] is not null)
            {
                if (!isHeld)
                    return;
                metadata.AsObject().Remove("finalizers");
                if ((await SendAsync(HttpMethod.Put, $"{V1}/{name}", site, cancellationToken)).Code == 200)
                    Cleaned.Add(name);
                return;
            }
            if (!isHeld)
            {
                // The watch brings what comes of it.
                metadata["finalizers"] = new JsonArray(Finalizer);
                await SendAsync(HttpMethod.Put, $"{V1}/{name}", site, cancellationToken);
                return;
            }
            await KeepAsync(site, name, cancellationToken);
            var generation = metadata["generation"]!.GetValue<int>();
            if (site["status"]?["observedGeneration"]?.GetValue<int>() == generation)
                return;
            site["status"] = new JsonObject { ["ready"] = true, ["observedGeneration"] = generation };
            await SendAsync(HttpMethod.Put, $"{V1}/{name}/status", site, cancellationToken);
        }

        private async Task KeepAsync(JsonNode site, string name, CancellationToken cancellationToken)
        {
            var theme = site["spec"]!["theme"]!.ToString();
            var (code, map) = await SendAsync(HttpMethod.Get, $"{ConfigMaps}/site-{name}", null, cancellationToken);
            if (code == 404)
            {
                await SendAsync(HttpMethod.Post, ConfigMaps, new JsonObject
                {
                    ["metadata"] = new JsonObject
                    {
                        ["name"] = "site-" + name,
                        ["ownerReferences"] = new JsonArray(new JsonObject
                        {
                            ["apiVersion"] = "web.example.com/v1",
                            ["kind"] = "Site",
                            ["name"] = name,
                            ["uid"] = site["metadata"]!["uid"]!.ToString(),
                            ["controller"] = true,
                        }),
                    },
                    ["data"] = new JsonObject { ["theme"] = theme },
                }, cancellationToken);
            }
            else if (map!["data"]!["theme"]!.ToString() != theme)
            {
                map["data"]!["theme"] = theme;
                await SendAsync(HttpMethod.Put, $"{ConfigMaps}/site-{name}", map, cancellationToken);
            }
        }

        private async Task<(int Code, JsonNode? Value)> SendAsync(HttpMethod method, string path, JsonNode? body, CancellationToken cancellationToken)
        {
            using var request = new HttpRequestMessage(method, path) { Version = new(2, 0) };
            if (body is not null)
                request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
            using var response = await http.SendAsync(request, cancellationToken);
            return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellationToken)));
        }
    }
}
