using System.Text.Json.Nodes;

namespace Minke.Server.Tests;

/// <summary>An open watch, read line by line.</summary>
internal sealed class Watch(HttpResponseMessage response, StreamReader reader) : IAsyncDisposable
{
    public JsonNode Last { get; private set; } = new JsonObject();
    public long LastVersion => long.Parse(Last["metadata"]!["resourceVersion"]!.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture);

    public static async Task<Watch> OpenAsync(TestServer server, string path, string accept = "application/json")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Version = new(2, 0) };
        request.Headers.TryAddWithoutValidation("Accept", accept);
        var response = await server.Admin.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestServer.Cancelled);
        Assert.Equal(200, (int)response.StatusCode);
        return new(response, new StreamReader(await response.Content.ReadAsStreamAsync(TestServer.Cancelled)));
    }

    public async Task<string> NextAsync()
    {
        var line = await reader.ReadLineAsync(TestServer.Cancelled).AsTask().WaitAsync(TimeSpan.FromSeconds(60), TestServer.Cancelled);
        var change = JsonNode.Parse(line!)!;
        Last = change["object"]!;
        return $"{change["type"]} {Last["metadata"]?["name"]}";
    }

    /// <summary>Null at its end.</summary>
    public Task<string?> LineAsync() => reader.ReadLineAsync(TestServer.Cancelled).AsTask().WaitAsync(TimeSpan.FromSeconds(60), TestServer.Cancelled);

    public ValueTask DisposeAsync()
    {
        reader.Dispose();
        response.Dispose();
        return ValueTask.CompletedTask;
    }
}
