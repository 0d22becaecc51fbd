using Minke.Api.Core.V1;

namespace Minke.Control.Scheduling;

/// <summary>One node with the pods bound to it: what the filters look at. Immutable for one decision.</summary>
internal sealed class NodeView
{
    private readonly Dictionary<string, decimal> _used = new(StringComparer.Ordinal);

    public NodeView(Node node, IEnumerable<Pod> pods)
    {
        Node = node;
        Pods = [.. pods.Where(pod => pod.Status.Phase is not (PodPhase.Succeeded or PodPhase.Failed))];
        foreach (var pod in Pods)
        {
            foreach (var (name, amount) in Resources.Requests(pod))
                _used[name] = _used.GetValueOrDefault(name) + amount;
        }
    }

    public Node Node { get; }
    public IReadOnlyList<Pod> Pods { get; }
    public string Name => Node.Metadata.Name;

    public decimal Free(string resource) =>
        (Node.Status.Allocatable.TryGetValue(resource, out var allocatable) ? allocatable.Value : 0) - _used.GetValueOrDefault(resource);

    /// <summary>Share of a resource that would be free with the pod on it, from 0 to 1: the least allocated node scores best.</summary>
    public decimal FreeShareWith(string resource, decimal request)
    {
        var total = Node.Status.Allocatable.TryGetValue(resource, out var allocatable) ? allocatable.Value : 0;
        return total <= 0 ? 0 : Math.Max(0, (Free(resource) - request) / total);
    }
}
