using System.Text.Json.Nodes;

namespace Minke.Server.Tests.CustomResources;

/// <summary>Definitions to test with, and how to have them served.</summary>
internal static class Definitions
{
    public const string Path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

    /// <summary>Namespaced <c>crontabs.stable.example.com</c>, one version, with this schema of the spec (JSON) and what else a version may say.</summary>
    public static string CronTab(string spec = """{"type":"object","x-kubernetes-preserve-unknown-fields":true}""", string status = """{"type":"object","x-kubernetes-preserve-unknown-fields":true}""", string more = "") => $$$"""
        {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"crontabs.stable.example.com"},
         "spec":{"group":"stable.example.com","scope":"Namespaced","names":{"plural":"crontabs","singular":"crontab","kind":"CronTab","shortNames":["ct"],"categories":["all"]},
          "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{{{spec}}},"status":{{{status}}} } } }{{{more}}} }]}}
        """;

    public const string Items = "/apis/stable.example.com/v1/namespaces/default/crontabs";

    public static string Item(string name, string spec = "{}", string more = "") =>
        $$"""{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"{{name}}"},"spec":{{spec}}{{more}}}""";

    /// <summary>Creates a definition and waits until it says Established.</summary>
    public static async Task EstablishAsync(this TestServer server, string definition)
    {
        var created = (await server.PostAsync(Path, definition)).Expect(201);
        await server.WaitAsync($"{Path}?fieldSelector=metadata.name={created.Json["metadata"]!["name"]}", value => Condition(value, "Established")?["status"]?.ToString() == "True");
    }

    public static JsonNode? Condition(JsonNode value, string type) =>
        value["status"]?["conditions"]?.AsArray().FirstOrDefault(condition => condition!["type"]!.ToString() == type);

    /// <summary>Watches until an object is as wanted; it is given back.</summary>
    public static async Task<JsonNode> WaitAsync(this TestServer server, string path, Func<JsonNode, bool> isWanted)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancelled);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        // A definition that changes ends the watches of its kind; whoever watches begins anew.
        while (true)
        {
            await foreach (var (type, value) in server.WatchAsync(path, deadline.Token))
            {
                if (type != "DELETED" && isWanted(value))
                    return value;
            }
        }
    }

    public static async Task WaitUntilGoneAsync(this TestServer server, string path)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancelled);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        var list = (await server.GetAsync(path)).Expect(200);
        if (list.Names.Length == 0)
            return;
        await foreach (var (type, _) in server.WatchAsync($"{path}{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}resourceVersion={list.Version}", deadline.Token))
        {
            if (type == "DELETED")
                return;
        }
    }

    /// <summary>Events of a watch until it ends.</summary>
    public static async IAsyncEnumerable<(string Type, JsonNode Object)> WatchAsync(
        this TestServer server, string path, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{path}{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}watch=1") { Version = new(2, 0) };
        using var response = await server.Admin.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            var frame = JsonNode.Parse(line)!;
            yield return (frame["type"]!.ToString(), frame["object"]!);
        }
    }
}
