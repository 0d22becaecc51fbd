using Minke.Api;
using Minke.Api.Rbac.V1;

namespace Minke.Server.Access.Rbac;

/// <summary>Whether the rules somebody holds cover those they want to give away, and how those missing are told.</summary>
internal static class RuleCover
{
    /// <summary>What of <paramref name="wanted"/> nobody's rule covers, one verb on one resource each.</summary>
    public static List<PolicyRule> Missing(IReadOnlyList<PolicyRule> held, IEnumerable<PolicyRule> wanted) =>
        [.. wanted.SelectMany(BreakDown).Where(one => !held.Any(rule => Covers(rule, one)))];

    /// <summary>
    /// Upstream's text: a line a rule, sorted; verbs of one resource joined.
    /// <c>{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}</c>.
    /// </summary>
    public static string Describe(IEnumerable<PolicyRule> missing)
    {
        var lines = new SortedSet<string>(StringComparer.Ordinal);
        var verbs = new Dictionary<(string Group, string Resource, string? Name), PolicyRule>();
        foreach (var rule in missing)
        {
            if (!rule.NonResourceURLs.IsEmpty)
            {
                lines.Add(ToText(rule));
                continue;
            }
            var key = (rule.ApiGroups[0], rule.Resources[0], rule.ResourceNames.IsEmpty ? null : rule.ResourceNames[0]);
            verbs[key] = verbs.TryGetValue(key, out var known) ? known with { Verbs = known.Verbs.Add(rule.Verbs[0]) } : rule;
        }
        foreach (var rule in verbs.Values)
            lines.Add(ToText(rule));
        return string.Join('\n', lines);
    }

    private static IEnumerable<PolicyRule> BreakDown(PolicyRule rule)
    {
        foreach (var group in rule.ApiGroups)
        {
            foreach (var resource in rule.Resources)
            {
                foreach (var verb in rule.Verbs)
                {
                    if (rule.ResourceNames.IsEmpty)
                        yield return new() { ApiGroups = [group], Resources = [resource], Verbs = [verb] };
                    foreach (var name in rule.ResourceNames)
                        yield return new() { ApiGroups = [group], Resources = [resource], Verbs = [verb], ResourceNames = [name] };
                }
            }
        }
        foreach (var url in rule.NonResourceURLs)
        {
            foreach (var verb in rule.Verbs)
                yield return new() { NonResourceURLs = [url], Verbs = [verb] };
        }
    }

    private static bool Covers(PolicyRule held, PolicyRule one)
    {
        if (!HasAll(held.Verbs, one.Verbs))
            return false;
        if (!one.NonResourceURLs.IsEmpty)
            return CoversPath(held, one.NonResourceURLs[0]);
        return HasAll(held.ApiGroups, one.ApiGroups)
            && CoversResource(held, one.Resources[0])
            && (held.ResourceNames.IsEmpty || (!one.ResourceNames.IsEmpty && held.ResourceNames.Contains(one.ResourceNames[0])));
    }

    // Between rules "*" is a value like any other unless the holder has it.
    private static bool HasAll(ApiList<string> held, ApiList<string> one) => held.Contains(RuleMatching.All) || held.Contains(one[0]);

    private static bool CoversResource(PolicyRule held, string resource)
    {
        if (held.Resources.Contains(RuleMatching.All) || held.Resources.Contains(resource))
            return true;
        var slash = resource.IndexOf('/', StringComparison.Ordinal);
        return slash >= 0 && held.Resources.Contains("*" + resource[slash..]);
    }

    private static bool CoversPath(PolicyRule held, string url) => held.NonResourceURLs.Any(own =>
        own == url || own == RuleMatching.All || (own.EndsWith('*') && url.StartsWith(own.TrimEnd('*'), StringComparison.Ordinal)));

    private static string ToText(PolicyRule rule)
    {
        var parts = new List<string>();
        void Add(string name, ApiList<string> values)
        {
            if (!values.IsEmpty)
                parts.Add($"{name}:[{string.Join(' ', values.Select(FieldErrors.Quote))}]");
        }
        Add("APIGroups", rule.ApiGroups);
        Add("Resources", rule.Resources);
        Add("NonResourceURLs", rule.NonResourceURLs);
        Add("ResourceNames", rule.ResourceNames);
        Add("Verbs", rule.Verbs);
        return "{" + string.Join(", ", parts) + "}";
    }
}
