using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Minke.Bench;

/// <summary>Pods created and deleted over the API, timed by a watch on another connection.</summary>
internal sealed class PodRuns(HttpClient http, PodWatch watch)
{
    /// <summary>What a pod's process is called; it sleeps longer than any run takes.</summary>
    public const string Program = "sleep 86399";

    private const string Path = "/api/v1/namespaces/default/pods";
    private const string Image = "localhost/hello:1";

    /// <summary>The manifest used wherever a pod is started, by us or by others.</summary>
    public static string Manifest(string name) =>
        $$$"""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"{{{name}}}"},"spec":{"containers":[{"name":"main","image":"{{{Image}}}","imagePullPolicy":"Never","command":["sleep","86399"]}]}}""";

    /// <summary>Starts pods one after the other; each is deleted before the next.</summary>
    public async Task<(Samples Ready, Samples Answered, Samples Gone)> OneByOneAsync(string prefix, int count, StartTrace? trace)
    {
        List<TimeSpan> ready = [], answered = [], gone = [];
        for (var i = 0; i < count; i++)
        {
            var name = $"{prefix}-{i}";
            trace?.Begin();
            var sent = Stopwatch.GetTimestamp();
            await CreateAsync(name);
            answered.Add(Stopwatch.GetElapsedTime(sent));
            var isReady = await watch.WhenAsync(name, Sight.Ready);
            ready.Add(Stopwatch.GetElapsedTime(sent, isReady));
            if (trace is not null)
                await trace.EndAsync(sent, await watch.WhenAsync(name, Sight.Scheduled), isReady);

            var began = Stopwatch.GetTimestamp();
            await DeleteAsync(name);
            gone.Add(Stopwatch.GetElapsedTime(began, await watch.WhenAsync(name, Sight.Deleted)));
        }
        return (new(ready), new(answered), new(gone));
    }

    /// <summary>Asks for many pods at once.</summary>
    /// <returns>From the first request to the last pod Ready.</returns>
    public async Task<TimeSpan> CreateAllAsync(IReadOnlyList<string> names)
    {
        var began = Stopwatch.GetTimestamp();
        await Task.WhenAll(names.Select(CreateAsync));
        var ready = await Task.WhenAll(names.Select(name => watch.WhenAsync(name, Sight.Ready)));
        return Stopwatch.GetElapsedTime(began, ready.Max());
    }

    /// <returns>From the first request to the last pod gone from the API.</returns>
    public async Task<TimeSpan> DeleteAllAsync(IReadOnlyList<string> names)
    {
        var began = Stopwatch.GetTimestamp();
        await Task.WhenAll(names.Select(DeleteAsync));
        var gone = await Task.WhenAll(names.Select(name => watch.WhenAsync(name, Sight.Deleted)));
        return Stopwatch.GetElapsedTime(began, gone.Max());
    }

    private async Task CreateAsync(string name)
    {
        using var content = new StringContent(Manifest(name), Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(Path, content);
        await CheckAsync(answer, HttpStatusCode.Created, "create pod " + name);
    }

    private async Task DeleteAsync(string name)
    {
        using var answer = await http.DeleteAsync($"{Path}/{name}");
        await CheckAsync(answer, HttpStatusCode.OK, "delete pod " + name);
    }

    private static async Task CheckAsync(HttpResponseMessage answer, HttpStatusCode wanted, string what)
    {
        var body = await answer.Content.ReadAsStringAsync();
        if (answer.StatusCode != wanted)
            throw new InvalidOperationException($"{what}: {(int)answer.StatusCode} {JsonNode.Parse(body)?["message"]}");
    }
}
