using Microsoft.Extensions.Logging;
using Minke.Node.Images;
using Minke.Node.Linux;
using Minke.Node.Network;
using Minke.Node.Pods;
using Minke.Node.Runtime;
using Minke.Node.Runtime.Embedded;

namespace Minke.Node;

/// <summary>Takes a node's pods off the machine when no cluster runs: <c>minke down</c>, also after a crash, also twice.</summary>
public sealed class NodeRemoval(NodeOptions options, TimeProvider clock, ILoggerFactory loggers)
{
    private readonly List<Exception> _failures = [];

    /// <exception cref="AggregateException">What could not be removed; the rest is gone.</exception>
    public async Task RunAsync(TimeSpan grace, CancellationToken cancellationToken)
    {
        if (Directory.Exists(options.Runtime.StateDirectory) || Directory.Exists(options.Runtime.RunDirectory))
            await TryAsync(() => RemoveContainersAsync(grace, cancellationToken));
        await TryAsync(() => BridgeNetwork.DestroyAsync(options.Network, cancellationToken));
        Try(() => RemoveFiles(options.Paths));
        if (_failures.Count > 0)
            throw new AggregateException("not everything of the cluster's pods could be removed", _failures);
    }

    private async Task RemoveContainersAsync(TimeSpan grace, CancellationToken cancellationToken)
    {
        using var store = ImageStore.Open(options.Images, clock);
        using var images = new ImageService(store, clock);
        await using var network = await BridgeNetwork.OpenAsync(
            options.Network with { PoolSize = 0 }, clock, loggers.CreateLogger<BridgeNetwork>(), cancellationToken);
        await using var runtime = await EmbeddedRuntime.OpenAsync(options.Runtime, images, network, clock, loggers, cancellationToken);
        var running = (await runtime.ListContainersAsync(cancellationToken)).Where(container => container.State == ContainerState.Running);
        await Task.WhenAll(running.Select(container => TryAsync(() => runtime.StopContainerAsync(container.Id, grace, cancellationToken))));
        await runtime.RemoveEverythingAsync(cancellationToken);
    }

    /// <summary>Volumes of memory are mounts; everything else of a pod is files.</summary>
    private void RemoveFiles(NodePaths paths)
    {
        var below = ((string[])[paths.DataDirectory, options.RunDirectory]).Select(directory => directory + "/").ToArray();
        foreach (var mount in Mounts.List().Where(mount => below.Any(directory => mount.MountPoint.StartsWith(directory, StringComparison.Ordinal))).Reverse())
            Try(() => Mounts.Unmount(mount.MountPoint));
        foreach (var directory in (string[])[paths.Pods, options.RunDirectory])
        {
            // Deleting would go into whatever is still mounted.
            if (Directory.Exists(directory) && !Mounts.List().Any(mount => mount.MountPoint.StartsWith(directory + "/", StringComparison.Ordinal)))
                Try(() => Directory.Delete(directory, recursive: true));
        }
    }

    private void Try(Action step)
    {
        try
        {
            step();
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            _failures.Add(exception);
        }
    }

    private async Task TryAsync(Func<Task> step)
    {
        try
        {
            await step();
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            lock (_failures)
                _failures.Add(exception);
        }
    }
}
