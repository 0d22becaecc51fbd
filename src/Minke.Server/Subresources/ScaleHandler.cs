using Minke.Api;
using Minke.Api.Apps.V1;
using Minke.Api.Autoscaling.V1;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Client;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.Subresources;

/// <summary>
/// The scale of what has replicas: one form for all of them. It is read out of the object, and written back as its replicas alone, under the
/// version and uid that the Scale names.
/// </summary>
internal sealed class ScaleHandler(ObjectRegistry registry)
{
    private sealed record Scalable(Func<IKubeObject, Scale> Read, Func<IKubeObject, int, IKubeObject> WithReplicas);

    private static readonly Dictionary<KindInfo, Scalable> Kinds = new()
    {
        [Deployment.KindInfo] = Of<Deployment>(one => (one.Spec.Replicas, one.Status.Replicas, LabelQuery.From(one.Spec.Selector)),
            (one, replicas) => one with { Spec = one.Spec with { Replicas = replicas } }),
        [ReplicaSet.KindInfo] = Of<ReplicaSet>(one => (one.Spec.Replicas, one.Status.Replicas, LabelQuery.From(one.Spec.Selector)),
            (one, replicas) => one with { Spec = one.Spec with { Replicas = replicas } }),
        [StatefulSet.KindInfo] = Of<StatefulSet>(one => (one.Spec.Replicas, one.Status.Replicas, LabelQuery.From(one.Spec.Selector)),
            (one, replicas) => one with { Spec = one.Spec with { Replicas = replicas } }),
        [ReplicationController.KindInfo] = Of<ReplicationController>(one => (one.Spec.Replicas, one.Status.Replicas, LabelQuery.From(one.Spec.Selector)),
            (one, replicas) => one with { Spec = one.Spec with { Replicas = replicas } }),
    };

    // So that a Scale is decoded, patched and shown by the code of any other resource. It is stored nowhere.
    private static readonly Resource Resource = new()
    {
        Kind = Scale.KindInfo,
        Behavior = KindBehaviors.For(Scale.KindInfo),
        StorageKind = Scale.KindInfo,
        DecodeStored = entry => StoredObject.Decode(Scale.KindInfo, entry),
        Prefix = "/scales.autoscaling/",
        IsVirtual = true,
    };

    public async ValueTask HandleAsync(ApiRequest request)
    {
        var scalable = Kinds[request.Resource.Kind];
        switch (request.Verb)
        {
            case "get":
                var entry = registry.GetEntry(request.Resource, request.Namespace, request.Name);
                await AnswerAsync(request, scalable.Read(StoredObject.Read(request.Resource, entry)));
                break;
            case "patch":
                var patching = QueryValues.Read(request.Http, PatchOptions.FromQuery);
                var kind = PatchBody.KindOf(request.Http.Request.ContentType ?? "");
                var patchContext = request.Context(patching.DryRun, patching.FieldManager, patching.FieldValidation, kind, patching.Force);
                var body = await request.BodyAsync();
                if (kind == PatchKind.Apply)
                {
                    var config = ApplyBody.Read(body, patching.Force == true, out _);
                    await WriteAsync(request, scalable, old => registry.Ownership.Apply(Resource, "scale", old, config, patchContext), isPatch: true, patchContext);
                    break;
                }
                var patch = new ApiPatch(kind, body, "scale", patching.FieldManager);
                var change = PatchBody.Change(Resource, patch, QueryValues.FieldValidation(patching.FieldValidation), patchContext);
                await WriteAsync(request, scalable, change, isPatch: true, patchContext);
                break;
            default:
                var options = QueryValues.Read(request.Http, UpdateOptions.FromQuery);
                var context = request.Context(options.DryRun, options.FieldManager, options.FieldValidation);
                var scale = ObjectDecoder.Decode(Resource, await request.BodyAsync(), request.BodyFormat, QueryValues.FieldValidation(options.FieldValidation), context);
                ResourceHandler.CheckName(request, scale);
                await WriteAsync(request, scalable, _ => scale, isPatch: false, context);
                break;
        }
    }

    private async ValueTask WriteAsync(ApiRequest request, Scalable scalable, Func<IKubeObject?, IKubeObject> change, bool isPatch, WriteContext context)
    {
        var view = new BodyView("scale", Scale.KindInfo, scalable.Read, (value, scale) => scalable.WithReplicas(value, ((Scale)scale).Spec.Replicas));
        var written = await registry.UpdateAsync(
            request.Resource, "", request.Namespace, request.Name, old => Changed(request, scalable, old, change, context), isPatch, context, request.Cancelled, view);
        Responses.Warn(request.Http, context.Warnings);
        await AnswerAsync(request, scalable.Read(written.Object));
    }

    private IKubeObject Changed(ApiRequest request, Scalable scalable, IKubeObject? old, Func<IKubeObject?, IKubeObject> change, WriteContext context)
    {
        var kind = request.Resource.Kind;
        if (old is null)
            throw StatusException.NotFound(kind.Group, kind.Plural + "/scale", request.Name);
        var shown = scalable.Read(old);
        // Who owns the replicas is known by the object's managers; an apply of its scale is told, and tells.
        var owners = context.HasFinalManagers ? registry.Ownership.OfScale(old, "spec", "replicas") : null;
        if (owners is not null)
            shown = shown with { Metadata = shown.Metadata with { ManagedFields = owners.OfScale() } };
        var scale = (Scale)change(shown);
        if (scale.Metadata.Namespace.Length == 0)
            scale = scale with { Metadata = scale.Metadata with { Namespace = request.Namespace } };
        var errors = new FieldErrors();
        ObjectMetaRules.Validate(scale.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        if (scale.Spec.Replicas < 0)
            errors.Invalid("spec.replicas", scale.Spec.Replicas, "must be greater than or equal to 0");
        if (errors.Count > 0)
            throw StatusException.Invalid(Scale.KindInfo, request.Name, errors);
        if (scale.Metadata.Uid.Length > 0 && scale.Metadata.Uid != old.Metadata.Uid)
        {
            throw StatusException.Of(409, StatusReason.Conflict,
                $"Operation cannot be fulfilled on {kind.Plural}{(kind.Group.Length == 0 ? "" : "." + kind.Group)}/scale \"{request.Name}\": "
                + $"Precondition failed: UID in precondition: {scale.Metadata.Uid}, UID in object meta: {old.Metadata.Uid}",
                new() { Name = request.Name, Group = kind.Group, Kind = kind.Plural + "/scale" });
        }
        var metadata = old.Metadata with { ResourceVersion = scale.Metadata.ResourceVersion };
        if (owners is not null)
            metadata = metadata with { ManagedFields = owners.OfParent(scale.Metadata.ManagedFields) };
        return scalable.WithReplicas(old.WithMetadata(metadata), scale.Spec.Replicas);
    }

    private static ValueTask AnswerAsync(ApiRequest request, Scale scale) => Responses.ObjectAsync(request.With(Resource), 200, scale);

    private static Scalable Of<T>(Func<T, (int? Wanted, int Present, LabelQuery Pods)> read, Func<T, int, T> withReplicas) where T : class, IKubeObject => new(
        value =>
        {
            var (wanted, present, pods) = read((T)value);
            var metadata = value.Metadata;
            return new Scale
            {
                Metadata = new()
                {
                    Name = metadata.Name,
                    Namespace = metadata.Namespace,
                    Uid = metadata.Uid,
                    ResourceVersion = metadata.ResourceVersion,
                    CreationTimestamp = metadata.CreationTimestamp,
                },
                Spec = new() { Replicas = wanted ?? 0 },
                Status = new() { Replicas = present, Selector = pods.ToString() },
            };
        },
        (value, replicas) => withReplicas((T)value, replicas));
}
