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
        catch (JsonReadException)
        {
            throw Undecodable(webhook, GoJsonError.Of(patch));
        }
        if (tree is null)
            return [];
        if (tree is not JsonArray operations)
            throw Undecodable(webhook, $"json: cannot unmarshal {(tree is JsonObject ? "object" : tree.GetValueKind().ToString().ToLowerInvariant())} into Go value of type jsonpatch.Patch");
        return operations.All(operation => operation is JsonObject) ? operations
            : throw Undecodable(webhook, "json: cannot unmarshal into Go value of type jsonpatch.Operation");
    }

    /// <exception cref="StatusException">500: it does not fit the object, or what comes out is no object of its kind.</exception>
    public static IKubeObject Apply(JsonArray operations, IKubeObject value, Resource resource)
    {
        try
        {
            var patched = JsonPatch.Apply(JsonTree.Parse(Json.Write(value)), operations) as JsonObject
                ?? throw new JsonReadException("json: cannot unmarshal into Go value of type map[string]interface {}");
            CheckType(patched, value);
            var read = value.Info.ReadJson(JsonTree.Write(patched));
            return value.Info == resource.Kind ? ObjectDecoder.WithDefaults(resource, read) : read.WithConstantDefaults();
        }
        catch (Exception e) when (e is PatchException or JsonReadException or ArgumentException or InvalidOperationException)
        {
            throw StatusException.InternalError(e.Message);
        }
    }

    private static void CheckType(JsonObject patched, IKubeObject value)
    {
        JsonTree.IsText(patched["apiVersion"], out var apiVersion);
        JsonTree.IsText(patched["kind"], out var kind);
        if (apiVersion != value.ApiVersion || kind != value.Kind)
            throw new JsonReadException($"unable to decode {(apiVersion.Length == 0 ? "/" : apiVersion)}, Kind={kind} into {value.ApiVersion}, Kind={value.Kind}");
    }

    private static CallFailedException Undecodable(string webhook, string why) => new(webhook, "received undecodable patch in webhook response: " + why);
}
