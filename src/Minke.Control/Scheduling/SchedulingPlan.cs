using System.Globalization;
using Minke.Api;
using Minke.Api.Core.V1;

namespace Minke.Control.Scheduling;

/// <summary>Where a pod goes, or why it goes nowhere. A pure function of the pod and the nodes.</summary>
/// <param name="NodeName">Null when no node fits.</param>
/// <param name="Message">kube-scheduler's message when no node fits.</param>
internal readonly record struct SchedulingPlan(string? NodeName, string Message)
{
    /// <summary>Among the nodes that fit, the one with the most room left; by name where they are alike.</summary>
    public static SchedulingPlan For(Pod pod, IReadOnlyList<NodeView> nodes)
    {
        var counts = new SortedDictionary<string, int>(StringComparer.Ordinal);
        NodeView? best = null;
        decimal bestScore = -1;
        foreach (var node in nodes.OrderBy(node => node.Name, StringComparer.Ordinal))
        {
            var reasons = NodeFilters.Reasons(pod, node);
            if (reasons.Count == 0 && PodAffinityFilter.Reason(pod, node, nodes) is { } affinity)
                reasons = [affinity];
            foreach (var reason in reasons)
                counts[reason] = counts.GetValueOrDefault(reason) + 1;
            if (reasons.Count > 0)
                continue;
            var score = Score(pod, node);
            if (score > bestScore)
                (best, bestScore) = (node, score);
        }
        return best is not null ? new(best.Name, "") : new(null, Explain(counts, nodes.Count));
    }

    private static decimal Score(Pod pod, NodeView node)
    {
        var requests = Resources.Requests(pod);
        var room = (node.FreeShareWith("cpu", requests.GetValueOrDefault("cpu")) + node.FreeShareWith("memory", requests.GetValueOrDefault("memory"))) / 2;
        var preferred = 0;
        foreach (var term in pod.Spec.Affinity?.NodeAffinity?.PreferredDuringSchedulingIgnoredDuringExecution ?? default)
        {
            if (NodeSelectors.Matches(term.Preference, node.Node))
                preferred += term.Weight;
        }
        var avoided = node.Node.Spec.Taints.Count(taint => taint.Effect == TaintEffect.PreferNoSchedule && !NodeFilters.IsTolerated(pod, taint));
        return room + (preferred / 100m) + (1m / (1 + avoided));
    }

    private static string Explain(SortedDictionary<string, int> counts, int nodeCount)
    {
        if (nodeCount == 0)
            return "no nodes available to schedule pods";
        var reasons = string.Join(", ", counts.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Value} {pair.Key}")).Order(StringComparer.Ordinal));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"0/{nodeCount} nodes are available: {reasons}. preemption: 0/{nodeCount} nodes are available: {nodeCount} No preemption victims found for incoming pod.");
    }
}
