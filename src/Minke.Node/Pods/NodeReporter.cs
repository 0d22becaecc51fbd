using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Coordination.V1;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Client;
using Minke.Node.Runtime;
using ApiNode = Minke.Api.Core.V1.Node;

namespace Minke.Node.Pods;

/// <summary>
/// Keeps the node's object and its lease: registers the node, renews the lease every ten seconds (all an idle node writes), and tells
/// the status when it changed, else every five minutes.
/// </summary>
internal sealed partial class NodeReporter(
    NodeSettings settings, NodeMachine machine, IContainerRuntime runtime, IImageService images, IApiClient api, EventRecorder events, TimeProvider time,
    ILogger logger)
{
    private const string LeaseNamespace = "kube-node-lease";
    private const int LeaseSeconds = 40;

    private static readonly TimeSpan LeaseInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StatusInterval = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(7);

    /// <summary>Changes that come in a burst (a dozen images pulled) become one write.</summary>
    private static readonly TimeSpan Settles = TimeSpan.FromSeconds(2);

    private readonly Channel<bool> _changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly TaskCompletionSource _registered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private RuntimeVersion _version = new("unknown", "0");

    /// <summary>The node's object as last written; null before the registration.</summary>
    public ApiNode? Current { get; private set; }

    public Task RegisteredAsync(CancellationToken cancellationToken) => _registered.Task.WaitAsync(cancellationToken);

    /// <summary>Something the status shows has changed: images.</summary>
    public void Changed() => _changed.Writer.TryWrite(true);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            events.Record(Reference, "Normal", "Starting", "Starting kubelet.");
            await RetryAsync("register", RegisterAsync, cancellationToken);
            _registered.TrySetResult();
            foreach (var reason in (string[])["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"])
                events.Record(Reference, "Normal", reason, $"Node {settings.NodeName} status is now: {reason}");
            events.Record(Reference, "Normal", "NodeAllocatableEnforced", "Updated Node Allocatable limit across pods");
            events.Record(Reference, "Normal", "NodeReady", $"Node {settings.NodeName} status is now: NodeReady");
            await Task.WhenAll(RenewLeaseAsync(cancellationToken), ReportAsync(cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    /// <summary>Events about a node carry its name as uid, as upstream's do: they outlive its registration.</summary>
    private ObjectReference Reference => new() { Kind = "Node", ApiVersion = "v1", Name = settings.NodeName, Uid = settings.NodeName };

    private async Task RegisterAsync(CancellationToken cancellationToken)
    {
        _version = await runtime.VersionAsync(cancellationToken);
        var current = await api.TryGetAsync<ApiNode>(null, settings.NodeName, cancellationToken);
        var mine = Build(current?.Status);
        if (current is null)
        {
            current = await api.CreateAsync(mine, cancellationToken);
        }
        else if (mine.Metadata.Labels.Any(label => current.Metadata.Labels.GetValueOrDefault(label.Key) != label.Value))
        {
            var labels = current.Metadata.Labels;
            foreach (var (name, value) in mine.Metadata.Labels)
                labels = labels.With(name, value);
            current = await api.UpdateAsync(current with { Metadata = current.Metadata with { Labels = labels } }, cancellationToken);
        }
        Current = await api.UpdateStatusAsync(current with { Status = mine.Status }, cancellationToken);
    }

    private async Task ReportAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            using var interval = new CancellationTokenSource(StatusInterval, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, interval.Token);
            try
            {
                await _changed.Reader.ReadAsync(either.Token);
                await Task.Delay(Settles, time, cancellationToken);
                _changed.Reader.TryRead(out _);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // The interval is over: a heartbeat.
            }
            await RetryAsync("report", WriteStatusAsync, cancellationToken);
        }
    }

    private async Task WriteStatusAsync(CancellationToken cancellationToken)
    {
        if (await api.TryGetAsync<ApiNode>(null, settings.NodeName, cancellationToken) is not { } current)
        {
            // Somebody deleted the node; as it is alive it comes back.
            await RegisterAsync(cancellationToken);
            return;
        }
        Current = await api.UpdateStatusAsync(current with { Status = Build(current.Status).Status }, cancellationToken);
    }

    private ApiNode Build(NodeStatus? old) =>
        NodeStatusBuilder.Build(settings, machine, _version, images.List(), old, isReady: true, "", time.GetUtcNow());

    private async Task RenewLeaseAsync(CancellationToken cancellationToken)
    {
        Lease? lease = null;
        while (true)
        {
            await RetryAsync("renew the lease of", async token => lease = await RenewAsync(lease, token), cancellationToken);
            await Task.Delay(LeaseInterval, time, cancellationToken);
        }
    }

    private async Task<Lease> RenewAsync(Lease? last, CancellationToken cancellationToken)
    {
        var lease = last ?? await api.TryGetAsync<Lease>(LeaseNamespace, settings.NodeName, cancellationToken);
        var isNew = lease is null;
        lease ??= new Lease { Metadata = new ObjectMeta { Namespace = LeaseNamespace, Name = settings.NodeName, OwnerReferences = Owner() } };
        lease = lease with
        {
            Spec = lease.Spec with { HolderIdentity = settings.NodeName, LeaseDurationSeconds = LeaseSeconds, RenewTime = MicroTime.From(time.GetUtcNow()) },
        };
        try
        {
            return isNew ? await api.CreateAsync(lease, cancellationToken) : await api.UpdateAsync(lease, cancellationToken);
        }
        catch (StatusException e) when (last is not null && e.Code is 404 or 409)
        {
            return await RenewAsync(null, cancellationToken);
        }
    }

    private ApiList<OwnerReference> Owner() => Current is not { } node ? default :
        (ApiList<OwnerReference>)[new OwnerReference { ApiVersion = "v1", Kind = "Node", Name = node.Metadata.Name, Uid = node.Metadata.Uid }];

    private async Task RetryAsync(string what, Func<CancellationToken, Task> attempt, CancellationToken cancellationToken)
    {
        for (var delay = FirstRetry; ; delay = delay * 2 < LastRetry ? delay * 2 : LastRetry)
        {
            try
            {
                await attempt(cancellationToken);
                return;
            }
            catch (Exception e) when (e is StatusException or IOException or HttpRequestException or TimeoutException or RuntimeException)
            {
                LogRetried(what, settings.NodeName, delay.TotalMilliseconds, e.Message);
                await Task.Delay(delay, time, cancellationToken);
            }
        }
    }

    [LoggerMessage(LogLevel.Warning, "Could not {What} node {Node}, again in {DelayMilliseconds} ms: {Error}")]
    private partial void LogRetried(string what, string node, double delayMilliseconds, string error);
}
