using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Minke.Server.Tests.CustomResources;

/// <summary>A conversion webhook with a certificate of its own: turns <c>spec.size</c> of v1 into <c>spec.length</c> of v2 and back, or does what a test tells it.</summary>
internal sealed class WebhookServer : IAsyncDisposable
{
    private readonly WebApplication _application;

    private WebhookServer(WebApplication application, string authorityPem) => (_application, AuthorityPem) = (application, authorityPem);

    public string AuthorityPem { get; }
    public string Url => _application.Urls.Single().Replace("[::1]", "localhost", StringComparison.Ordinal) + "/convert";
    public int Port => new Uri(_application.Urls.Single()).Port;

    /// <summary>What becomes of an answer before it is sent; null sends nothing until the client leaves.</summary>
    public Func<JsonObject, JsonNode?> Change { get; set; } = static answer => answer;

    /// <summary>How many objects each request held.</summary>
    public List<int> Requests { get; } = [];

    public static async Task<WebhookServer> StartAsync(params string[] names)
    {
        var (certificate, authorityPem) = TlsIdentity.Create(names);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        var application = builder.Build();
        var server = new WebhookServer(application, authorityPem);
        application.Run(server.AnswerAsync);
        await application.StartAsync(TestServer.Cancelled);
        return server;
    }

    /// <summary>An answer as it should be.</summary>
    public static JsonObject Convert(JsonNode review)
    {
        var request = review["request"]!;
        var desired = request["desiredAPIVersion"]!.ToString();
        var converted = new JsonArray();
        foreach (var item in request["objects"]!.AsArray())
        {
            var value = item!.DeepClone().AsObject();
            value["apiVersion"] = desired;
            var (old, @new) = desired.EndsWith("v2", StringComparison.Ordinal) ? ("size", "length") : ("length", "size");
            var spec = value["spec"]!.AsObject();
            if (spec.Remove(old, out var moved))
                spec[@new] = moved;
            converted.Add(value);
        }
        return new JsonObject
        {
            ["apiVersion"] = review["apiVersion"]!.DeepClone(),
            ["kind"] = "ConversionReview",
            ["response"] = new JsonObject { ["uid"] = request["uid"]!.DeepClone(), ["result"] = new JsonObject { ["status"] = "Success" }, ["convertedObjects"] = converted },
        };
    }

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    private async Task AnswerAsync(HttpContext http)
    {
        var review = (await JsonNode.ParseAsync(http.Request.Body, cancellationToken: http.RequestAborted))!;
        lock (Requests)
            Requests.Add(review["request"]!["objects"]!.AsArray().Count);
        if (Change(Convert(review)) is not { } answer)
        {
            await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return;
        }
        http.Response.ContentType = "application/json";
        if (answer is JsonObject { Count: 1 } failure && failure["code"] is { } code)
        {
            http.Response.StatusCode = code.GetValue<int>();
            await http.Response.WriteAsync("no", http.RequestAborted);
            return;
        }
        await http.Response.WriteAsync(answer.ToJsonString(), http.RequestAborted);
    }
}
