using Minke.Api.Meta.V1;
using Minke.Client;

namespace Minke.Server.Requests;

/// <summary>PATCH: the object is read, changed in its JSON form, decoded and swapped in, anew when somebody else was first.</summary>
internal sealed partial class ResourceHandler
{
    public async ValueTask PatchAsync(ApiRequest request)
    {
        var kind = PatchBody.KindOf(request.Http.Request.ContentType ?? "");
        var options = QueryValues.Read(request.Http, PatchOptions.FromQuery);
        var context = request.Context(options.DryRun, options.FieldManager);
        if (options.Force is not null)
        {
            var errors = new Minke.Api.FieldErrors();
            errors.Forbidden("force", "may not be specified for non-apply patch");
            throw Minke.Api.StatusException.Invalid("meta.k8s.io", "PatchOptions", "", errors);
        }
        var patch = new ApiPatch(kind, await request.BodyAsync(), request.Target.Subresource, options.FieldManager);
        var change = PatchBody.Change(request.Resource, patch, QueryValues.FieldValidation(options.FieldValidation), context);
        var written = await registry.UpdateAsync(
            request.Resource, request.Target.Subresource, request.Namespace, request.Name, change, isPatch: true, context, request.Cancelled);
        Responses.Warn(request.Http, context.Warnings);
        await Responses.WrittenAsync(request, 200, written);
    }
}
