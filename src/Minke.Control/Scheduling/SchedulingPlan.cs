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
        var objections = new List<Objection>();
        NodeView? best = null;
        decimal bestScore = -1;
        foreach (var node in nodes.OrderBy(node => node.Name, StringComparer.Ordinal))
        {
            if ((NodeFilters.Against(pod, node) ?? PodAffinityFilter.Against(pod, node, nodes)) is { } objection)
            {
                objections.Add(objection);
                continue;
            }
            var score = Score(pod, node);
            if (score > bestScore)
                (best, bestScore) = (node, score);
        }
        return best is not null ? new(best.Name, "") : new(null, Explain(pod, objections));
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

    private static string Explain(Pod pod, List<Objection> objections)
    {
        if (objections.Count == 0)
            return "no nodes available to schedule pods";
        var preemption = pod.Spec.PreemptionPolicy == PreemptionPolicy.Never ? "not eligible due to preemptionPolicy=Never."
            : NoneOf(objections.Select(objection => objection.IsOfPods ? "No preemption victims found for incoming pod" : "Preemption is not helpful for scheduling"));
        return $"{NoneOf(objections.SelectMany(objection => objection.Reasons))} preemption: {preemption}";

        string NoneOf(IEnumerable<string> reasons) => string.Create(CultureInfo.InvariantCulture, $"0/{objections.Count} nodes are available: {Counted(reasons)}.");
    }

    private static string Counted(IEnumerable<string> reasons) => string.Join(", ", reasons.CountBy(reason => reason)
        .Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Value} {pair.Key}")).Order(StringComparer.Ordinal));
}
