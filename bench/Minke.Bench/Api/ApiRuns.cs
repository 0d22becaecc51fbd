using System.Diagnostics;

namespace Minke.Bench.Api;

/// <summary>What is asked of the API server, each part of a cluster of its own.</summary>
internal sealed class ApiRuns(Cluster cluster, Report report, TimeSpan length, bool isQuick)
{
    private const int Clients = 64, Watchers = 100, Updates = 1_000, ListItems = 1_000, Pods = 10_000;
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    private readonly int _manyObjects = isQuick ? 20_000 : 100_000;

    /// <summary>One request after the other, of 64 clients.</summary>
    public async Task RequestsAsync()
    {
        await using var crowd = await Crowd.OpenAsync(cluster, Clients);
        await RateAsync("durable creates of 1 KB", "8 000/s", crowd, (phase, client, number) => Create($"{phase}{client}-{number}"), 201);
        var gets = Enumerable.Range(0, Clients).Select(client => Requests.Get($"{ConfigMaps}/run{client}-0")).ToArray();
        await RateAsync("gets", "20 000/s", crowd, (_, client, _) => gets[client], 200);
        await RateAsync("server-side applies", "", crowd, (phase, client, number) => Apply($"a{client}-{number % 100}", phase + number), null);
        foreach (var (name, accept) in ((string, string)[])[("JSON", Requests.Json), ("protobuf", Requests.Protobuf)])
        {
            var list = Requests.Get($"{ConfigMaps}?limit={ListItems}", accept);
            await RateAsync($"lists of {ListItems}, {name}", "", crowd, (_, _, _) => list, 200);
        }
    }

    /// <summary>100 watchers of one namespace, and one that does not read.</summary>
    public async Task WatchesAsync()
    {
        await using var crowd = await Crowd.OpenAsync(cluster, Clients);
        await using var single = await Crowd.OpenAsync(cluster, 1);
        await crowd.RunAsync(Clients, (client, _) => Create($"w{client}"), 201);
        foreach (var (name, accept) in ((string, string)[])[("JSON", Requests.Json), ("protobuf", Requests.Protobuf + ";stream=watch")])
        {
            await using (var fan = await WatchFan.OpenAsync(cluster, Watchers, ConfigMaps, accept))
            {
                await single.RunAsync(50, (_, _) => Update("w0"), 200);
                await fan.SeenAsync(50 * Watchers);
                fan.Clear();
                await single.RunAsync(Updates, (_, _) => Update("w0"), 200);
                await fan.SeenAsync(Updates * Watchers);
                report.Row($"update → seen by {Watchers} watchers, {name}, one at a time", fan.Delays, "10 ms p99", "update sent to event read, of all watchers");
            }
            await using (var fan = await WatchFan.OpenAsync(cluster, Watchers, ConfigMaps, accept))
                await FanAsync($"watch, {Watchers} watchers, {name}", crowd, fan, "150 000 events/s");
        }

        await using var slow = await RawConnection.OpenAsync(cluster);
        await slow.WatchAsync(Requests.Get(ConfigMaps + "?watch=1"));
        await using (var fan = await WatchFan.OpenAsync(cluster, Watchers, ConfigMaps))
            await FanAsync("the same, beside a watcher that does not read, JSON", crowd, fan, "no slower");
        var sent = 0;
        while (sent < 30_000)
            sent += (await crowd.RunAsync(10_000, (client, _) => Update($"w{client}"), 200)).Count;
        report.Figure("a watcher that did not read is told", await LastWordAsync(slow), "410 Expired", Report.Text($"after {sent} updates of 1 KB"));
    }

    /// <summary>10 000 pods that no scheduler looks at.</summary>
    public async Task PodsAsync()
    {
        await using var crowd = await Crowd.OpenAsync(cluster, Clients);
        const string pods = "/api/v1/namespaces/default/pods";
        // Before, so that connections, compiled code and pools are not counted.
        await crowd.RunAsync(640, (client, number) => Requests.Send("POST", pods, Requests.Pod($"warm{client}-{number}")), 201);
        var before = await SettledAsync();
        var made = await crowd.RunAsync(Pods, (client, number) => Requests.Send("POST", pods, Requests.Pod($"p{client}-{number}")), 201);
        Rate("creates of pods, 64 clients", made, "");
        var after = await SettledAsync();
        report.Figure("memory for each of 10 000 pods", Report.Text($"{(after - before) / 1000.0 / made.Count:0.0} KB"), "20 KB",
            Report.Text($"PSS of minke {before / 1e6:0} → {after / 1e6:0} MB, after ten quiet seconds each"));

        foreach (var (name, accept) in ((string, string)[])[("JSON", Requests.Json), ("protobuf", Requests.Protobuf)])
        {
            await using var client = await Crowd.OpenAsync(cluster, 1);
            var resident = cluster.Server.ResidentBytes();
            cluster.Server.ForgetPeak();
            var list = await client.RunAsync(1, (_, _) => Requests.Get(pods, accept), 200);
            report.Figure($"a list of {made.Count} pods, {name}: memory grows by", Report.Text($"{Math.Max(0, cluster.Server.PeakBytes() - resident) / 1e6:0.0} MB"),
                Report.Text($"{list.Bytes / 1e6:0.0} MB"), Report.Text($"the goal is the size of the answer; it took {list.Elapsed.TotalMilliseconds:0} ms"));
        }
    }

    public async Task StartAsync()
    {
        await using (var crowd = await Crowd.OpenAsync(cluster, Clients))
            await crowd.RunAsync(_manyObjects, (client, number) => Create($"c{client}-{number}"), 201);
        List<TimeSpan> ready = [];
        for (var round = 0; round < 3; round++)
        {
            await cluster.StopAsync();
            ready.Add(Stopwatch.GetElapsedTime(cluster.Start(), await cluster.WaitReadyAsync()));
        }
        report.Row($"exec → /readyz ok with {_manyObjects} objects", new(ready), "", "ConfigMaps of 1 KB");
    }

    private async Task FanAsync(string what, Crowd crowd, WatchFan fan, string goal)
    {
        var (began, cpu) = (Stopwatch.GetTimestamp(), cluster.Server.Cpu());
        var sent = await crowd.RunAsync(Updates * 4, (client, _) => Update($"w{client}"), 200);
        var expected = (long)sent.Count * Watchers;
        await fan.SeenAsync(expected);
        var elapsed = Stopwatch.GetElapsedTime(began);
        report.Figure(what, Report.Text($"{expected / elapsed.TotalSeconds:0} events/s"), goal,
            Report.Text($"{sent.Count} updates by 64 clients; delay p50 {fan.Delays.Median:0.0} ms, p99 {fan.Delays.Quantile(0.99):0.0} ms, the update's own time in it; {(cluster.Server.Cpu() - cpu).TotalMicroseconds / expected:0.0} µs of CPU an event in Minke"));
    }

    /// <summary>PSS of Minke once it has been quiet for long enough to give back what it does not need.</summary>
    private async Task<long> SettledAsync()
    {
        await Task.Delay(TimeSpan.FromSeconds(10));
        return cluster.Server.PssBytes();
    }

    /// <summary>What the last frame of a watch says.</summary>
    private static async Task<string> LastWordAsync(RawConnection watch)
    {
        var text = "";
        while (await watch.ReadAsync() is { Length: > 0 } read)
        {
            text += System.Text.Encoding.UTF8.GetString(read.Span);
            if (text.IndexOf("\"type\":\"ERROR\"", StringComparison.Ordinal) is var at and >= 0 && text.IndexOf("\"code\":410", at, StringComparison.Ordinal) >= 0)
                return "410 Expired";
            text = text[^Math.Min(text.Length, 2_000)..];
        }
        return "nothing";
    }

    /// <summary>Once for the code to be compiled for good, then once for the figure.</summary>
    private async Task RateAsync(string what, string goal, Crowd crowd, Func<string, int, int, ReadOnlyMemory<byte>> request, int? expected)
    {
        await crowd.RunAsync(length / 2, (client, number) => request("warm", client, number), expected);
        Rate($"{what}, {Clients} clients", await crowd.RunAsync(length, (client, number) => request("run", client, number), expected), goal);
    }

    private void Rate(string what, CrowdResult result, string goal) =>
        report.Figure(what, Report.Text($"{result.PerSecond:0}/s"), goal, result.Shares);

    private static byte[] Create(string name) => Requests.Send("POST", ConfigMaps, Requests.ConfigMap(name));

    private static byte[] Update(string name) => Requests.Send("PUT", $"{ConfigMaps}/{name}", Requests.ConfigMap(name, WatchFan.Stamp()));

    private static byte[] Apply(string name, string number) => Requests.Send(
        "PATCH", $"{ConfigMaps}/{name}?fieldManager=bench&force=true", Requests.ConfigMap(name, $"\"number\":\"{number}\","), "application/apply-patch+yaml");
}
