using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client;

namespace Minke.Control.Storage;

/// <summary>
/// Lets a volume that is to be deleted go once no claim is bound to it, and protects volumes that are older than the protection. Upstream:
/// pkg/controller/volume/pvprotection.
/// </summary>
public sealed class VolumeProtection(Informer<PersistentVolume> volumes, IApiClient api) : IReconciler
{
    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (volumes.Get(key) is not { } volume)
            return Requeue.Never;
        var finalizers = volume.Metadata.Finalizers;
        var isProtected = finalizers.Contains(StorageFinalizers.Volume);
        if (volume.Metadata.DeletionTimestamp is null && !isProtected)
            finalizers = finalizers.Add(StorageFinalizers.Volume);
        else if (volume.Metadata.DeletionTimestamp is not null && isProtected && volume.Status.Phase != PersistentVolumePhase.Bound)
            finalizers = finalizers.Without(finalizer => finalizer == StorageFinalizers.Volume);
        else
            return Requeue.Never;
        await api.UpdateAsync(volume with { Metadata = volume.Metadata with { Finalizers = finalizers } }, cancellationToken);
        return Requeue.Never;
    }
}
