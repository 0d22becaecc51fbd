using Microsoft.Extensions.Logging;
using Minke.Api.Core.V1;
using Minke.Client;
using Minke.Client.Nodes;
using Minke.Node.Pods;
using Minke.Node.Pods.Environment;
using Minke.Node.Pods.Logs;
using Minke.Node.Pods.Probes;
using Minke.Node.Runtime;
using Minke.Node.Volumes;

namespace Minke.Node;

/// <summary>A node: registers itself, runs the pods bound to it on its runtime, and answers what the API server asks of it.</summary>
public sealed class NodeAgent : IDisposable
{
    private readonly NodeSettings _settings;
    private readonly IContainerRuntime _runtime;
    private readonly NodeReporter _reporter;
    private readonly EventRecorder _events;
    private readonly Informer<Pod> _pods;
    private readonly SourceWatches _sources;
    private readonly PodLoops _loops;
    private readonly NodeEndpoint _endpoint;
    private readonly LogRotation _rotation;
    private readonly StaticPods? _staticPods;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public NodeAgent(
        NodeSettings settings, NodeMachine machine, IApiClient api, IContainerRuntime runtime, IImageService images, IPodVolumes volumes,
        ContainerEnvironment environment, IProber prober, TimeProvider time, ILoggerFactory loggers, Func<byte[], Pod>? readManifest = null)
    {
        (_settings, _runtime) = (settings, runtime);
        var logger = loggers.CreateLogger<NodeAgent>();
        _events = new EventRecorder(api, "kubelet", settings.NodeName, time, logger);
        _reporter = new NodeReporter(settings, machine, runtime, images, api, _events, time, logger);
        var place = new PodPlace
        {
            NodeName = settings.NodeName,
            HostIps = machine.Addresses,
            NodeAllocatable = NodeStatusBuilder.Allocatable(settings, machine),
        };
        var registered = NodeStatusBuilder.Build(settings, machine, new("", ""), [], null, true, "", time.GetUtcNow());
        _sources = new SourceWatches(api, time, logger, uid => _loops!.SourceChanged(uid));
        _loops = new PodLoops(
            settings, () => place, () => _reporter.Current ?? registered, runtime, new PodImages(images, new PullSecrets(api, _events), _events, time, _reporter.Changed),
            volumes, environment, _sources, prober, api, _events, time, logger);
        _endpoint = new NodeEndpoint(settings, _loops, runtime, time);
        _rotation = new LogRotation(settings, _loops, runtime, time, logger);
        if (readManifest is not null)
            _staticPods = new StaticPods(settings, _loops, readManifest, logger);
        _pods = new Informer<Pod>(api, null, new Selection(Fields: $"spec.nodeName={settings.NodeName}"), time, logger);
        _pods.OnChange(_loops.Observe);
    }

    /// <summary>What the API server asks of this node.</summary>
    public INodeEndpoint Endpoint => _endpoint;

    /// <summary>An image came or went by other hands than a pod's.</summary>
    public void ImagesChanged() => _reporter.Changed();

    /// <summary>Completes once the node is registered and every pod it already has is taken up.</summary>
    public Task ReadyAsync(CancellationToken cancellationToken) => _ready.Task.WaitAsync(cancellationToken);

    /// <summary>Runs until cancelled; the containers go on then.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        // The node's loops end together, also when one of them fails.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var happenings = _runtime.EventsAsync(stop.Token);
        await _loops.AdoptAsync(stop.Token);
        Task[] tasks =
        [
            _loops.RouteEventsAsync(happenings, stop.Token),
            _events.RunAsync(stop.Token),
            _reporter.RunAsync(stop.Token),
            _pods.RunAsync(stop.Token),
            _rotation.RunAsync(stop.Token),
            TakeUpAsync(stop.Token),
        ];
        try
        {
            await await Task.WhenAny(Task.WhenAll(tasks), FirstFailureAsync(tasks));
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(tasks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await _loops.StoppedAsync();
            await _sources.StopAsync();
        }
    }

    public void Dispose() => _endpoint.Dispose();

    private async Task TakeUpAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _pods.WaitForSyncAsync(cancellationToken);
            _staticPods?.ScanFirst();
            await _loops.RemoveOrphansAsync(cancellationToken);
            await _reporter.RegisteredAsync(cancellationToken);
            _ready.TrySetResult();
            if (_staticPods is not null)
                await _staticPods.RunAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            _ready.TrySetCanceled(cancellationToken);
        }
    }

    private static async Task FirstFailureAsync(IEnumerable<Task> tasks)
    {
        await foreach (var ended in Task.WhenEach(tasks))
            await ended;
    }
}
