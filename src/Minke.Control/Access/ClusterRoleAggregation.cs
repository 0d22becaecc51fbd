using Minke.Api;
using Minke.Api.Rbac.V1;
using Minke.Client;

namespace Minke.Control.Access;

/// <summary>Fills ClusterRoles that aggregate with the rules of those their selectors find.</summary>
internal sealed class ClusterRoleAggregation(Informer<ClusterRole> roles, IApiClient api) : IReconciler
{
    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (roles.Get(key) is not { AggregationRule: not null } role)
            return Requeue.Never;
        var rules = RulesFor(role, roles.All);
        if (!Json.Same(role with { Rules = rules }, role))
            await api.UpdateAsync(role with { Rules = rules }, cancellationToken);
        return Requeue.Never;
    }

    /// <summary>The rules of all roles that match, selector by selector, by name; each rule once.</summary>
    public static ApiList<PolicyRule> RulesFor(ClusterRole role, IEnumerable<ClusterRole> all)
    {
        var rules = new List<PolicyRule>();
        var others = all.Where(other => other.Metadata.Name != role.Metadata.Name).OrderBy(other => other.Metadata.Name, StringComparer.Ordinal).ToList();
        foreach (var selector in role.AggregationRule?.ClusterRoleSelectors ?? default)
        {
            foreach (var rule in others.Where(other => LabelSelectors.Matches(selector, other.Metadata.Labels)).SelectMany(other => other.Rules))
            {
                if (!rules.Exists(known => Json.Same(known, rule)))
                    rules.Add(rule);
            }
        }
        return rules.Count == 0 ? default : rules.ToApiList();
    }
}
