using Minke.Api.Rbac.V1;

namespace Minke.Api;

/// <summary>The rules of a ClusterRole that aggregates.</summary>
public static class AggregatedRules
{
    /// <summary>Of all roles its selectors find, selector by selector, by name; each rule once.</summary>
    public static ApiList<PolicyRule> For(ClusterRole role, IEnumerable<ClusterRole> all)
    {
        var rules = new List<PolicyRule>();
        var others = all.Where(other => other.Metadata.Name != role.Metadata.Name).OrderBy(other => other.Metadata.Name, StringComparer.Ordinal).ToList();
        foreach (var selector in role.AggregationRule?.ClusterRoleSelectors ?? default)
        {
            foreach (var rule in others.Where(other => LabelSelectors.Matches(selector, other.Metadata.Labels)).SelectMany(other => other.Rules))
            {
                if (!rules.Exists(known => AreSame(known, rule)))
                    rules.Add(rule);
            }
        }
        return rules.Count == 0 ? default : rules.ToApiList();
    }

    private static bool AreSame(PolicyRule a, PolicyRule b) =>
        AreSame(a.Resources, b.Resources) && AreSame(a.Verbs, b.Verbs) && AreSame(a.ApiGroups, b.ApiGroups)
        && AreSame(a.ResourceNames, b.ResourceNames) && AreSame(a.NonResourceURLs, b.NonResourceURLs);

    private static bool AreSame(ApiList<string> a, ApiList<string> b) => a.AsSpan().SequenceEqual(b.AsSpan());
}
