using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Server.CustomResources.Schemas;
using Minke.Server.Patching;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.Admission.Webhooks;

/// <summary>A webhook's patch put on an object: the result is read as any object sent, so it is pruned and has its defaults.</summary>
internal static class ObjectPatch
{
    /// <summary>The operations of a patch.</summary>
    /// <exception cref="CallFailedException">It cannot be read.</exception>
    public static JsonArray Decode(string webhook, byte[] patch)
    {
        JsonNode? tree;
        try
        {
            tree = JsonTree.Parse(patch);
        }
        catch (JsonReadException e)
        {
            throw Undecodable(webhook, e.Message);
        }
        if (tree is null)
            return [];
        if (tree is not JsonArray operations)
            throw Undecodable(webhook, $"json: cannot unmarshal {JsonTree.JsonType(tree)} into Go value of type jsonpatch.Patch");
        return operations.FirstOrDefault(operation => operation is not (null or JsonObject)) is not { } odd ? operations
            : throw Undecodable(webhook, $"json: cannot unmarshal {JsonTree.JsonType(odd)} into Go value of type jsonpatch.Operation");
    }

    /// <exception cref="StatusException">500: it does not fit the object, or what comes out is no object of its kind.</exception>
    public static IKubeObject Apply(JsonArray operations, IKubeObject value, Resource resource)
    {
        try
        {
            var tree = JsonPatch.Apply(JsonTree.Parse(Json.Write(value)), operations);
            if (tree is not JsonObject patched)
                throw new JsonReadException(GoTypeMeta.Unreadable + GoTypeMeta.NotIn(JsonTree.JsonType(tree)));
            CheckType(patched, value);
            var read = value.Info.ReadJson(JsonTree.Write(patched));
            return value.Info == resource.Kind ? ObjectDecoder.WithDefaults(resource, read) : read.WithConstantDefaults();
        }
        catch (Exception e) when (e is PatchException or JsonReadException or ArgumentException or InvalidOperationException)
        {
            throw StatusException.InternalError(e.Message);
        }
    }

    /// <summary>What the patch takes away is what it was; another kind cannot be turned into it.</summary>
    private static void CheckType(JsonObject patched, IKubeObject value)
    {
        var apiVersion = JsonTree.IsText(patched["apiVersion"], out var version) ? version : value.ApiVersion;
        var kind = JsonTree.IsText(patched["kind"], out var name) ? name : value.Kind;
        if (apiVersion == value.ApiVersion && kind == value.Kind)
            return;
        if (value.Info.IsDynamic)
        {
            var errors = new FieldErrors();
            if (kind != value.Kind)
                errors.Invalid("kind", kind, $"must be {value.Kind}");
            if (apiVersion != value.ApiVersion)
                errors.Invalid("apiVersion", apiVersion, $"must be {value.ApiVersion}");
            throw StatusException.Invalid(value.Info, value.Metadata.Name, errors);
        }
        throw Kinds.Find(apiVersion, kind) is { } other
            ? StatusException.Of(500, "", ObjectDecoder.NotConverted(other, value.Info), null)
            : new JsonReadException(ObjectDecoder.NotRegistered(apiVersion, kind));
    }

    private static CallFailedException Undecodable(string webhook, string why) => new(webhook, "received undecodable patch in webhook response: " + why);
}
