using Minke.Api;
using Minke.Api.Core.V1;

namespace Minke.Server.Admission;

/// <summary>Volumes and claims stay as long as somebody uses them: their protection controllers take these finalizers away.</summary>
internal sealed class StorageObjectInUseProtection : IAdmission
{
    public ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Creates<PersistentVolume>(out var volume))
            request.Object = Protected(volume, StorageFinalizers.Volume);
        else if (request.Creates<PersistentVolumeClaim>(out var claim))
            request.Object = Protected(claim, StorageFinalizers.Claim);
        return default;
    }

    private static IKubeObject Protected(IKubeObject value, string finalizer) => value.Metadata.Finalizers.Contains(finalizer)
        ? value : value.WithMetadata(value.Metadata with { Finalizers = value.Metadata.Finalizers.Add(finalizer) });
}
