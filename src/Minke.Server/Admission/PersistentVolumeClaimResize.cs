using Minke.Api.Core.V1;
using Minke.Api.Storage.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission;

/// <summary>A claim grows only once it is bound, and only in a class that allows it.</summary>
internal sealed class PersistentVolumeClaimResize(IStateStore store, ResourceCatalog catalog) : IAdmission
{
    private const string ClassAnnotation = "volume.beta.kubernetes.io/storage-class";

    private readonly Resource? _classes = catalog.Find(StorageClass.KindInfo);

    public ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request is { IsUpdate: true, Subresource: "", Object: PersistentVolumeClaim claim, Old: PersistentVolumeClaim old } && SizeOf(claim) > SizeOf(old))
        {
            if (old.Status.Phase != PersistentVolumeClaimPhase.Bound)
                throw request.Forbidden("Only bound persistent volume claims can be expanded");
            if (!CanGrow(ClassOf(claim), ClassOf(old)))
                throw request.Forbidden("only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize");
        }
        return default;
    }

    private bool CanGrow(string name, string before) => name.Length > 0 && name == before && _classes is not null
        && store.Snapshot().Get(_classes.Key("", name)) is { } entry && StoredObject.Read(_classes, entry) is StorageClass { AllowVolumeExpansion: true };

    private static decimal SizeOf(PersistentVolumeClaim claim) => claim.Spec.Resources.Requests.GetValueOrDefault("storage").Value;

    private static string ClassOf(PersistentVolumeClaim claim) =>
        claim.Metadata.Annotations.TryGetValue(ClassAnnotation, out var annotated) ? annotated : claim.Spec.StorageClassName ?? "";
}
