using System.Globalization;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Api.Policy.V1;
using Minke.Server.Registry;

namespace Minke.Server.Subresources;

/// <summary>
/// Evicting a pod: deleting it, unless a PodDisruptionBudget has none to spare. Each eviction is written into the budget before the pod goes, so that two
/// at once cannot both have the last one. (pkg/registry/core/pod/storage/eviction.go)
/// </summary>
internal sealed class PodEvictions(ObjectRegistry registry)
{
    private const string Refused = "Cannot evict pod as it would violate the pod's disruption budget.";
    private const string Cause = "DisruptionBudget";
    private const string SyncFailed = "SyncFailed";
    private const string InsufficientPods = "InsufficientPods";
    private const string DisruptionAllowed = "DisruptionAllowed";
    private const int MaxDisruptedPods = 2000;
    private const int RetryAfterSeconds = 10;

    // As upstream's EvictionsRetry, but without its pauses: what is read here is the newest there is.
    private const int Attempts = 20;

    private readonly Resource _pods = registry.Catalog.Find(Pod.KindInfo)!;

    // Null where budgets are not served.
    private readonly Resource? _budgets = registry.Catalog.Find(PodDisruptionBudget.KindInfo);

    public async Task EvictAsync(string @namespace, string name, DeleteOptions options, WriteContext context, CancellationToken cancellationToken)
    {
        // Whoever asks for a certain version wants that one and no other.
        var isPinned = options.Preconditions?.ResourceVersion is not null;
        var pod = Find(@namespace, name);
        for (var attempt = 1; DisturbsNobody(pod); attempt++)
        {
            var mayBecomeReady = pod.Status.Phase == PodPhase.Pending && pod.Metadata.DeletionTimestamp is null;
            try
            {
                await registry.DeleteAsync(_pods, @namespace, name, mayBecomeReady && !isPinned ? AsOf(options, pod) : options, context, cancellationToken);
                return;
            }
            catch (StatusException e) when (e.Reason == StatusReason.Conflict && !isPinned && attempt < Attempts)
            {
                // It was written meanwhile, so it may be running by now.
                pod = Find(@namespace, name);
            }
        }
        var budget = BudgetOf(pod);
        if (budget is null)
        {
            await registry.DeleteAsync(_pods, @namespace, name, options, context, cancellationToken);
            return;
        }
        if (!IsReady(pod) && MayGoUnready(budget))
        {
            try
            {
                await registry.DeleteAsync(_pods, @namespace, name, isPinned ? options : AsOf(options, pod), context, cancellationToken);
            }
            catch (StatusException e) when (e.Reason == StatusReason.Conflict && !isPinned)
            {
                throw StillProcessed(budget);
            }
            return;
        }
        await TakeAsync(budget, name, context, cancellationToken);
        await registry.DeleteAsync(_pods, @namespace, name, options, context, cancellationToken);
    }

    private Pod Find(string @namespace, string name) =>
        (Pod?)registry.TryGet(_pods, @namespace, name) ?? throw StatusException.NotFound(Pod.KindInfo, name);

    private static bool DisturbsNobody(Pod pod) =>
        pod.Status.Phase is PodPhase.Succeeded or PodPhase.Failed or PodPhase.Pending || pod.Metadata.DeletionTimestamp is not null;

    private static bool IsReady(Pod pod) => pod.Status.Conditions.Any(condition => condition is { Type: PodConditionType.Ready, Status: Minke.Api.Core.V1.ConditionStatus.True });

    /// <summary>A pod that is not ready was not counted, so nothing is lost with it.</summary>
    private static bool MayGoUnready(PodDisruptionBudget budget) =>
        budget.Spec.UnhealthyPodEvictionPolicy == UnhealthyPodEvictionPolicyType.AlwaysAllow
        || (budget.Status.CurrentHealthy >= budget.Status.DesiredHealthy && budget.Status.DesiredHealthy > 0);

    private PodDisruptionBudget? BudgetOf(Pod pod)
    {
        if (_budgets is null)
            return null;
        PodDisruptionBudget? found = null;
        foreach (var entry in registry.Store.Snapshot().Range(_budgets.ListPrefix(pod.Metadata.Namespace)))
        {
            var budget = (PodDisruptionBudget)StoredObject.Read(_budgets, entry);
            if (!LabelSelectors.Matches(budget.Spec.Selector, pod.Metadata.Labels))
                continue;
            if (found is not null)
            {
                throw new StatusException(new Status
                {
                    StatusValue = "Failure",
                    Message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
                    Code = 500,
                });
            }
            found = budget;
        }
        return found;
    }

    private async Task TakeAsync(PodDisruptionBudget budget, string pod, WriteContext context, CancellationToken cancellationToken) =>
        await registry.UpdateAsync(_budgets!, "status", budget.Metadata.Namespace, budget.Metadata.Name, old => Taken((PodDisruptionBudget)old!, pod),
            isPatch: true, new() { User = context.User, IsDryRun = context.IsDryRun }, cancellationToken);

    private PodDisruptionBudget Taken(PodDisruptionBudget budget, string pod)
    {
        var (name, status) = (budget.Metadata.Name, budget.Status);
        if (status.ObservedGeneration < budget.Metadata.Generation)
            throw StillProcessed(budget);
        if (status.DisruptionsAllowed < 0)
            throw Forbidden(name, "pdb disruptions allowed is negative");
        if (status.DisruptedPods.Count > MaxDisruptedPods)
            throw Forbidden(name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller");
        if (status.DisruptionsAllowed == 0)
        {
            var failed = status.Conditions.FirstOrDefault(condition => condition is { Type: DisruptionAllowed, Status: "False", Reason: SyncFailed });
            throw TooMany(0, failed is null
                ? string.Create(CultureInfo.InvariantCulture, $"The disruption budget {name} needs {status.DesiredHealthy} healthy pods and has {status.CurrentHealthy} currently")
                : $"The disruption budget {name} does not allow evicting pods currently because it failed sync: {failed.Message}");
        }
        var now = Time.From(registry.Clock.GetUtcNow());
        var left = status.DisruptionsAllowed - 1;
        return budget with
        {
            Status = status with
            {
                DisruptionsAllowed = left,
                DisruptedPods = status.DisruptedPods.With(pod, now),
                Conditions = left > 0 ? status.Conditions : Exhausted(status.Conditions, budget.Metadata.Generation, now),
            },
        };
    }

    private static ApiList<Condition> Exhausted(ApiList<Condition> conditions, long generation, Time now) => conditions.Without(condition => condition.Type == DisruptionAllowed).Add(new()
    {
        Type = DisruptionAllowed,
        Status = "False",
        Reason = InsufficientPods,
        ObservedGeneration = generation,
        LastTransitionTime = now,
    });

    private static DeleteOptions AsOf(DeleteOptions options, Pod pod) =>
        options with { Preconditions = (options.Preconditions ?? Minke.Api.Meta.V1.Preconditions.Empty) with { ResourceVersion = pod.Metadata.ResourceVersion } };

    private static StatusException StillProcessed(PodDisruptionBudget budget) =>
        TooMany(RetryAfterSeconds, $"The disruption budget {budget.Metadata.Name} is still being processed by the server.");

    private static StatusException TooMany(int retryAfterSeconds, string why) => StatusException.Of(
        429, StatusReason.TooManyRequests, Refused, new() { RetryAfterSeconds = retryAfterSeconds, Causes = [new StatusCause { Reason = Cause, Message = why }] });

    // Upstream says the resource in the singular here.
    private static StatusException Forbidden(string name, string why) => StatusException.Of(
        403, StatusReason.Forbidden, $"poddisruptionbudget.policy \"{name}\" is forbidden: {why}", new() { Name = name, Group = "policy", Kind = "poddisruptionbudget" });
}
