using Minke.Cli.Clusters;

namespace Minke.Cli.Verbs;

/// <summary><c>minke down</c>: stops the cluster, also one that was killed, and leaves nothing of it running.</summary>
internal sealed class DownVerb(IClusterHost host, Terminal terminal, TimeProvider clock)
{
    /// <summary>Between a container's stop signal and its end by force.</summary>
    public static readonly TimeSpan DefaultGrace = TimeSpan.FromSeconds(10);

    /// <summary>For an orderly stop of the process itself, which waits for no pods.</summary>
    private static readonly TimeSpan ProcessPatience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LockPatience = TimeSpan.FromSeconds(10);

    public sealed record Options(DataDirectory Data, bool Keep, bool Purge, TimeSpan Grace);

    public async Task<int> RunAsync(Options options, CancellationToken cancellationToken)
    {
        var data = options.Data;
        if (!Directory.Exists(data.Root) && !Directory.Exists(data.Run))
        {
            terminal.Out.WriteLine($"there is no cluster in {data.Root}");
            return 0;
        }
        using var held = await TakeAsync(data, cancellationToken);
        data.DeleteRecord();
        if (options.Keep)
        {
            terminal.Out.WriteLine("its pods run on; sudo minke up takes them over");
            return 0;
        }
        await host.RemovePodsAsync(data, options.Grace, cancellationToken);
        if (options.Purge)
            Purge(data);
        terminal.Out.WriteLine(options.Purge ? $"removed its pods and {data.Root}" : $"removed its pods; its objects and images stay in {data.Root}");
        return 0;
    }

    /// <summary>
    /// Ends who runs the cluster. The lock is free then; only another command can hold it longer, and briefly. One that is just starting
    /// says who it is a moment later.
    /// </summary>
    private async Task<ClusterLock> TakeAsync(DataDirectory data, CancellationToken cancellationToken)
    {
        var pause = TimeSpan.FromMilliseconds(20);
        for (var waited = TimeSpan.Zero; waited < LockPatience; waited += pause)
        {
            if (data.RunningCluster() is { } record)
            {
                await Daemon.StopAsync(record, ProcessPatience, cancellationToken);
                terminal.Out.WriteLine($"stopped the cluster at {record.Server}");
            }
            if (ClusterLock.TryTake(data) is { } held)
                return held;
            await Task.Delay(pause, clock, cancellationToken);
        }
        throw new CliException($"another minke command is busy with {data.Root}: let it finish, then try again");
    }

    private static void Purge(DataDirectory data)
    {
        // Deleting goes into whatever is mounted below, so nothing may be.
        var below = File.ReadLines("/proc/self/mountinfo").Select(line => line.Split(' ')[4]).FirstOrDefault(
            point => point.StartsWith(data.Root + "/", StringComparison.Ordinal));
        if (below is not null)
            throw new CliException($"{below} is still mounted: nothing was deleted; unmount it, then try again");
        Directory.Delete(data.Root, recursive: true);
    }
}
