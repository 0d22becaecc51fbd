using Minke.Api.Rbac.V1;

namespace Minke.Server.Access.Rbac;

/// <summary>All rules one user has in one place, in the order of their bindings, found by resource without going through them.</summary>
internal sealed class RuleTable
{
    public static RuleTable Empty { get; } = new([], []);

    private readonly Dictionary<string, List<int>> _byResource = new(StringComparer.Ordinal);
    private readonly List<int> _withPaths = [];
    private readonly IReadOnlyList<GrantedRule> _rules;

    public RuleTable(IReadOnlyList<GrantedRule> rules, IReadOnlyList<string> errors)
    {
        (_rules, Errors) = (rules, errors);
        for (var i = 0; i < rules.Count; i++)
        {
            foreach (var resource in rules[i].Rule.Resources)
            {
                if (!_byResource.TryGetValue(resource, out var places))
                    _byResource.Add(resource, places = []);
                places.Add(i);
            }
            if (!rules[i].Rule.NonResourceURLs.IsEmpty)
                _withPaths.Add(i);
        }
    }

    public IReadOnlyList<GrantedRule> Rules => _rules;

    /// <summary>Bindings whose role is not there, as upstream words it.</summary>
    public IReadOnlyList<string> Errors { get; }

    /// <summary>The first rule that allows it, or null.</summary>
    public GrantedRule? Find(in AccessQuery query)
    {
        var first = int.MaxValue;
        if (!query.IsResource)
        {
            Search(_withPaths, query, ref first);
        }
        else
        {
            SearchResource(query.QualifiedResource, query, ref first);
            SearchResource(RuleMatching.All, query, ref first);
            if (query.Subresource.Length > 0)
                SearchResource("*/" + query.Subresource, query, ref first);
        }
        return first == int.MaxValue ? null : _rules[first];
    }

    private void SearchResource(string resource, in AccessQuery query, ref int first)
    {
        if (_byResource.TryGetValue(resource, out var places))
            Search(places, query, ref first);
    }

    private void Search(List<int> places, in AccessQuery query, ref int first)
    {
        foreach (var place in places)
        {
            if (place >= first)
                return;
            if (RuleMatching.Allows(_rules[place].Rule, query))
            {
                first = place;
                return;
            }
        }
    }
}

/// <param name="Rule">What may be done.</param>
/// <param name="Source">Because of what, for people: <c>ClusterRoleBinding "a" of ClusterRole "b" to User "c"</c>.</param>
internal readonly record struct GrantedRule(PolicyRule Rule, string Source);
