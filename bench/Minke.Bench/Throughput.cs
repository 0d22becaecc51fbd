using System.Diagnostics;
using System.Net;
using System.Text;

namespace Minke.Bench;

/// <summary>
/// Requests a second of many clients at once. The clients share the machine with the server, so this says what both do together:
/// a lower bound of what the server can.
/// </summary>
internal static class Throughput
{
    public const int Clients = 64;
    private const string Path = "/api/v1/namespaces/default/configmaps";

    /// <summary>Small ConfigMaps, each on disk before its answer.</summary>
    public static Task<double> CreatesAsync(HttpClient http, TimeSpan length) => RunAsync(length, async (client, number) =>
    {
        using var content = new StringContent(
            $$$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c{{{client}}}-{{{number}}}"},"data":{"key":"value"}}""", Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(Path, content);
        Expect(answer, HttpStatusCode.Created);
    });

    public static Task<double> ReadsAsync(HttpClient http, TimeSpan length) => RunAsync(length, async (client, _) =>
    {
        using var answer = await http.GetAsync($"{Path}/c{client}-0");
        Expect(answer, HttpStatusCode.OK);
    });

    private static async Task<double> RunAsync(TimeSpan length, Func<int, int, Task> request)
    {
        var began = Stopwatch.GetTimestamp();
        var counts = await Task.WhenAll(Enumerable.Range(0, Clients).Select(async client =>
        {
            var count = 0;
            while (Stopwatch.GetElapsedTime(began) < length)
                await request(client, count++);
            return count;
        }));
        return counts.Sum() / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private static void Expect(HttpResponseMessage answer, HttpStatusCode status)
    {
        if (answer.StatusCode != status)
            throw new InvalidOperationException($"answered {(int)answer.StatusCode} instead of {(int)status}");
    }
}
