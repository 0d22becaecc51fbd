using System.ComponentModel;
using System.Diagnostics;
using Minke.Bench.Api;

namespace Minke.Bench;

/// <summary>What is measured, in order. Every section takes down what it started, also when it fails or is interrupted.</summary>
internal sealed class Bench(string binary, string image, string outside, Report report, bool isQuick)
{
    private const int Crowd = 100;
    private readonly TimeSpan _idle = TimeSpan.FromSeconds(isQuick ? 20 : 120);
    private readonly TimeSpan _load = TimeSpan.FromSeconds(isQuick ? 3 : 10);
    private readonly int _rounds = isQuick ? 3 : 10;

    /// <summary>From exec of <c>minke up -f</c> in an empty data directory (image loaded) to what an outsider sees.</summary>
    public async Task StartAsync(Task interrupted)
    {
        List<TimeSpan> ready = [], running = [], again = [];
        var manifest = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(manifest, PodRuns.Manifest("first"));
            for (var i = 0; i < _rounds; i++)
            {
                await using var cluster = new Cluster(binary, image);
                await cluster.LoadImageAsync();
                await Until(interrupted, async () =>
                {
                    var began = cluster.Start("-f", manifest);
                    ready.Add(Stopwatch.GetElapsedTime(began, await cluster.WaitReadyAsync()));
                    await using var watch = await PodWatch.OpenAsync(cluster.Http);
                    running.Add(Stopwatch.GetElapsedTime(began, await watch.WhenAsync("first", Sight.Running)));
                });
                await Until(interrupted, async () =>
                {
                    await cluster.StopAsync();
                    again.Add(Stopwatch.GetElapsedTime(cluster.Start(), await cluster.WaitReadyAsync()));
                });
            }
        }
        finally
        {
            File.Delete(manifest);
        }
        report.Row("exec → /readyz ok, first start", new(ready), "300 ms", "`minke up -f`, empty data directory: makes certificates and store");
        report.Row("exec → first pod Running, first start", new(running), "600 ms", "the same start; image present; by a watch");
        report.Row("exec → /readyz ok, later start", new(again), "300 ms", "`minke up` in the directory of the last");
    }

    public async Task PodsAsync(Task interrupted)
    {
        await using var cluster = new Cluster(binary, image);
        await cluster.LoadImageAsync();
        cluster.Start();
        await Until(interrupted, async () =>
        {
            await cluster.WaitReadyAsync();
            await IdleAsync(cluster, "no pods", "100 MB", "0.2 % of a core");
            await using var watch = await PodWatch.OpenAsync(cluster.Http);
            var runs = new PodRuns(cluster.Http, watch);
            await OneByOneAsync(cluster, runs);
            await AtOnceAsync(cluster, runs);
        });
    }

    /// <summary>The API alone: no pod of it runs.</summary>
    public async Task ApiAsync(Task interrupted)
    {
        foreach (var run in (Func<ApiRuns, Task>[])[runs => runs.RequestsAsync(), runs => runs.WatchesAsync(), runs => runs.PodsAsync(), runs => runs.StartAsync()])
        {
            await using var cluster = new Cluster(binary, image);
            cluster.Start();
            await Until(interrupted, async () =>
            {
                await cluster.WaitRunningAsync();
                await run(new ApiRuns(cluster, report, _load, isQuick));
            });
        }
    }

    public async Task OthersAsync(Task interrupted)
    {
        await using var others = new Others(image, report);
        await Until(interrupted, async () =>
        {
            await others.OciRuntimeAsync(isQuick ? 30 : 100);
            await others.PodmanAsync(isQuick ? 10 : 30);
        });
    }

    private async Task OneByOneAsync(Cluster cluster, PodRuns runs)
    {
        StartTrace? trace = null;
        try
        {
            trace = new StartTrace(cluster, PodRuns.Program, outside);
        }
        catch (Win32Exception exception)
        {
            report.Missing("stages of a pod start", exception.Message);
        }
        using (trace)
        {
            await runs.OneByOneAsync("warm", 5, null); // the code is compiled and the pools are full
            var (ready, answered, gone) = await runs.OneByOneAsync("one", Crowd, trace);
            report.Row("pod create → Ready, one at a time", ready, "25 / 60 ms", "request sent to seen by a watch on another connection");
            report.Row("pod create → answered", answered, how: "the same pods: 201 received");
            foreach (var (stage, samples) in trace?.Results ?? [])
                report.Row("↳ " + stage, samples, how: "process connector");
            report.Row("pod delete → gone, one at a time", gone, how: "the program ends at once (StopSignal SIGKILL)");
        }
    }

    private async Task AtOnceAsync(Cluster cluster, PodRuns runs)
    {
        List<TimeSpan> half = [], all = [], gone = [];
        for (var round = 0; round < _rounds; round++)
        {
            string[] names = [.. Enumerable.Range(0, Crowd).Select(i => $"many-{round}-{i}")];
            half.Add(await runs.CreateAllAsync(names[..(Crowd / 2)]));
            await runs.DeleteAllAsync(names[..(Crowd / 2)]);
            names = [.. names.Select(name => name + "-b")];
            all.Add(await runs.CreateAllAsync(names));
            if (round == 0)
                await IdleAsync(cluster, $"{Crowd} pods", "", "");
            gone.Add(await runs.DeleteAllAsync(names));
        }
        report.Row("50 pods at once → all Ready", new(half));
        report.Row("100 pods at once → all Ready", new(all), "2 s", "100 pods by themselves, not a Deployment's");
        report.Row("100 pods deleted → all gone", new(gone));
    }

    private async Task IdleAsync(Cluster cluster, string state, string memoryGoal, string cpuGoal)
    {
        await Task.Delay(TimeSpan.FromSeconds(5)); // whatever the last work left to do
        var before = cluster.Processes();
        var used = before.ToDictionary(process => process.Pid, process => process.Cpu());
        var began = Stopwatch.GetTimestamp();
        await Task.Delay(_idle);
        var seconds = Stopwatch.GetElapsedTime(began);
        var share = before.Sum(process => (process.Cpu() - used[process.Pid]).TotalSeconds) / seconds.TotalSeconds;

        var memory = before.GroupBy(process => process.Name).OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => (group.Key, Count: group.Count(), Megabytes: group.Sum(process => process.PssBytes()) / 1e6)).ToList();
        report.Figure($"idle, {state}: memory (PSS)", Report.Text($"{memory.Sum(group => group.Megabytes):0.0} MB"), memoryGoal,
            string.Join(", ", memory.Select(group => Report.Text($"{group.Count} × {group.Key}: {group.Megabytes:0.0} MB"))) + "; the pods' own programs not counted");
        report.Figure($"idle, {state}: CPU", Report.Text($"{share * 100:0.00} % of a core"), cpuGoal, Report.Text($"the same processes, over {seconds.TotalSeconds:0} s"));
    }

    private static async Task Until(Task interrupted, Func<Task> work)
    {
        var working = work();
        await await Task.WhenAny(working, interrupted);
    }
}
