using Minke.Api;
using Minke.Server.CustomResources;
using Minke.Server.Registry;

namespace Minke.Server.Admission.Webhooks;

/// <summary>The objects of a request as a webhook sees them: in the version that its rules name.</summary>
internal sealed record ReviewedObjects(Resource Resource, IKubeObject? Object, IKubeObject? Old)
{
    /// <summary>Of the object; bodies of subresources are the same in every version.</summary>
    public KindInfo KindOf(AdmissionRequest request) => ReferenceEquals(request.ObjectKind, request.Kind) ? Resource.Kind : request.ObjectKind;

    public static async ValueTask<ReviewedObjects> OfAsync(AdmissionRequest request, Resource resource, CancellationToken cancellationToken) =>
        ReferenceEquals(resource, request.Resource) || !ReferenceEquals(request.ObjectKind, request.Kind)
            ? new(resource, request.Object, request.Old)
            : new(resource, await ConvertAsync(request.Object, request.Resource, resource, cancellationToken),
                await ConvertAsync(request.Old, request.Resource, resource, cancellationToken));

    /// <exception cref="StatusException">500: whoever converts could not.</exception>
    public static async ValueTask<IKubeObject?> ConvertAsync(IKubeObject? value, Resource from, Resource to, CancellationToken cancellationToken)
    {
        if (value is null || value.Info == to.Kind)
            return value;
        if (value is CustomObject custom && to.Custom is { } version)
        {
            try
            {
                return await version.Definition.ConvertAsync(custom, version, cancellationToken);
            }
            catch (StatusException e)
            {
                throw StatusException.InternalError(e.Message);
            }
        }
        var stored = from.Conversion is null ? value : from.Conversion.ToStored(value);
        return to.Conversion is null ? stored : to.Conversion.FromStored(stored);
    }
}
