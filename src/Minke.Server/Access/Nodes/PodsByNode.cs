using Minke.Api.Core.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Access.Nodes;

/// <summary>The pods of each node. Made when a node first asks for something; a cluster whose nodes live in the process never has it.</summary>
internal sealed class PodsByNode(IStateStore store, Resource pods) : StoreFollower(store, [pods.Prefix])
{
    private readonly Lock _lock = new(); // guards the dictionary and the following
    private readonly Dictionary<string, Dictionary<string, Pod>> _byNode = new(StringComparer.Ordinal);

    /// <summary>Whether a pod of this node and namespace does.</summary>
    public bool Any(string node, string @namespace, Func<Pod, bool> matches)
    {
        lock (_lock)
        {
            Follow();
            return _byNode.TryGetValue(node, out var own)
                && own.Values.Any(pod => (@namespace.Length == 0 || pod.Metadata.Namespace == @namespace) && matches(pod));
        }
    }

    protected override void Load(Snapshot snapshot)
    {
        _byNode.Clear();
        foreach (var entry in snapshot.Range(pods.Prefix))
            Add((Pod)StoredObject.Read(pods, entry), entry.Key);
    }

    protected override void Apply(in Change change)
    {
        if (change.Previous is { } previous && ((Pod)StoredObject.Read(pods, previous)).Spec.NodeName is { Length: > 0 } old
            && _byNode.TryGetValue(old, out var left) && left.Remove(change.Key) && left.Count == 0)
            _byNode.Remove(old);
        if (change.Current is { } current)
            Add((Pod)StoredObject.Read(pods, current), change.Key);
    }

    private void Add(Pod pod, string key)
    {
        // Mirror pods are written by the node itself, so they prove nothing.
        if (pod.Spec.NodeName.Length == 0 || pod.Metadata.Annotations.ContainsKey("kubernetes.io/config.mirror"))
        {
            if (pod.Spec.NodeName.Length == 0)
                return;
            pod = pod with { Spec = new() { NodeName = pod.Spec.NodeName } };
        }
        if (!_byNode.TryGetValue(pod.Spec.NodeName, out var own))
            _byNode.Add(pod.Spec.NodeName, own = new(StringComparer.Ordinal));
        own[key] = pod;
    }
}
