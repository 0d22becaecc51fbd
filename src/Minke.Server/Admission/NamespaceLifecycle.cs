using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission;

/// <summary>Nothing is made in a namespace that does not exist or is on its way out; three namespaces stay for ever.</summary>
internal sealed class NamespaceLifecycle(IStateStore store, ResourceCatalog catalog) : IAdmission
{
    private readonly Resource _namespaces = catalog.Find(Namespace.KindInfo)!;

    public ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.IsDelete)
            CheckDelete(request);
        else if (!request.IsConnect && request.Resource.IsNamespaced && !request.Resource.IsVirtual && Find(request.Namespace).Status.Phase == NamespacePhase.Terminating && request.IsCreate)
            throw Terminating(request);
        return default;
    }

    private static StatusException Terminating(AdmissionRequest request)
    {
        var forbidden = request.Forbidden($"unable to create new content in namespace {request.Namespace} because it is being terminated").Status;
        return new StatusException(forbidden with
        {
            Details = forbidden.Details! with
            {
                Causes =
                [
                    new StatusCause
                    {
                        Reason = "NamespaceTerminating",
                        Message = $"namespace {request.Namespace} is being terminated",
                        Field = "metadata.namespace",
                    },
                ],
            },
        });
    }

    private static void CheckDelete(AdmissionRequest request)
    {
        if (request is { Old: Namespace, Subresource: "", Name: "default" or "kube-system" or "kube-public" })
            throw request.Forbidden("this namespace may not be deleted");
    }

    private Namespace Find(string name) =>
        store.Snapshot().Get(_namespaces.Key("", name)) is { } entry
            ? (Namespace)StoredObject.Read(_namespaces, entry)
            : throw StatusException.NotFound(_namespaces.Kind, name);
}
