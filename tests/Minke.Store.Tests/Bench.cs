using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Store.Log;

namespace Minke.Store.Tests;

/// <summary>
/// Durable puts a second with many writers, watch fan-out, and the start with many entries:
/// <c>Minke.Store.Tests bench [DIRECTORY]</c>. The directory should be on the disk to be measured.
/// </summary>
internal static class Bench
{
    private const int Writers = 64, ValueBytes = 1024, Entries = 100_000, Watches = 100;
    private static readonly TimeSpan Length = TimeSpan.FromSeconds(5);

    public static async Task<int> RunAsync(string[] args)
    {
        var directory = Path.Combine(args is [var parent] ? parent : Path.GetTempPath(), $"minke-store-bench-{Environment.ProcessId}");
        try
        {
            Say($"{Environment.ProcessorCount} processors, load {File.ReadAllText("/proc/loadavg").Trim()}, fsync {MeasureFsync(directory):0.00} ms (median of 4 KB)");
            await PutAsync("creates", directory, update: false);
            await PutAsync("updates of 10 000 keys", directory, update: true);
            await PutAsync("creates, no disk", null, update: false);
            await WatchAsync();
            await StartAsync(directory);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
        return 0;
    }

    private static async Task PutAsync(string what, string? directory, bool update)
    {
        await using var store = await OpenAsync(directory is null ? null : Path.Combine(directory, update ? "updates" : "creates"));
        var value = new byte[ValueBytes];
        Random.Shared.NextBytes(value);
        var stop = false;
        var delays = new List<double>[Writers];
        var clock = Stopwatch.StartNew();
        var writers = Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            var mine = delays[writer] = [];
            var revisions = new Revision[10_000 / Writers];
            for (var i = 0; !Volatile.Read(ref stop); i++)
            {
                var began = clock.Elapsed.TotalMilliseconds;
                var slot = i % revisions.Length;
                var key = update ? $"/pods/ns-{writer}/web-{slot:00000}" : $"/pods/ns-{writer}/web-{i:00000000}";
                var result = await store.PutAsync(key, value, update ? revisions[slot] : Revision.None, default);
                if (result.Outcome != WriteOutcome.Committed)
                    throw new UnreachableException();
                revisions[slot] = result.Revision;
                mine.Add(clock.Elapsed.TotalMilliseconds - began);
            }
        })).ToArray();
        await Task.Delay(Length);
        Volatile.Write(ref stop, true);
        await Task.WhenAll(writers);
        var elapsed = clock.Elapsed.TotalSeconds;
        var all = delays.SelectMany(delay => delay).Order().ToArray();
        Say($"{what}: {all.Length / elapsed:0} puts/s of 1 KB, {Writers} writers; p50 {all[all.Length / 2]:0.0} ms, p99 {all[all.Length * 99 / 100]:0.0} ms, max {all[^1]:0.0} ms");
    }

    private static async Task WatchAsync()
    {
        await using var store = await OpenAsync(null);
        const int changes = 20_000;
        var clock = Stopwatch.StartNew();
        var watches = Enumerable.Range(0, Watches).Select(_ => Task.Run(async () =>
        {
            using var watch = store.Watch("/pods/", new Revision(1))!;
            for (var seen = 0; seen < changes;)
                seen += (await watch.ReadAsync(TimeSpan.FromSeconds(30), default)).Changes.Count;
        })).ToArray();
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            for (var i = writer; i < changes; i += Writers)
                await store.PutAsync($"/pods/ns/web-{i}", new byte[64], Revision.None, default);
        })));
        await Task.WhenAll(watches);
        Say($"watch: {changes * Watches / clock.Elapsed.TotalSeconds:0} events/s to {Watches} watches of one prefix");
    }

    private static async Task StartAsync(string parent)
    {
        var directory = Path.Combine(parent, "start");
        await using (var store = await OpenAsync(directory))
        {
            var value = new byte[ValueBytes];
            Random.Shared.NextBytes(value);
            for (var i = 0; i < Entries; i += 1000)
                await Task.WhenAll(Enumerable.Range(i, 1000).Select(n => store.PutAsync($"/pods/ns-{n % 100}/web-{n}", value, Revision.None, default).AsTask()));
        }
        for (var round = 0; round < 3; round++)
        {
            var clock = Stopwatch.StartNew();
            await using var store = await OpenAsync(directory);
            Say($"start with {store.Snapshot().Count("")} entries of 1 KB: {clock.ElapsedMilliseconds} ms");
        }
    }

    private static Task<StateStore> OpenAsync(string? directory) => directory is null
        ? StateStore.OpenAsync(new MemoryLog(), new(), TimeProvider.System, NullLogger<StateStore>.Instance)
        : StateStore.OpenAsync(directory, new(), TimeProvider.System, NullLogger<StateStore>.Instance);

    private static double MeasureFsync(string directory)
    {
        Directory.CreateDirectory(directory);
        using var file = File.OpenHandle(Path.Combine(directory, "fsync"), FileMode.Create, FileAccess.ReadWrite);
        var times = new List<double>();
        for (var i = 0; i < 200; i++)
        {
            var clock = Stopwatch.StartNew();
            RandomAccess.Write(file, new byte[4096], i * 4096L);
            RandomAccess.FlushToDisk(file);
            times.Add(clock.Elapsed.TotalMilliseconds);
        }
        times.Sort();
        return times[times.Count / 2];
    }

    private static void Say(string line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
