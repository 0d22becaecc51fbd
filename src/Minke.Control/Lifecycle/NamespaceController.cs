using System.Globalization;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Client;
using ConditionStatus = Minke.Api.Core.V1.ConditionStatus;

namespace Minke.Control.Lifecycle;

/// <summary>Empties namespaces that are being deleted, then lets them go by taking the finalizer <c>kubernetes</c> away.</summary>
public sealed class NamespaceController(Informer<Namespace> namespaces, IApiClient api, IServedKinds kinds, TimeProvider time) : IReconciler
{
    private static readonly TimeSpan RecheckInterval = TimeSpan.FromMilliseconds(500);

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (namespaces.Get(key) is not { } @namespace || @namespace.Metadata.DeletionTimestamp is null || @namespace.Spec.Finalizers.IsEmpty)
            return Requeue.Never;

        var remaining = new SortedDictionary<string, int>(StringComparer.Ordinal);
        var finalizers = new SortedDictionary<string, int>(StringComparer.Ordinal);
        // One version of each is enough: all show the same objects.
        foreach (var kind in kinds.Current.DistinctBy(kind => (kind.Group, kind.Plural)))
        {
            if (kind.IsNamespaced && kind.Verbs.Contains("delete") && kind.Verbs.Contains("list"))
                await EmptyAsync(kind, key.Name, remaining, finalizers, cancellationToken);
        }

        var status = Progress(@namespace.Status, remaining, finalizers);
        if (!Json.Same(status, @namespace.Status))
            @namespace = await api.UpdateStatusAsync(@namespace with { Status = status }, cancellationToken);
        if (remaining.Count > 0)
            return Requeue.After(RecheckInterval);

        await api.UpdateSubresourceAsync(
            @namespace with { Spec = @namespace.Spec with { Finalizers = @namespace.Spec.Finalizers.Without(finalizer => finalizer == FinalizerName.Kubernetes) } },
            "finalize", cancellationToken);
        return Requeue.Never;
    }

    private async Task EmptyAsync(
        KindInfo kind, string @namespace, SortedDictionary<string, int> remaining, SortedDictionary<string, int> finalizers, CancellationToken cancellationToken)
    {
        var resource = kind.Group.Length == 0 ? kind.Plural + "." : kind.Plural + "." + kind.Group;
        try
        {
            await EmptyAsync(kind, resource, @namespace, remaining, finalizers, cancellationToken);
        }
        catch (StatusException e) when (e.Code == 404)
        {
            // A custom kind that went, or changed, meanwhile: the next round sees it as it is.
            remaining.TryAdd(resource, 0);
        }
    }

    private async Task EmptyAsync(
        KindInfo kind, string resource, string @namespace, SortedDictionary<string, int> remaining, SortedDictionary<string, int> finalizers, CancellationToken cancellationToken)
    {
        foreach (var item in (await api.ListAsync(kind, @namespace, Selection.All, cancellationToken)).Items)
        {
            try
            {
                if (item.Metadata.DeletionTimestamp is null)
                    await api.DeleteAsync(kind, @namespace, item.Metadata.Name, new() { PropagationPolicy = DeletionPropagation.Background }, cancellationToken);
            }
            catch (StatusException e) when (e.Code is 404 or 409)
            {
                continue;
            }
        }
        foreach (var item in (await api.ListAsync(kind, @namespace, Selection.All, cancellationToken)).Items)
        {
            remaining[resource] = remaining.GetValueOrDefault(resource) + 1;
            foreach (var finalizer in item.Metadata.Finalizers)
                finalizers[finalizer] = finalizers.GetValueOrDefault(finalizer) + 1;
        }
    }

    private NamespaceStatus Progress(NamespaceStatus status, SortedDictionary<string, int> remaining, SortedDictionary<string, int> finalizers)
    {
        var conditions = status.Conditions;
        Set("NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered");
        Set("NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions", "All legacy kube types successfully parsed");
        Set("NamespaceDeletionContentFailure", false, "ContentDeleted", "All content successfully deleted, may be waiting on finalization");
        if (remaining.Count > 0)
            Set("NamespaceContentRemaining", true, "SomeResourcesRemain", "Some resources are remaining: " + Counts(remaining, "has", "resource instances"));
        else
            Set("NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed");
        if (finalizers.Count > 0)
            Set("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", "Some content in the namespace has finalizers remaining: " + Counts(finalizers, "in", "resource instances"));
        else
            Set("NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers", "All content-preserving finalizers finished");
        return status with { Phase = NamespacePhase.Terminating, Conditions = conditions };

        void Set(string type, bool value, string reason, string message)
        {
            var condition = new NamespaceCondition
            {
                Type = type,
                Status = value ? ConditionStatus.True : ConditionStatus.False,
                Reason = reason,
                Message = message,
                LastTransitionTime = Time.From(time.GetUtcNow()),
            };
            var index = conditions.ToList().FindIndex(other => other.Type == type);
            if (index < 0)
                conditions = conditions.Add(condition);
            else if (conditions[index].Status != condition.Status || conditions[index].Message != message)
                conditions = conditions.Set(index, conditions[index].Status == condition.Status ? condition with { LastTransitionTime = conditions[index].LastTransitionTime } : condition);
        }
    }

    private static string Counts(SortedDictionary<string, int> counts, string verb, string what) =>
        string.Join(", ", counts.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Key} {verb} {pair.Value} {what}")));
}
