using Minke.Api;
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
        var context = request.Context(options.DryRun, options.FieldManager, options.FieldValidation, kind, options.Force);
        var validation = QueryValues.FieldValidation(options.FieldValidation);
        var body = await request.BodyAsync();
        var (resource, subresource) = (request.Resource, request.Target.Subresource);
        Func<IKubeObject?, IKubeObject> change;
        if (kind == PatchKind.Apply)
        {
            var config = ApplyBody.Read(body, options.Force == true, out var duplicates);
            change = old =>
            {
                var applied = registry.Ownership.Apply(resource, subresource, old, config, context);
                // As upstream, what is wrong with the apply comes before what is wrong with its text.
                ApplyBody.Report(duplicates, validation, context);
                return applied;
            };
        }
        else
        {
            change = PatchBody.Change(resource, new ApiPatch(kind, body, subresource, context.FieldManager), validation, context);
        }
        var written = await registry.UpdateAsync(
            resource, subresource, request.Namespace, request.Name, old => Named(request, change(old)), isPatch: true, context, request.Cancelled);
        Responses.Warn(request.Http, context.Warnings);
        await Responses.WrittenAsync(request, written.IsCreated ? 201 : 200, written);
    }

    /// <summary>A patch may not make another object of it.</summary>
    private static IKubeObject Named(ApiRequest request, IKubeObject value)
    {
        CheckName(request, value);
        return value;
    }
}
