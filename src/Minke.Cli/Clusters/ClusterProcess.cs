using Minke.Cli.Kubeconfigs;

namespace Minke.Cli.Clusters;

/// <summary>A cluster's life in this process: takes the directory, starts, says so on disk, and ends in order.</summary>
internal sealed class ClusterProcess(IClusterHost host, TimeProvider clock)
{
    /// <summary>What a start needs; the same for the foreground and for a daemon.</summary>
    public sealed record Wish(DataDirectory Data, ListenAddress Listen, string? RegistriesFile, long? ContainerLogMaxBytes, AccessOptions Access);

    /// <param name="held">The directory's lock, which the caller lets go of afterwards.</param>
    /// <param name="whenReady">Runs once the API is ready, while the cluster goes on; the cluster ends when it throws.</param>
    /// <param name="stop">Ends the cluster; its pods run on.</param>
    /// <exception cref="CliException">It did not start, or a part failed.</exception>
    public async Task RunAsync(Wish wish, ClusterLock held, Func<ClusterRecord, Task> whenReady, CancellationToken stop)
    {
        ArgumentNullException.ThrowIfNull(held);
        var data = wish.Data;
        var options = new ClusterOptions
        {
            Data = data,
            Listen = wish.Listen.Choose(PortBefore(data)),
            RegistriesFile = wish.RegistriesFile,
            ContainerLogMaxBytes = wish.ContainerLogMaxBytes,
            Access = wish.Access,
        };
        await using var cluster = await host.StartAsync(options, stop);
        var record = new ClusterRecord
        {
            Pid = Environment.ProcessId,
            ProcessStart = ClusterRecord.StartOf(Environment.ProcessId) ?? 0,
            Version = MinkeVersion.Own,
            Server = cluster.Admin.Server,
            NodeName = cluster.NodeName,
            StartedAt = clock.GetUtcNow(),
        };
        WritePrivate(data.KubeconfigFile, cluster.Admin.ToString());
        data.WriteRecord(record);
        try
        {
            await whenReady(record);
            var ended = await Task.WhenAny(Task.Delay(Timeout.InfiniteTimeSpan, clock, stop), cluster.Failed);
            if (ended == cluster.Failed)
                await ended; // throws what went wrong
        }
        finally
        {
            data.DeleteRecord();
        }
    }

    /// <summary>The port people's kubeconfigs know.</summary>
    private static int? PortBefore(DataDirectory data)
    {
        try
        {
            return Kubeconfig.Parse(File.ReadAllText(data.KubeconfigFile)).Server.Port;
        }
        catch (Exception exception) when (exception is IOException or KubeconfigException)
        {
            return null;
        }
    }

    private static void WritePrivate(string path, string text)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        using (var stream = new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            stream.Write(System.Text.Encoding.UTF8.GetBytes(text));
        }
        File.Move(temporary, path, overwrite: true);
    }
}
