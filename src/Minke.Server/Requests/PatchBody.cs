using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Client;
using Minke.Server.Patching;
using Minke.Server.Registry;

namespace Minke.Server.Requests;

/// <summary>A patch as the change it makes of an object: to JSON, patched, and back, with the errors upstream gives at each step.</summary>
internal static class PatchBody
{
    public const string Types = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml";

    public const string CustomTypes = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

    private static readonly JsonDocumentOptions DocumentOptions = new() { MaxDepth = 128 };

    /// <exception cref="StatusException">415.</exception>
    public static PatchKind KindOf(string contentType) => contentType.Split(';')[0].Trim() switch
    {
        "application/json-patch+json" => PatchKind.Json,
        "application/merge-patch+json" => PatchKind.Merge,
        "application/strategic-merge-patch+json" => PatchKind.StrategicMerge,
        "application/apply-patch+yaml" => PatchKind.Apply,
        _ => throw Unsupported(),
    };

    /// <exception cref="StatusException">400: the patch is not JSON.</exception>
    public static Func<IKubeObject?, IKubeObject> Change(Resource resource, ApiPatch patch, FieldValidation validation, WriteContext context)
    {
        if (patch.Kind == PatchKind.StrategicMerge && resource.Custom is not null)
            throw Unsupported(resource);
        _ = PatchText.Read(patch.Body, patch.Kind);
        return old => Apply(resource, old!, patch, validation, context);
    }

    private static IKubeObject Apply(Resource resource, IKubeObject old, ApiPatch patch, FieldValidation validation, WriteContext context)
    {
        // Who owns what is a third of many objects and seldom meant: it need not go through the patch.
        var bypass = patch.Kind != PatchKind.Json && patch.Body.AsSpan().IndexOf("managedFields"u8) < 0 ? old.Metadata.ManagedFields : default;
        var source = bypass.IsEmpty ? old : old.WithMetadata(old.Metadata with { ManagedFields = default });
        var document = JsonNode.Parse(Json.Write(source), documentOptions: DocumentOptions)!;
        var text = PatchText.Read(patch.Body, patch.Kind);
        var change = text.Patch;
        byte[] json;
        try
        {
            document = patch.Kind switch
            {
                PatchKind.Json => JsonPatch.Apply(document, change),
                PatchKind.Merge => MergePatch.Apply(document, change),
                _ => StrategicMergePatch.Apply(document.AsObject(), change as JsonObject ?? [], resource.Kind.Schema),
            };
            json = Bytes(document);
        }
        catch (PatchException e)
        {
            throw e.Failure switch
            {
                PatchFailure.Unprocessable => StatusException.Of(
                    422, StatusReason.Invalid, "the server rejected our request due to an error in our request", StatusDetails.Empty),
                PatchFailure.Untyped => StatusException.Of(500, "", e.Message, null),
                PatchFailure.TooLarge => StatusException.TooLarge("Request entity too large: " + e.Message),
                _ => StatusException.BadRequest(e.Message),
            };
        }
        catch (Exception e) when (e is InvalidOperationException or JsonException)
        {
            // Text that is no UTF-8: the nodes find out when they are used.
            throw StatusException.BadRequest("invalid JSON document");
        }
        var value = Decode(resource, json, patch, text.Problems, validation, context);
        return bypass.IsEmpty ? value : value.WithMetadata(value.Metadata with { ManagedFields = bypass });
    }

    private static IKubeObject Decode(Resource resource, byte[] json, ApiPatch patch, IReadOnlyList<string> problems, FieldValidation validation, WriteContext context)
    {
        var strict = new JsonReadContext();
        IKubeObject value;
        try
        {
            value = resource.Kind.ReadJson(json, strict);
        }
        catch (JsonReadException e)
        {
            throw Invalid(patch, json, e.Message);
        }
        problems = [.. problems, .. strict.StrictErrors];
        if (problems.Count > 0 && validation == FieldValidation.Strict)
            throw Invalid(patch, json, "strict decoding error: " + string.Join(", ", problems));
        if (validation == FieldValidation.Warn)
            context.Warnings.AddRange(problems);
        return ObjectDecoder.WithDefaults(resource, value);
    }

    private static byte[] Bytes(JsonNode? document)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>(2048);
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
        {
            if (document is null)
                writer.WriteNullValue();
            else
                document.WriteTo(writer);
        }
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>As upstream, a strategic patch is shown as it was sent, of the others the object they made.</summary>
    private static StatusException Invalid(ApiPatch patch, byte[] patched, string why)
    {
        var errors = new FieldErrors();
        var shown = patch.Kind == PatchKind.StrategicMerge
            ? GoMapText.Of(PatchText.Read(patch.Body, patch.Kind).Patch) : System.Text.Encoding.UTF8.GetString(patched);
        errors.Invalid("patch", shown, why);
        return StatusException.Invalid("", "", "", errors);
    }

    private static StatusException Unsupported() => Unsupported(null);

    /// <summary>415. Custom objects have no struct tags that say how to merge.</summary>
    public static StatusException Unsupported(Resource? resource) => StatusException.UnsupportedMediaType(
        $"the body of the request was in an unknown format - accepted media types include: {(resource?.Custom is null ? Types : CustomTypes)}");
}
