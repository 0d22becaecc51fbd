using Microsoft.Extensions.Logging;
using Minke.Node.Runtime;
using ContainerState = Minke.Node.Runtime.ContainerState;

namespace Minke.Node.Pods.Logs;

/// <summary>
/// Keeps the logs of running containers small: at its limit a file is put aside and a new one begun, and a few files are kept (the
/// kubelet's containerLogMaxSize and containerLogMaxFiles).
/// </summary>
internal sealed partial class LogRotation(NodeSettings settings, PodLoops pods, IContainerRuntime runtime, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan MinInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan MaxInterval = TimeSpan.FromMinutes(1);

    /// <summary>Looks at the sizes until cancelled: often while something grows, seldom while all is quiet.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var interval = MinInterval;
        var sizes = new Dictionary<string, long>(StringComparer.Ordinal);
        try
        {
            while (true)
            {
                await Task.Delay(interval, time, cancellationToken);
                var largest = await CheckAsync(sizes, cancellationToken);
                interval = largest > settings.ContainerLogMaxBytes / 100 ? MinInterval : interval * 2 < MaxInterval ? interval * 2 : MaxInterval;
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    /// <summary>Rotates what is too large; gives the largest growth since the last look, in bytes.</summary>
    internal async Task<long> CheckAsync(Dictionary<string, long> sizes, CancellationToken cancellationToken)
    {
        var largest = 0L;
        foreach (var container in pods.All.SelectMany(loop => loop.View.Containers).Where(container => container.State == ContainerState.Running))
        {
            var file = new FileInfo(container.LogPath);
            if (!file.Exists)
                continue;
            largest = Math.Max(largest, file.Length - sizes.GetValueOrDefault(container.LogPath));
            sizes[container.LogPath] = file.Length;
            if (file.Length < settings.ContainerLogMaxBytes)
                continue;
            try
            {
                await RotateAsync(container, cancellationToken);
                sizes.Remove(container.LogPath);
            }
            catch (Exception e) when (e is RuntimeException or IOException or UnauthorizedAccessException)
            {
                LogNotRotated(container.LogPath, e.Message);
            }
        }
        return largest;
    }

    private async Task RotateAsync(ContainerStatus container, CancellationToken cancellationToken)
    {
        var path = container.LogPath;
        // With the one put aside now and the new one there are as many as allowed.
        foreach (var old in LogFiles.Of(path).Skip(1).Skip(settings.ContainerLogMaxFiles - 2))
            File.Delete(old);
        var aside = LogFiles.RotatedName(path, time.GetUtcNow());
        File.Move(path, aside);
        try
        {
            await runtime.ReopenLogAsync(container.Id, cancellationToken);
        }
        catch
        {
            // Still written to under its new name: back, or the log would seem to have ended.
            if (!File.Exists(path))
                File.Move(aside, path);
            throw;
        }
    }

    [LoggerMessage(LogLevel.Warning, "Log {Path} not rotated: {Error}")]
    private partial void LogNotRotated(string path, string error);
}
