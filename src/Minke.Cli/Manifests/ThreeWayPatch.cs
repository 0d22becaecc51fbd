using System.Text.Json.Nodes;
using Minke.Api;

namespace Minke.Cli.Manifests;

/// <summary>
/// The patch that brings an object from what its manifest said last time to what it says now, as <c>kubectl apply</c> makes it:
/// strategic merge where the shape of the type is known, JSON merge (RFC 7396) elsewhere.
/// </summary>
/// <remarks>
/// Everything the manifest says is in the patch; what it said before and says no more is removed; what others added stays. Lists with
/// a merge key are merged by the server item by item, so a token volume it added to a pod survives; all other lists are replaced.
/// </remarks>
internal static class ThreeWayPatch
{
    /// <param name="before">The manifest as last applied; null when unknown.</param>
    /// <param name="now">The manifest.</param>
    /// <param name="schema">Shape of the kind; null for custom resources.</param>
    public static JsonObject Make(JsonObject? before, JsonObject now, TypeSchema? schema)
    {
        var patch = (JsonObject)now.DeepClone();
        if (before is not null)
            AddRemovals(before, now, patch, schema);
        return patch;
    }

    private static void AddRemovals(JsonObject before, JsonObject now, JsonObject patch, TypeSchema? schema)
    {
        foreach (var (key, old) in before)
        {
            var field = schema?.Field(key);
            if (!now.TryGetPropertyValue(key, out var current))
                patch[key] = null;
            else if (old is JsonObject oldMap && current is JsonObject currentMap)
                AddRemovals(oldMap, currentMap, (JsonObject)patch[key]!, SchemaOf(field?.Type));
            else if (old is JsonArray oldList && current is JsonArray currentList && field is { IsMerged: true })
                AddListRemovals(oldList, currentList, patch, key, field);
        }
    }

    private static void AddListRemovals(JsonArray before, JsonArray now, JsonObject patch, string key, FieldSchema field)
    {
        var list = (JsonArray)patch[key]!;
        if (field.MergeKey.Length == 0)
        {
            // Lists of values: the server merges as sets.
            var gone = before.Where(old => !now.Any(item => JsonNode.DeepEquals(item, old))).Select(old => old?.DeepClone()).ToArray();
            if (gone.Length > 0)
                patch["$deleteFromPrimitiveList/" + key] = new JsonArray(gone);
            return;
        }
        foreach (var old in before.OfType<JsonObject>())
        {
            if (old[field.MergeKey] is not { } name)
                continue;
            var at = IndexOf(now, field.MergeKey, name);
            if (at < 0)
                list.Add((JsonNode)new JsonObject { [field.MergeKey] = name.DeepClone(), ["$patch"] = "delete" });
            else if (now[at] is JsonObject current)
                AddRemovals(old, current, (JsonObject)list[at]!, SchemaOf(field.Type.Element));
        }
    }

    private static int IndexOf(JsonArray list, string key, JsonNode name)
    {
        for (var i = 0; i < list.Count; i++)
        {
            if (list[i] is JsonObject item && JsonNode.DeepEquals(item[key], name))
                return i;
        }
        return -1;
    }

    private static TypeSchema? SchemaOf(TypeRef? type) => type switch
    {
        { Type: SchemaType.Struct } => type.Struct,
        _ => null,
    };
}
