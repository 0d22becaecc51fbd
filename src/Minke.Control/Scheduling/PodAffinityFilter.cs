using Minke.Api;
using Minke.Api.Core.V1;

namespace Minke.Control.Scheduling;

/// <summary>Required pod affinity and anti-affinity, and hard topology spread, over the nodes as they are now.</summary>
internal static class PodAffinityFilter
{
    public static Objection? Against(Pod pod, NodeView node, IReadOnlyList<NodeView> nodes)
    {
        foreach (var term in pod.Spec.Affinity?.PodAffinity?.RequiredDuringSchedulingIgnoredDuringExecution ?? default)
        {
            var isMet = PodsInDomain(node, nodes, term.TopologyKey).Any(other => Matches(term, pod, other));
            // The first of a group that wants its own company may go anywhere the topology is known.
            var isFirst = !nodes.SelectMany(view => view.Pods).Any(other => Matches(term, pod, other)) && Matches(term, pod, pod);
            if (!isMet && !(isFirst && node.Node.Metadata.Labels.ContainsKey(term.TopologyKey)))
                return Objection.OfNode("node(s) didn't match pod affinity rules");
        }
        foreach (var term in pod.Spec.Affinity?.PodAntiAffinity?.RequiredDuringSchedulingIgnoredDuringExecution ?? default)
        {
            if (PodsInDomain(node, nodes, term.TopologyKey).Any(other => Matches(term, pod, other)))
                return Objection.OfPods("node(s) didn't match pod anti-affinity rules");
        }
        foreach (var other in nodes.SelectMany(view => view.Pods.Select(bound => (View: view, Pod: bound))))
        {
            foreach (var term in other.Pod.Spec.Affinity?.PodAntiAffinity?.RequiredDuringSchedulingIgnoredDuringExecution ?? default)
            {
                if (SameDomain(node, other.View, term.TopologyKey) && Matches(term, other.Pod, pod))
                    return Objection.OfPods("node(s) didn't satisfy existing pods anti-affinity rules");
            }
        }
        foreach (var constraint in pod.Spec.TopologySpreadConstraints)
        {
            if (constraint.WhenUnsatisfiable == UnsatisfiableConstraintAction.DoNotSchedule && AgainstSpread(constraint, pod, node, nodes) is { } objection)
                return objection;
        }
        return null;
    }

    private static Objection? AgainstSpread(TopologySpreadConstraint constraint, Pod pod, NodeView node, IReadOnlyList<NodeView> nodes)
    {
        if (!node.Node.Metadata.Labels.TryGetValue(constraint.TopologyKey, out var domain))
            return Objection.OfNode("node(s) didn't match pod topology spread constraints (missing required label)");
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var view in nodes)
        {
            if (!view.Node.Metadata.Labels.TryGetValue(constraint.TopologyKey, out var value))
                continue;
            counts[value] = counts.GetValueOrDefault(value) + view.Pods.Count(other =>
                other.Metadata.Namespace == pod.Metadata.Namespace && other.Metadata.DeletionTimestamp is null
                && LabelSelectors.Matches(constraint.LabelSelector, other.Metadata.Labels));
        }
        var least = counts.Count < (constraint.MinDomains ?? 1) ? 0 : counts.Values.Min();
        var self = LabelSelectors.Matches(constraint.LabelSelector, pod.Metadata.Labels) ? 1 : 0;
        return counts[domain] + self - least > constraint.MaxSkew ? Objection.OfPods("node(s) didn't match pod topology spread constraints") : null;
    }

    private static IEnumerable<Pod> PodsInDomain(NodeView node, IReadOnlyList<NodeView> nodes, string topologyKey) =>
        nodes.Where(other => SameDomain(node, other, topologyKey)).SelectMany(other => other.Pods);

    private static bool SameDomain(NodeView a, NodeView b, string topologyKey) =>
        a.Node.Metadata.Labels.TryGetValue(topologyKey, out var left) && b.Node.Metadata.Labels.TryGetValue(topologyKey, out var right) && left == right;

    // A namespaceSelector other than {} would need the namespaces' labels; the scheduler warns of it (see Scheduler).
    private static bool Matches(PodAffinityTerm term, Pod owner, Pod other)
    {
        var isInNamespace = term.NamespaceSelector is { } selector && selector.MatchLabels.IsEmpty && selector.MatchExpressions.IsEmpty
            || (term.Namespaces.IsEmpty ? other.Metadata.Namespace == owner.Metadata.Namespace : term.Namespaces.Contains(other.Metadata.Namespace));
        return isInNamespace && LabelSelectors.Matches(term.LabelSelector, other.Metadata.Labels);
    }
}
