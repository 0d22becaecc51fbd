using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client;

namespace Minke.Control.Lifecycle;

/// <summary>
/// Keeps off a node what its conditions say it cannot take: each bad condition is a taint <c>NoSchedule</c>, and so is a cordon. Upstream: the
/// part of the node lifecycle controller that taints by condition.
/// </summary>
public sealed class NodeTaints(Informer<Node> nodes, IApiClient api, TimeProvider time) : IReconciler
{
    private static readonly (string Condition, string Status, string Taint)[] ByCondition =
    [
        (NodeConditionType.Ready, ConditionStatus.False, "node.kubernetes.io/not-ready"),
        (NodeConditionType.Ready, ConditionStatus.Unknown, "node.kubernetes.io/unreachable"),
        (NodeConditionType.MemoryPressure, ConditionStatus.True, "node.kubernetes.io/memory-pressure"),
        (NodeConditionType.DiskPressure, ConditionStatus.True, "node.kubernetes.io/disk-pressure"),
        (NodeConditionType.NetworkUnavailable, ConditionStatus.True, "node.kubernetes.io/network-unavailable"),
        (NodeConditionType.PIDPressure, ConditionStatus.True, "node.kubernetes.io/pid-pressure"),
    ];

    private const string Unschedulable = "node.kubernetes.io/unschedulable";

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (nodes.Get(key) is { } node && Taints(node, time.GetUtcNow()) is var taints && !taints.SequenceEqual(node.Spec.Taints))
            await api.UpdateAsync(node with { Spec = node.Spec with { Taints = taints } }, cancellationToken);
        return Requeue.Never;
    }

    /// <summary>Those a node should have: of ours the ones it deserves, of others all it has.</summary>
    public static ApiList<Taint> Taints(Node node, DateTimeOffset now)
    {
        // A node that has not said anything yet keeps what it was made with.
        if (!node.Status.Conditions.Any(condition => condition.Type == NodeConditionType.Ready))
            return node.Spec.Taints;
        var wanted = ByCondition.Where(rule => node.Status.Conditions.Any(condition => condition.Type == rule.Condition && condition.Status == rule.Status))
            .Select(rule => rule.Taint).ToHashSet(StringComparer.Ordinal);
        if (node.Spec.Unschedulable)
            wanted.Add(Unschedulable);
        var taints = node.Spec.Taints.Without(taint => IsOurs(taint) && !wanted.Contains(taint.Key));
        foreach (var key in wanted.Order(StringComparer.Ordinal))
        {
            if (!taints.Any(taint => taint.Key == key && taint.Effect == TaintEffect.NoSchedule))
                taints = taints.Add(new() { Key = key, Effect = TaintEffect.NoSchedule, TimeAdded = Time.From(now) });
        }
        return taints;
    }

    private static bool IsOurs(Taint taint) => taint.Effect == TaintEffect.NoSchedule && (taint.Key == Unschedulable || ByCondition.Any(rule => rule.Taint == taint.Key));
}
