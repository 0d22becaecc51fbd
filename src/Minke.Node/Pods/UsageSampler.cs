using System.Globalization;
using Minke.Client.Nodes;
using Minke.Node.Runtime;

namespace Minke.Node.Pods;

/// <summary>What the machine and its containers have used so far, and at which rate: rates are of the time between two looks.</summary>
internal sealed class UsageSampler(PodLoops pods, IContainerRuntime runtime, TimeProvider time)
{
    /// <summary>Two looks nearer than this give no rate worth having.</summary>
    private static readonly TimeSpan MinWindow = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxWindow = TimeSpan.FromMinutes(2);

    private readonly Lock _gate = new(); // guards _last
    private UsageSample? _last;

    public async Task<NodeUsage> RateAsync(CancellationToken cancellationToken)
    {
        UsageSample? first;
        lock (_gate)
            first = _last;
        var now = time.GetUtcNow();
        if (first is null || now - first.At < MinWindow || now - first.At > MaxWindow)
        {
            if (first is null || now - first.At > MaxWindow)
                first = await SampleAsync(cancellationToken);
            await Task.Delay(MinWindow, time, cancellationToken);
        }
        var second = await SampleAsync(cancellationToken);
        lock (_gate)
            _last = second;
        return second.Since(first);
    }

    public async Task<UsageSample> SampleAsync(CancellationToken cancellationToken)
    {
        var containers = new List<(PodReference Pod, string Name, ContainerId Id, ContainerStats Stats)>();
        foreach (var loop in pods.All)
        {
            var metadata = loop.Pod.Metadata;
            foreach (var container in loop.View.Containers.Where(container => container.State == ContainerState.Running))
            {
                if (await runtime.ContainerStatsAsync(container.Id, cancellationToken) is { } stats)
                    containers.Add((new(metadata.Namespace, metadata.Name, metadata.Uid), container.Config.Name, container.Id, stats));
            }
        }
        return new UsageSample(time.GetUtcNow(), MachineCpuNanoseconds(), NodeMachine.MemoryInfo("MemTotal") - NodeMachine.MemoryInfo("MemAvailable"), containers);
    }

    /// <summary>CPU time of the machine since its start, from the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal.</summary>
    private static long MachineCpuNanoseconds()
    {
        const long NanosecondsPerTick = 10_000_000; // USER_HZ is 100 on every Linux .NET runs on
        var fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Skip(1).Take(8).Where((_, index) => index is not (3 or 4)).Sum(field => long.Parse(field, CultureInfo.InvariantCulture)) * NanosecondsPerTick;
    }
}

/// <summary>One look at the counters.</summary>
internal sealed record UsageSample(
    DateTimeOffset At, long MachineCpuNanoseconds, long MachineMemoryBytes,
    IReadOnlyList<(PodReference Pod, string Name, ContainerId Id, ContainerStats Stats)> Containers)
{
    public NodeUsage Since(UsageSample first)
    {
        var before = first.Containers.ToDictionary(container => container.Id, container => container.Stats);
        var window = At - first.At;
        return new NodeUsage(At, window, new(Rate(MachineCpuNanoseconds - first.MachineCpuNanoseconds, window), MachineMemoryBytes),
        [
            .. Containers.Where(container => before.ContainsKey(container.Id)).Select(container => new ContainerUsage(
                container.Pod, container.Name, new(
                    Rate(container.Stats.CpuUsageNanoseconds - before[container.Id].CpuUsageNanoseconds, container.Stats.Timestamp - before[container.Id].Timestamp),
                    container.Stats.MemoryWorkingSetBytes))),
        ]);
    }

    private static long Rate(long nanoseconds, TimeSpan window) =>
        window <= TimeSpan.Zero ? 0 : Math.Max((long)(nanoseconds / window.TotalSeconds), 0);
}
