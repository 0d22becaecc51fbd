using Minke.Api.Networking.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission;

/// <summary>An Ingress that asks for no class gets the one that is marked as everybody's: the newest, should several be.</summary>
internal sealed class DefaultIngressClass(IStateStore store, ResourceCatalog catalog) : IAdmission
{
    private const string ClassAnnotation = "kubernetes.io/ingress.class";

    private readonly Resource? _classes = catalog.Find(IngressClass.KindInfo);

    public ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Creates<Ingress>(out var ingress) && ingress.Spec.IngressClassName is null
            && !ingress.Metadata.Annotations.ContainsKey(ClassAnnotation) && Default() is { } name)
            request.Object = ingress with { Spec = ingress.Spec with { IngressClassName = name } };
        return default;
    }

    private string? Default() => _classes is null ? null : store.Snapshot().Range(_classes.Prefix)
        .Select(entry => StoredObject.Read(_classes, entry).Metadata)
        .Where(metadata => metadata.Annotations.GetValueOrDefault("ingressclass.kubernetes.io/is-default-class") == "true")
        .NewestName();
}
