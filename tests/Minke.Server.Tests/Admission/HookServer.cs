using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Minke.Server.Tests.Admission;

/// <summary>A server of webhooks over TLS, one a path; each answers as its test says.</summary>
internal sealed class HookServer : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly Dictionary<string, Func<JsonNode, Task<object?>>> _hooks = new(StringComparer.Ordinal);
    private readonly List<(string Path, JsonNode Review)> _reviews = [];

    private HookServer(WebApplication application, string authorityPem) => (_application, AuthorityPem) = (application, authorityPem);

    public string AuthorityPem { get; }
    public string Address => _application.Urls.Single();
    public int Port => new Uri(Address).Port;

    /// <summary>Everything that was asked.</summary>
    public List<(string Path, JsonNode Review)> Reviews
    {
        get
        {
            lock (_reviews)
                return [.. _reviews];
        }
    }

    /// <summary>The request of the last review, once every one that is under way has been heard.</summary>
    public JsonNode Last => Reviews[^1].Review["request"]!;

    public static async Task<HookServer> StartAsync(params string[] names)
    {
        var (certificate, authorityPem) = TlsIdentity.Create(names);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        var application = builder.Build();
        var server = new HookServer(application, authorityPem);
        application.Run(server.AnswerAsync);
        await application.StartAsync(TestServer.Cancelled);
        return server;
    }

    /// <param name="answer">From a review to the answer: JSON, text to be sent as it is, a status code, or null for silence until the client leaves.</param>
    public void On(string path, Func<JsonNode, object?> answer) => _hooks[path] = review => Task.FromResult(answer(review));

    public void OnAsync(string path, Func<JsonNode, Task<object?>> answer) => _hooks[path] = answer;

    public static JsonObject Allow(JsonNode review, params string[] warnings) => Answer(review, new JsonObject
    {
        ["allowed"] = true,
        ["warnings"] = new JsonArray([.. warnings.Select(text => JsonValue.Create(text))]),
    });

    public static JsonObject Deny(JsonNode review, string? status = null)
    {
        var response = new JsonObject { ["allowed"] = false };
        if (status is not null)
            response["status"] = JsonNode.Parse(status);
        return Answer(review, response);
    }

    /// <summary>Allowed, with a JSON patch.</summary>
    public static JsonObject Patch(JsonNode review, string operations) => Answer(review, new JsonObject
    {
        ["allowed"] = true,
        ["patchType"] = "JSONPatch",
        ["patch"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(operations)),
    });

    /// <summary>A label on whatever comes.</summary>
    public static JsonObject Label(JsonNode review, string name, string value) => Patch(review, review["request"]!["object"]!["metadata"]!["labels"] is null
        ? $$$"""[{"op":"add","path":"/metadata/labels","value":{"{{{name}}}":"{{{value}}}"}}]"""
        : $$"""[{"op":"add","path":"/metadata/labels/{{name}}","value":"{{value}}"}]""");

    public static JsonObject Answer(JsonNode review, JsonObject response)
    {
        response["uid"] = review["request"]!["uid"]!.DeepClone();
        return new JsonObject { ["apiVersion"] = review["apiVersion"]!.DeepClone(), ["kind"] = "AdmissionReview", ["response"] = response };
    }

    /// <summary>A webhook of a configuration, reached by URL.</summary>
    /// <param name="more">Further members, JSON without braces.</param>
    public string Hook(string name, string path, string rules, string more = "")
    {
        var sideEffects = more.Contains("sideEffects", StringComparison.Ordinal) ? "" : "\"sideEffects\":\"None\",";
        return $$$"""
            {"name":"{{{name}}}","clientConfig":{"url":"{{{Address}}}{{{path}}}","caBundle":"{{{Bundle}}}"},"admissionReviewVersions":["v1"],{{{sideEffects}}}
             "rules":[{{{rules}}}]{{{(more.Length == 0 ? "" : "," + more)}}} }
            """;
    }

    public string Bundle => Convert.ToBase64String(Encoding.ASCII.GetBytes(AuthorityPem));

    public static string Rule(string operations, string group, string resources, string version = "v1", string scope = "*") =>
        $$"""{"operations":["{{operations.Replace(",", "\",\"", StringComparison.Ordinal)}}"],"apiGroups":["{{group}}"],"apiVersions":["{{version}}"],"resources":["{{resources.Replace(",", "\",\"", StringComparison.Ordinal)}}"],"scope":"{{scope}}"}""";

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    private async Task AnswerAsync(HttpContext http)
    {
        var review = (await JsonNode.ParseAsync(http.Request.Body, cancellationToken: http.RequestAborted))!;
        var path = http.Request.Path.Value!;
        lock (_reviews)
            _reviews.Add((path, review));
        switch (await _hooks[path](review))
        {
            case null:
                await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                break;
            case int code:
                http.Response.StatusCode = code;
                await http.Response.WriteAsync("no", http.RequestAborted);
                break;
            case string text:
                await http.Response.WriteAsync(text, http.RequestAborted);
                break;
            case JsonNode answer:
                http.Response.ContentType = "application/json";
                await http.Response.WriteAsync(answer.ToJsonString(), http.RequestAborted);
                break;
        }
    }
}
