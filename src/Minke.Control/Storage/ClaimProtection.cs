using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client;

namespace Minke.Control.Storage;

/// <summary>
/// Lets a claim that is to be deleted go once no pod on a node uses it, and protects claims that are older than the protection. Upstream:
/// pkg/controller/volume/pvcprotection.
/// </summary>
public sealed class ClaimProtection(Informer<PersistentVolumeClaim> claims, Informer<Pod> pods, IApiClient api) : IReconciler
{
    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (claims.Get(key) is not { } claim)
            return Requeue.Never;
        var isProtected = claim.Metadata.Finalizers.Contains(StorageFinalizers.Claim);
        if (claim.Metadata.DeletionTimestamp is null)
        {
            if (!isProtected)
                await SetAsync(claim, claim.Metadata.Finalizers.Add(StorageFinalizers.Claim), cancellationToken);
        }
        else if (isProtected && !await IsUsedAsync(claim, cancellationToken))
        {
            await SetAsync(claim, claim.Metadata.Finalizers.Without(finalizer => finalizer == StorageFinalizers.Claim), cancellationToken);
        }
        return Requeue.Never;
    }

    /// <summary>The claims of a pod that may be waiting for it.</summary>
    public IEnumerable<ObjectKey> Waiting(Pod pod) => pod.Spec.Volumes
        .Select(volume => volume switch
        {
            { PersistentVolumeClaim: { } source } => source.ClaimName,
            { Ephemeral: not null } => EphemeralName(pod, volume),
            _ => "",
        })
        .Where(name => claims.Get(pod.Metadata.Namespace, name)?.Metadata.DeletionTimestamp is not null)
        .Select(name => new ObjectKey(pod.Metadata.Namespace, name));

    /// <summary>The cache may lag: only what the API says is proof that nobody does.</summary>
    private async Task<bool> IsUsedAsync(PersistentVolumeClaim claim, CancellationToken cancellationToken) =>
        pods.All.Any(pod => Uses(pod, claim))
        || (await api.ListAsync<Pod>(claim.Metadata.Namespace, Selection.All, cancellationToken)).Items.Any(pod => Uses(pod, claim));

    // A node starts no pod with a claim that is on its way out, so those without a node do not count.
    private static bool Uses(Pod pod, PersistentVolumeClaim claim) => pod.Metadata.Namespace == claim.Metadata.Namespace && pod.Spec.NodeName.Length > 0
        && pod.Spec.Volumes.Any(volume => volume.PersistentVolumeClaim?.ClaimName == claim.Metadata.Name
            || (volume.Ephemeral is not null && !IsShutDown(pod) && EphemeralName(pod, volume) == claim.Metadata.Name
                && claim.Metadata.OwnerReferences.Any(owner => owner.Controller == true && owner.Uid == pod.Metadata.Uid)));

    // The claim of its own would wait for the pod, and the pod perhaps for the claim.
    private static bool IsShutDown(Pod pod) => pod.Metadata is { DeletionTimestamp: not null, DeletionGracePeriodSeconds: 0 };

    private static string EphemeralName(Pod pod, Volume volume) => $"{pod.Metadata.Name}-{volume.Name}";

    private Task<PersistentVolumeClaim> SetAsync(PersistentVolumeClaim claim, ApiList<string> finalizers, CancellationToken cancellationToken) =>
        api.UpdateAsync(claim with { Metadata = claim.Metadata with { Finalizers = finalizers } }, cancellationToken);
}
