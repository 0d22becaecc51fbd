using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Autoscaling.V1;
using Minke.Api.Meta.V1;
using Minke.Client;
using Minke.Server.CustomResources.Schemas;
using Minke.Server.Patching;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.CustomResources;

/// <summary>The <c>scale</c> subresource of a custom kind: an autoscaling/v1 Scale over the fields that the definition names.</summary>
internal sealed class CustomScale(ObjectRegistry registry)
{
    public async ValueTask HandleAsync(ApiRequest request)
    {
        var version = request.Resource.Custom!;
        if (request.Verb == "get")
        {
            var entry = await registry.GetEntryAsync(request.Resource, request.Namespace, request.Name, request.Cancelled);
            await AnswerAsync(request, ScaleOf(version, (CustomObject)StoredObject.Read(request.Resource, entry)));
            return;
        }
        var (context, change) = request.Verb == "patch" ? await PatchAsync(request) : await PutAsync(request);
        var view = new BodyView("scale", Scale.KindInfo, value => ScaleOf(version, (CustomObject)value),
            (value, scale) => WithReplicas(version, (CustomObject)value, ((Scale)scale).Spec.Replicas));
        // An update of the object itself, held to its validation; it names a version only if the Scale does.
        var written = await registry.UpdateAsync(
            request.Resource, "", request.Namespace, request.Name, old => Scaled(version, (CustomObject)old!, change), isPatch: true, context, request.Cancelled, view);
        Responses.Warn(request.Http, context.Warnings);
        await AnswerAsync(request, ScaleOf(version, (CustomObject)written.Object));
    }

    private static ValueTask AnswerAsync(ApiRequest request, Scale scale) => request.Media.Format == BodyFormat.Protobuf
        ? Responses.BytesAsync(request.Http, 200, request.Media.ContentType, Responses.Envelope(scale.WriteProto, scale.ApiVersion, scale.Kind))
        : Responses.PlainAsync(request.Http, 200, scale, request.Media);

    private static async ValueTask<(WriteContext, Func<Scale, Scale>)> PutAsync(ApiRequest request)
    {
        var options = QueryValues.Read(request.Http, UpdateOptions.FromQuery);
        var context = request.Context(options.DryRun, options.FieldManager);
        var scale = ObjectDecoder.Decode("Scale", await request.BodyAsync(), request.BodyFormat, Scale.ReadJson, Scale.ReadProto);
        return (context, _ => scale);
    }

    private static async ValueTask<(WriteContext, Func<Scale, Scale>)> PatchAsync(ApiRequest request)
    {
        var kind = PatchBody.KindOf(request.Http.Request.ContentType ?? "");
        var options = QueryValues.Read(request.Http, PatchOptions.FromQuery);
        var context = request.Context(options.DryRun, options.FieldManager);
        if (kind is not (PatchKind.Json or PatchKind.Merge))
            throw PatchBody.Unsupported(request.Resource);
        var body = await request.BodyAsync();
        return (context, old => Patched(old, kind, body));
    }

    private static Scale Patched(Scale old, PatchKind kind, byte[] body)
    {
        try
        {
            var document = JsonNode.Parse(Json.Write(old))!;
            var patch = JsonNode.Parse(body);
            var patched = kind == PatchKind.Json ? JsonPatch.Apply(document, patch) : MergePatch.Apply(document, patch);
            return Json.Read(JsonTree.Write(patched), Scale.ReadJson);
        }
        catch (Exception e) when (e is PatchException or JsonReadException or System.Text.Json.JsonException or ArgumentException or InvalidOperationException)
        {
            throw StatusException.BadRequest(e.Message);
        }
    }

    /// <exception cref="StatusException">500: there is no such field.</exception>
    private static Scale ScaleOf(CustomVersion version, CustomObject value)
    {
        var scale = version.Scale!;
        var tree = value.Tree();
        var (replicas, error, isFound) = NestedField.Count(tree, scale.SpecReplicasPath);
        if (error.Length > 0 || !isFound)
            throw StatusException.InternalError(error.Length > 0 ? error : $"the spec replicas field {FieldErrors.Quote(scale.SpecReplicasPath)} does not exist");
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
            Spec = new() { Replicas = (int)replicas },
            Status = new()
            {
                Replicas = (int)NestedField.Count(tree, scale.StatusReplicasPath).Value,
                Selector = scale.LabelSelectorPath is { Length: > 0 } selector ? NestedField.Text(tree, selector).Value : "",
            },
        };
    }

    private static CustomObject Scaled(CustomVersion version, CustomObject old, Func<Scale, Scale> change)
    {
        var scale = change(ScaleOf(version, old));
        return (CustomObject)WithReplicas(version, old, scale.Spec.Replicas).WithMetadata(old.Metadata with { ResourceVersion = scale.Metadata.ResourceVersion });
    }

    private static CustomObject WithReplicas(CustomVersion version, CustomObject value, int replicas)
    {
        var tree = value.Tree();
        return NestedField.Set(tree, version.Scale!.SpecReplicasPath, replicas)
            ? value.WithMembers(CustomObject.MembersOf(tree))
            : throw StatusException.InternalError($"the spec replicas field {FieldErrors.Quote(version.Scale.SpecReplicasPath)} does not exist");
    }
}
