using Minke.Api.Core.V1;
using Minke.Api.Storage.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission;

/// <summary>A claim that asks for no class gets the one that is marked as everybody's: the newest, should several be.</summary>
internal sealed class DefaultStorageClass(IStateStore store, ResourceCatalog catalog) : IAdmission
{
    private const string ClassAnnotation = "volume.beta.kubernetes.io/storage-class";

    private readonly Resource? _classes = catalog.Find(StorageClass.KindInfo);

    public ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Creates<PersistentVolumeClaim>(out var claim) && claim.Spec.StorageClassName is null
            && !claim.Metadata.Annotations.ContainsKey(ClassAnnotation) && Default() is { } name)
            request.Object = claim with { Spec = claim.Spec with { StorageClassName = name } };
        return default;
    }

    private string? Default() => _classes is null ? null : store.Snapshot().Range(_classes.Prefix)
        .Select(entry => StoredObject.Read(_classes, entry).Metadata)
        .Where(metadata => metadata.Annotations.GetValueOrDefault("storageclass.kubernetes.io/is-default-class") == "true"
            || metadata.Annotations.GetValueOrDefault("storageclass.beta.kubernetes.io/is-default-class") == "true")
        .NewestName();
}
