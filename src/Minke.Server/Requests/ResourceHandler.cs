using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.Audit;
using Minke.Server.Registry;

namespace Minke.Server.Requests;

/// <summary>The verbs on stored resources.</summary>
internal sealed partial class ResourceHandler(ObjectRegistry registry, IdSource ids)
{
    public async ValueTask GetAsync(ApiRequest request)
    {
        var options = QueryValues.Read(request.Http, GetOptions.FromQuery);
        if (ListQuery.ParseRevision(options.ResourceVersion) is { Value: > 0 } revision && revision > registry.Store.CurrentRevision)
            await registry.WaitForAsync(revision, request.Cancelled);
        await Responses.EntryAsync(request, 200, await registry.GetEntryAsync(request.Resource, request.Namespace, request.Name, request.Cancelled));
    }

    public async ValueTask ListAsync(ApiRequest request)
    {
        var query = ListQuery.From(QueryValues.Read(request.Http, ListOptions.FromQuery), request.Resource.Kind);
        await Responses.ListAsync(request, await registry.ListAsync(request.Resource, request.Namespace, query, request.Cancelled));
    }

    public async ValueTask CreateAsync(ApiRequest request)
    {
        if (request.Resource.Custom is { Definition.IsTerminating: true })
            throw CreatedWhileTerminating(request.Resource.Kind);
        var options = QueryValues.Read(request.Http, CreateOptions.FromQuery);
        var context = request.Context(options.DryRun, options.FieldManager, options.FieldValidation);
        var body = await request.BodyAsync();
        var value = ObjectDecoder.Decode(request.Resource, body, request.BodyFormat, QueryValues.FieldValidation(options.FieldValidation), context);
        var written = await registry.CreateAsync(request.Resource, request.Namespace, value, context, request.Cancelled);
        Responses.Warn(request.Http, context.Warnings);
        await Responses.WrittenAsync(request, 201, written);
    }

    public async ValueTask UpdateAsync(ApiRequest request)
    {
        var options = QueryValues.Read(request.Http, UpdateOptions.FromQuery);
        var context = request.Context(options.DryRun, options.FieldManager, options.FieldValidation);
        var body = await request.BodyAsync();
        var value = ObjectDecoder.Decode(request.Resource, body, request.BodyFormat, QueryValues.FieldValidation(options.FieldValidation), context);
        CheckName(request, value);
        var written = await registry.UpdateAsync(
            request.Resource, request.Target.Subresource, request.Namespace, request.Name, _ => value, isPatch: false, context, request.Cancelled);
        Responses.Warn(request.Http, context.Warnings);
        await Responses.WrittenAsync(request, written.IsCreated ? 201 : 200, written);
    }

    public async ValueTask DeleteAsync(ApiRequest request)
    {
        var options = await ReadDeleteOptionsAsync(request);
        var context = request.Known(new WriteContext { User = request.User, IsDryRun = DryRun.IsOn(options.DryRun), Audit = request.Http.Features.Get<AuditRecord>() });
        var written = await registry.DeleteAsync(request.Resource, request.Namespace, request.Name, options, context, request.Cancelled);
        Responses.Warn(request.Http, context.Warnings);
        var code = !written.IsRemoved && (options.OrphanDependents == false || options.PropagationPolicy == DeletionPropagation.Foreground) ? 202 : 200;
        var kind = request.Resource.Kind;
        if (!written.IsRemoved || request.Resource.ReturnsDeleted)
        {
            await Responses.WrittenAsync(request, code, written);
            return;
        }
        await Responses.StatusAsync(request.Http, new Status
        {
            StatusValue = "Success",
            Details = new() { Name = request.Name, Group = kind.Group, Kind = kind.Plural, Uid = written.Object.Metadata.Uid },
            Code = code,
        }, request.Media with { Projection = Projection.None }, hasCode: false);
    }

    public async ValueTask DeleteCollectionAsync(ApiRequest request)
    {
        var options = await ReadDeleteOptionsAsync(request);
        var query = ListQuery.From(QueryValues.Read(request.Http, ListOptions.FromQuery), request.Resource.Kind);
        var context = request.Known(new WriteContext { User = request.User, IsDryRun = DryRun.IsOn(options.DryRun), Audit = request.Http.Features.Get<AuditRecord>(), IsOfCollection = true });
        var deleted = await registry.DeleteCollectionAsync(request.Resource, request.Namespace, query, options, context, request.Cancelled);
        Responses.Warn(request.Http, context.Warnings);
        await Responses.ListAsync(request, deleted, new ListMeta { ResourceVersion = registry.Store.CurrentRevision.ToString() });
    }

    /// <summary>From the body, or from the query when there is none.</summary>
    private static async ValueTask<DeleteOptions> ReadDeleteOptionsAsync(ApiRequest request)
    {
        var body = await request.BodyAsync();
        if (body.Length > 0)
            return ObjectDecoder.Decode("DeleteOptions", body, request.BodyFormat, DeleteOptions.ReadJson, DeleteOptions.ReadProto);
        return QueryValues.Read(request.Http, static query => new DeleteOptions
        {
            GracePeriodSeconds = query.NullableInt64("gracePeriodSeconds"),
            OrphanDependents = query.NullableBool("orphanDependents"),
            PropagationPolicy = query.String("propagationPolicy") is { Length: > 0 } policy ? policy : null,
            DryRun = query.Strings("dryRun"),
            Preconditions = query.String("preconditions.uid") is { Length: > 0 } uid ? new() { Uid = uid } : null,
        });
    }

    private static StatusException CreatedWhileTerminating(KindInfo kind) => StatusException.Of(
        405, StatusReason.MethodNotAllowed, "create not allowed while custom resource definition is terminating", new() { Group = kind.Group, Kind = kind.Plural });

    public static void CheckName(ApiRequest request, IKubeObject value)
    {
        var metadata = value.Metadata;
        if (metadata.Name.Length == 0)
            throw StatusException.BadRequest($"the name of the object ({request.Name} based on URL) was undeterminable: name must be provided");
        if (metadata.Name != request.Name)
            throw StatusException.BadRequest($"the name of the object ({metadata.Name}) does not match the name on the URL ({request.Name})");
        if (request.Namespace.Length > 0 && metadata.Namespace.Length > 0 && metadata.Namespace != request.Namespace)
        {
            throw StatusException.BadRequest(
                $"the namespace of the object ({metadata.Namespace}) does not match the namespace on the request ({request.Namespace})");
        }
    }
}
