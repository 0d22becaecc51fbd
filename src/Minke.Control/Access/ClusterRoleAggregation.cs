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
        var rules = AggregatedRules.For(role, roles.All);
        if (!Json.Same(role with { Rules = rules }, role))
            await api.UpdateAsync(role with { Rules = rules }, cancellationToken);
        return Requeue.Never;
    }
}
