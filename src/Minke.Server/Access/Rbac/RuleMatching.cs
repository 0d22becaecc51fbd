using Minke.Api;
using Minke.Api.Rbac.V1;

namespace Minke.Server.Access.Rbac;

/// <summary>What one rule matches, as upstream's rbac helpers have it.</summary>
internal static class RuleMatching
{
    public const string All = "*";

    public static bool Allows(PolicyRule rule, in AccessQuery query)
    {
        if (!Has(rule.Verbs, query.Verb))
            return false;
        if (query.Path is { } path)
            return MatchesPath(rule, path);
        return Has(rule.ApiGroups, query.Group)
            && MatchesResource(rule, query.QualifiedResource, query.Subresource)
            && (rule.ResourceNames.IsEmpty || rule.ResourceNames.Contains(query.Name));
    }

    public static bool MatchesPath(PolicyRule rule, string path)
    {
        foreach (var url in rule.NonResourceURLs)
        {
            if (url == All || url == path || (url.EndsWith('*') && path.StartsWith(url.TrimEnd('*'), StringComparison.Ordinal)))
                return true;
        }
        return false;
    }

    /// <summary>Any of <c>*</c>, <c>pods/log</c> and <c>*/log</c> for <c>pods/log</c>; <c>pods</c> alone does not reach its subresources.</summary>
    private static bool MatchesResource(PolicyRule rule, string qualified, string subresource)
    {
        foreach (var resource in rule.Resources)
        {
            if (resource == All || resource == qualified
                || (subresource.Length > 0 && resource.Length == subresource.Length + 2 && resource.StartsWith("*/", StringComparison.Ordinal)
                    && resource.EndsWith(subresource, StringComparison.Ordinal)))
                return true;
        }
        return false;
    }

    public static bool Has(ApiList<string> items, string wanted)
    {
        foreach (var item in items)
        {
            if (item == All || item == wanted)
                return true;
        }
        return false;
    }
}
