using Minke.Api;
using Minke.Api.Core.V1;

namespace Minke.Control.Scheduling;

/// <summary>Whether a pod may run on a node: null for yes, or why not in kube-scheduler's words.</summary>
internal static class NodeFilters
{
    private static readonly string[] CountedResources = ["cpu", "memory", "ephemeral-storage"];

    /// <summary>What speaks against a node, as upstream says it: the first filter that objects; resources together.</summary>
    public static Objection? Against(Pod pod, NodeView node)
    {
        if (Unschedulable(pod, node.Node) is { } unschedulable)
            return Objection.OfNode(unschedulable);
        if (Taint(pod, node.Node) is { } taint)
            return Objection.OfNode(taint);
        if (!NodeSelectors.Matches(pod.Spec, node.Node))
            return Objection.OfNode("node(s) didn't match Pod's node affinity/selector");
        if (PortConflict(pod, node))
            return Objection.OfPods("node(s) didn't have free ports for the requested pod ports");
        return Insufficient(pod, node) is { Count: > 0 } missing ? new(missing, IsOfPods: true) : null;
    }

    private static string? Unschedulable(Pod pod, Node node) =>
        node.Spec.Unschedulable && !IsTolerated(pod, new Taint { Key = "node.kubernetes.io/unschedulable", Effect = TaintEffect.NoSchedule })
            ? "node(s) were unschedulable" : null;

    private static string? Taint(Pod pod, Node node)
    {
        foreach (var taint in node.Spec.Taints)
        {
            if (taint.Effect is TaintEffect.NoSchedule or TaintEffect.NoExecute && !IsTolerated(pod, taint))
                return $"node(s) had untolerated taint {{{taint.Key}: {taint.Value}}}";
        }
        // Upstream's node lifecycle controller taints such a node; the condition says the same, sooner.
        var isReady = node.Status.Conditions.Any(condition => condition is { Type: NodeConditionType.Ready, Status: ConditionStatus.True });
        var notReady = new Taint { Key = "node.kubernetes.io/not-ready", Effect = TaintEffect.NoSchedule };
        return isReady || IsTolerated(pod, notReady) ? null : "node(s) had untolerated taint {node.kubernetes.io/not-ready: }";
    }

    public static bool IsTolerated(Pod pod, Taint taint) => pod.Spec.Tolerations.Any(toleration =>
        (toleration.Effect.Length == 0 || toleration.Effect == taint.Effect)
        && (toleration.Key.Length == 0 ? toleration.Operator == TolerationOperator.Exists : toleration.Key == taint.Key)
        && (toleration.Operator == TolerationOperator.Exists || toleration.Value == taint.Value));

    private static bool PortConflict(Pod pod, NodeView node)
    {
        var wanted = HostPort.Of(pod).ToList();
        return wanted.Count > 0 && node.Pods.SelectMany(HostPort.Of).Any(used => wanted.Exists(used.ConflictsWith));
    }

    private static List<string> Insufficient(Pod pod, NodeView node)
    {
        var reasons = new List<string>();
        foreach (var (name, amount) in Resources.Requests(pod).OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (amount <= 0 || amount <= node.Free(name))
                continue;
            if (name == "pods")
                reasons.Insert(0, "Too many pods");
            else if (CountedResources.Contains(name) || name.Contains('/', StringComparison.Ordinal) || name.StartsWith("hugepages-", StringComparison.Ordinal))
                reasons.Add("Insufficient " + name);
        }
        return reasons;
    }
}
