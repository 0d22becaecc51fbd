using System.Globalization;
using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Whether a node is one that a pod asks for: its node selector and required node affinity. (component-helpers/scheduling/corev1/nodeaffinity)</summary>
public static class NodeSelectors
{
    public static bool Matches(PodSpec spec, Core.V1.Node node)
    {
        foreach (var (key, value) in spec.NodeSelector)
        {
            if (!node.Metadata.Labels.TryGetValue(key, out var actual) || actual != value)
                return false;
        }
        var required = spec.Affinity?.NodeAffinity?.RequiredDuringSchedulingIgnoredDuringExecution;
        return required is null || required.NodeSelectorTerms.Any(term => Matches(term, node));
    }

    /// <summary>An empty term matches nothing.</summary>
    public static bool Matches(NodeSelectorTerm term, Core.V1.Node node) =>
        (!term.MatchExpressions.IsEmpty || !term.MatchFields.IsEmpty)
        && term.MatchExpressions.All(requirement => Matches(requirement, node.Metadata.Labels.GetValueOrDefault(requirement.Key)))
        && term.MatchFields.All(requirement => requirement.Key == "metadata.name" && Matches(requirement, node.Metadata.Name));

    private static bool Matches(NodeSelectorRequirement requirement, string? value) => requirement.Operator switch
    {
        NodeSelectorOperator.In => value is not null && requirement.Values.Contains(value),
        NodeSelectorOperator.NotIn => value is null || !requirement.Values.Contains(value),
        NodeSelectorOperator.Exists => value is not null,
        NodeSelectorOperator.DoesNotExist => value is null,
        NodeSelectorOperator.Gt => Compare(value, requirement) > 0,
        NodeSelectorOperator.Lt => Compare(value, requirement) < 0,
        _ => false,
    };

    private static int? Compare(string? value, NodeSelectorRequirement requirement) =>
        requirement.Values is [var bound] && long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var actual)
        && long.TryParse(bound, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var limit) ? actual.CompareTo(limit) : null;
}
