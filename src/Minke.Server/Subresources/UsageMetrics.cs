using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Api.Metrics.V1beta1;
using Minke.Client.Nodes;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.Subresources;

/// <summary><c>metrics.k8s.io</c>: what nodes and pods use, asked of the nodes at the moment of the request.</summary>
internal sealed class UsageMetrics(ObjectRegistry registry, INodeDirectory nodes)
{
    private static readonly TimeSpan AskFor = TimeSpan.FromSeconds(5);

    private readonly Resource _nodes = registry.Catalog.Find(Node.KindInfo)!;
    private readonly Resource _pods = registry.Catalog.Find(Pod.KindInfo)!;

    public ValueTask HandleAsync(ApiRequest request) =>
        request.Resource.Kind == NodeMetrics.KindInfo ? NodesAsync(request) : PodsAsync(request);

    private async ValueTask NodesAsync(ApiRequest request)
    {
        if (request.Verb == "get")
        {
            var node = registry.TryGet(_nodes, "", request.Name) ?? throw StatusException.NotFound(_nodes.Kind, request.Name);
            if (await AskAsync(request.Name, request.Cancelled) is not { } usage)
                throw Unmeasured("nodemetrics", request.Name);
            await Responses.ObjectAsync(request, 200, Of(node, usage));
            return;
        }
        var query = ListQuery.From(QueryValues.Read(request.Http, ListOptions.FromQuery), request.Resource.Kind);
        var items = new List<IKubeObject>();
        foreach (var entry in registry.Store.Snapshot().Range(_nodes.Prefix))
        {
            var node = StoredObject.Read(_nodes, entry);
            if (query.Matches(node) && await AskAsync(node.Metadata.Name, request.Cancelled) is { } usage)
                items.Add(Of(node, usage));
        }
        await Responses.ListAsync(request, items, ListMeta.Empty);
    }

    private async ValueTask PodsAsync(ApiRequest request)
    {
        var query = request.Verb == "list" ? ListQuery.From(QueryValues.Read(request.Http, ListOptions.FromQuery), request.Resource.Kind) : null;
        var found = request.Verb == "get"
            ? [(Pod)(registry.TryGet(_pods, request.Namespace, request.Name) ?? throw StatusException.NotFound(_pods.Kind, request.Name))]
            : registry.Store.Snapshot().Range(_pods.ListPrefix(request.Namespace)).Select(entry => (Pod)StoredObject.Read(_pods, entry))
                .Where(query!.Matches).ToList();
        var usages = new Dictionary<string, NodeUsage?>(StringComparer.Ordinal);
        var items = new List<IKubeObject>();
        foreach (var pod in found)
        {
            var node = pod.Spec.NodeName;
            if (node.Length == 0)
                continue;
            if (!usages.TryGetValue(node, out var usage))
                usages[node] = usage = await AskAsync(node, request.Cancelled);
            var containers = usage?.Containers.Where(one => one.Pod.Uid == pod.Metadata.Uid).ToList() ?? [];
            if (containers.Count > 0)
                items.Add(Of(pod, usage!, containers));
        }
        if (request.Verb == "list")
            await Responses.ListAsync(request, items, ListMeta.Empty);
        else
            await Responses.ObjectAsync(request, 200, items.Count > 0 ? items[0] : throw Unmeasured("podmetrics", $"{request.Namespace}/{request.Name}"));
    }

    /// <summary>There, but nobody says what it uses. In metrics-server's words.</summary>
    private static StatusException Unmeasured(string resource, string name) => StatusException.Of(
        404, StatusReason.NotFound, $"{resource}.metrics.k8s.io \"{name}\" not found", new() { Name = name, Group = "metrics.k8s.io", Kind = resource });

    /// <summary>Null when the node does not answer: it is left out, as metrics-server does.</summary>
    private async Task<NodeUsage?> AskAsync(string node, CancellationToken cancellationToken)
    {
        if (nodes.Find(node) is not { } endpoint)
            return null;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(AskFor);
        try
        {
            return await endpoint.UsageAsync(deadline.Token);
        }
        catch (Exception e) when (e is StatusException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }

    private NodeMetrics Of(IKubeObject node, NodeUsage usage) => new()
    {
        Metadata = Metadata(node),
        Timestamp = Time.From(usage.Timestamp),
        Window = new(usage.Window.Ticks * 100),
        Usage = Amounts(usage.Machine),
    };

    private PodMetrics Of(Pod pod, NodeUsage usage, List<ContainerUsage> containers) => new()
    {
        Metadata = Metadata(pod),
        Timestamp = Time.From(usage.Timestamp),
        Window = new(usage.Window.Ticks * 100),
        Containers = containers.OrderBy(one => one.Container, StringComparer.Ordinal)
            .Select(one => new ContainerMetrics { Name = one.Container, Usage = Amounts(one.Usage) }).ToApiList(),
    };

    private ObjectMeta Metadata(IKubeObject of) => new()
    {
        Name = of.Metadata.Name,
        Namespace = of.Metadata.Namespace,
        CreationTimestamp = Time.From(registry.Clock.GetUtcNow()),
        Labels = of.Metadata.Labels,
    };

    private static ApiMap<Quantity> Amounts(ResourceUsage usage) => ApiMap.From<Quantity>(
    [
        new("cpu", new Quantity(usage.CpuNanocores / 1_000_000_000m)),
        new("memory", new Quantity(usage.MemoryBytes / 1024 * 1024, QuantityFormat.BinarySI)),
    ]);
}
