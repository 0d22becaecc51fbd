using Microsoft.Extensions.Logging;
using Minke.Node.Runtime;

namespace Minke.Node.Images;

/// <summary>Collects images on the kubelet's schedule, sparing those any container here was made of.</summary>
public sealed partial class ImageCollection(ImageGarbageCollector collector, IContainerRuntime runtime, Action imagesChanged, TimeProvider time, ILogger<ImageCollection> logger)
{
    /// <summary>Runs until cancelled. Started and awaited by the composition.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(ImageGarbageCollector.Period, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
                await CollectAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    private async Task CollectAsync(CancellationToken cancellationToken)
    {
        try
        {
            var containers = await runtime.ListContainersAsync(cancellationToken);
            var inUse = containers.SelectMany(container => container.Config.Mounts.Select(mount => mount.ImageId).Append(container.Config.ImageId))
                .OfType<string>().ToHashSet(StringComparer.Ordinal);
            var result = await collector.CollectAsync(inUse, cancellationToken);
            if (result.Failure is not null)
                LogTooLittle(result.Failure);
            if (result.Removed.Count == 0)
                return;
            LogCollected(result.Removed.Count, result.FreedBytes);
            imagesChanged();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or RuntimeException)
        {
            // The next round may fare better; nothing waits for this one.
            LogFailed(e.Message);
        }
    }

    [LoggerMessage(LogLevel.Information, "Collected {Count} images, {Bytes} bytes")]
    private partial void LogCollected(int count, long bytes);

    [LoggerMessage(LogLevel.Warning, "{Failure}")]
    private partial void LogTooLittle(string failure);

    [LoggerMessage(LogLevel.Warning, "Images could not be collected: {Error}")]
    private partial void LogFailed(string error);
}
