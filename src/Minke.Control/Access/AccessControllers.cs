using Microsoft.Extensions.Logging;
using Minke.Api.Rbac.V1;
using Minke.Client;

namespace Minke.Control.Access;

/// <summary>The controllers of users' rights and credentials with the caches they share.</summary>
/// <param name="api">Their way to the API.</param>
/// <param name="time">The clock.</param>
/// <param name="loggers">Where they log.</param>
public sealed class AccessControllers(IApiClient api, TimeProvider time, ILoggerFactory loggers)
{
    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var log = loggers.CreateLogger("Minke.Control.Informer");
        var roles = new Informer<ClusterRole>(api, null, Selection.All, time, log);
        var aggregation = new ReconcileLoop("cluster-role-aggregation", new ClusterRoleAggregation(roles, api), time, loggers.CreateLogger<ReconcileLoop>());
        roles.OnChange(_ =>
        {
            // Whichever changed, any that aggregates may find it.
            foreach (var role in roles.All.Where(role => role.AggregationRule is not null))
                aggregation.Enqueue(ObjectKey.Of(role));
        });
        await Task.WhenAll(roles.RunAsync(cancellationToken), aggregation.RunAsync(cancellationToken));
    }
}
