using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission;

/// <summary>Nothing is made in a namespace that does not exist or is on its way out; three namespaces stay for ever.</summary>
internal sealed class NamespaceLifecycle(IStateStore store, ResourceCatalog catalog)
{
    private readonly Resource _namespaces = catalog.Find(Namespace.KindInfo)!;

    public void AdmitCreate(Resource resource, string @namespace, ObjectMeta metadata)
    {
        if (!resource.IsNamespaced)
            return;
        if (Find(@namespace).Status.Phase != NamespacePhase.Terminating)
            return;
        var name = AdmissionChain.NameOf(metadata);
        var forbidden = StatusException.Forbidden(resource.Kind, name,
            $"unable to create new content in namespace {@namespace} because it is being terminated").Status;
        throw new StatusException(forbidden with
        {
            Details = forbidden.Details! with
            {
                Causes = [new StatusCause { Reason = "NamespaceTerminating", Message = $"namespace {@namespace} is being terminated", Field = "metadata.namespace" }],
            },
        });
    }

    public void AdmitUpdate(Resource resource, string @namespace)
    {
        if (resource.IsNamespaced)
            Find(@namespace);
    }

    public static void AdmitDelete(Resource resource, IKubeObject value)
    {
        if (value is Namespace && value.Metadata.Name is "default" or "kube-system" or "kube-public")
            throw StatusException.Forbidden(resource.Kind, value.Metadata.Name, "this namespace may not be deleted");
    }

    private Namespace Find(string name) =>
        store.Snapshot().Get(_namespaces.Key("", name)) is { } entry
            ? (Namespace)StoredObject.Read(_namespaces, entry)
            : throw StatusException.NotFound(_namespaces.Kind, name);
}
