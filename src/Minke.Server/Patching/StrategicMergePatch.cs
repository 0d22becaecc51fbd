using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;

namespace Minke.Server.Patching;

/// <summary>
/// Strategic merge patch: a merge patch that knows which lists are merged, and by which key. (apimachinery/util/strategicpatch)
/// </summary>
/// <remarks>
/// Directives: <c>$patch</c> (replace, delete, merge) in maps and list items, <c>$retainKeys</c>, <c>$setElementOrder/LIST</c>,
/// <c>$deleteFromPrimitiveList/LIST</c>. Where the schema knows nothing, maps merge and lists are replaced.
/// </remarks>
public static class StrategicMergePatch
{
    private const string Directive = "$patch";
    private const string RetainKeys = "$retainKeys";
    private const string SetElementOrder = "$setElementOrder/";
    private const string DeleteFromPrimitiveList = "$deleteFromPrimitiveList/";

    /// <summary>The patched object; <paramref name="original"/> is changed and may be returned. <paramref name="patch"/> is used up.</summary>
    /// <exception cref="PatchException">A directive is malformed or a merge key is missing.</exception>
    public static JsonObject Apply(JsonObject original, JsonObject patch, TypeSchema? schema) => MergeMap(original, patch, Shape.Of(schema));

    /// <summary>What is known of a place: a struct's fields, or the one type of a map's values.</summary>
    private readonly record struct Shape(TypeSchema? Struct, TypeRef? MapValue)
    {
        public static Shape Of(TypeSchema? schema) => new(schema, null);

        public static Shape Of(TypeRef? type) => type?.Type switch
        {
            SchemaType.Struct => new(type.Struct, null),
            SchemaType.Map => new(null, type.Element),
            _ => default,
        };

        public FieldSchema? Field(string name) => Struct?.Field(name);

        public Shape Child(string name) => Of(MapValue ?? Field(name)?.Type);

        public Shape Items(string name) => Of((MapValue ?? Field(name)?.Type)?.Element);
    }

    private static JsonObject MergeMap(JsonObject original, JsonObject patch, Shape shape)
    {
        if (patch.TryGetPropertyValue(Directive, out var directive))
        {
            switch (Text(directive))
            {
                case "replace":
                    patch.Remove(Directive);
                    return patch;
                case "delete":
                    return [];
                default:
                    // "merge" as well: it is what happens without a word, and upstream does not know the word here.
                    throw Untyped($"unknown patch type: {GoMapText.Of(directive)} in map: {GoMapText.Of(patch)}");
            }
        }
        KeepOnlyRetained(original, patch);
        MergeOrderedLists(original, patch, shape);

        foreach (var (key, value) in patch.ToList())
        {
            patch.Remove(key);
            var isDeleteList = key.StartsWith(DeleteFromPrimitiveList, StringComparison.Ordinal);
            var name = isDeleteList ? key[DeleteFromPrimitiveList.Length..] : key;
            if (value is null)
            {
                original.Remove(name);
                continue;
            }
            if (!original.TryGetPropertyValue(name, out var current) || current is null || current.GetType() != value.GetType())
            {
                if (!isDeleteList)
                    original[name] = Clean(value);
                continue;
            }
            var field = shape.Field(name);
            switch (current, value)
            {
                case (JsonObject currentMap, JsonObject patchMap):
                    var merged = field?.IsReplaced == true ? (JsonObject)Clean(patchMap)! : MergeMap(currentMap, patchMap, shape.Child(name));
                    if (!ReferenceEquals(merged, currentMap))
                        original[name] = merged;
                    break;
                case (JsonArray currentList, JsonArray patchList):
                    original[name] = MergeList(currentList, patchList, field, shape.Items(name), isDeleteList);
                    break;
                default:
                    original[name] = value;
                    break;
            }
        }
        return original;
    }

    private static void KeepOnlyRetained(JsonObject original, JsonObject patch)
    {
        if (!patch.TryGetPropertyValue(RetainKeys, out var node))
            return;
        patch.Remove(RetainKeys);
        if (node is not JsonArray list)
            throw new PatchException("invalid patch format of retainKeys");
        var retained = list.Select(Text).ToHashSet(StringComparer.Ordinal);
        if (patch.Any(pair => !pair.Key.StartsWith('$') && pair.Value is not null && !retained.Contains(pair.Key)))
            throw new PatchException("invalid patch format of retainKeys");
        foreach (var key in original.Select(pair => pair.Key).Where(key => !retained.Contains(key)).ToList())
            original.Remove(key);
    }

    /// <summary>Lists whose order the patch prescribes; they are taken out of the patch.</summary>
    private static void MergeOrderedLists(JsonObject original, JsonObject patch, Shape shape)
    {
        foreach (var (key, node) in patch.ToList())
        {
            if (!key.StartsWith(SetElementOrder, StringComparison.Ordinal))
                continue;
            patch.Remove(key);
            var name = key[SetElementOrder.Length..];
            if (node is not JsonArray order)
                throw Untyped($"expected a []interface {{}}, but received a {GoType(node)}");
            if (shape.Struct is { } owner && owner.Field(name) is null)
                throw Untyped($"unable to find api field in struct {owner.GoName} for the json field {FieldErrors.Quote(name)}");
            var current = original[name] as JsonArray;
            var change = patch[name] as JsonArray;
            var field = shape.Field(name);
            CheckOrder(order, change, field);
            // Items to delete are gone before the order is set.
            if (patch[DeleteFromPrimitiveList + name] is JsonArray doomed && current is not null)
            {
                patch.Remove(DeleteFromPrimitiveList + name);
                current = DeleteFrom(current, doomed);
                original[name] = current;
            }
            JsonArray merged;
            if (current is not null && change is not null)
                merged = MergeList((JsonArray)current.DeepClone(), (JsonArray)change.DeepClone(), field, shape.Items(name), isDeleteList: false);
            else if (change is not null)
                merged = (JsonArray)Clean(change.DeepClone())!;
            else if (current is not null)
                merged = (JsonArray)current.DeepClone();
            else
                continue;
            original[name] = Ordered(merged, order, current ?? [], field?.MergeKey ?? "");
            if (change is not null)
                patch.Remove(name);
        }
    }

    private static JsonArray MergeList(JsonArray original, JsonArray patch, FieldSchema? field, Shape items, bool isDeleteList)
    {
        if (isDeleteList)
            return DeleteFrom(original, patch);
        if (field is not { IsMerged: true })
            return (JsonArray)Clean(patch)!;
        if (patch.Count == 0)
            return (JsonArray)original.DeepClone();
        if (patch.Concat(original).Any(item => item is JsonArray))
            throw new PatchException("lists of lists are not supported", PatchFailure.Unprocessable);
        if (patch.Concat(original).Select(GoType).Distinct(StringComparer.Ordinal).Count() > 1)
            throw Untyped($"list element types are not identical: [{GoMapText.Of(original)} {GoMapText.Of(patch)}]");

        if (field.MergeKey.Length == 0 || patch[0] is not JsonObject)
        {
            var union = new JsonArray();
            foreach (var item in original.Concat(patch))
            {
                if (!union.Any(other => JsonNode.DeepEquals(other, item)))
                    union.Add(item?.DeepClone());
            }
            return Ordered(union, patch, original, "");
        }
        return MergeMaps(original, patch, field.MergeKey, items);
    }

    private static JsonArray MergeMaps(JsonArray original, JsonArray patch, string mergeKey, Shape shape)
    {
        var plain = new JsonArray();
        var isReplaced = false;
        var kept = (JsonArray)original.DeepClone();
        foreach (var node in patch)
        {
            if (node is not JsonObject item)
                throw Untyped($"list element types are not identical: [{GoMapText.Of(original)} {GoMapText.Of(patch)}]");
            switch (item.TryGetPropertyValue(Directive, out var directive) ? Text(directive) ?? "" : null)
            {
                case null:
                    plain.Add(item.DeepClone());
                    break;
                case "delete":
                    var doomed = KeyOf(item, mergeKey);
                    for (var i = kept.Count - 1; i >= 0; i--)
                    {
                        if (kept[i] is JsonObject other && JsonNode.DeepEquals(other[mergeKey], doomed))
                            kept.RemoveAt(i);
                    }
                    break;
                case "replace":
                    isReplaced = true;
                    break;
                case "merge":
                    throw Untyped("merging lists cannot yet be specified in the patch");
                default:
                    throw Untyped($"unknown patch type: {GoMapText.Of(directive)} in map: {GoMapText.Of(item)}");
            }
        }
        if (isReplaced)
            return (JsonArray)Clean(plain)!;

        foreach (var node in plain)
        {
            var item = (JsonObject)node!;
            var key = KeyOf(item, mergeKey);
            var index = -1;
            for (var i = 0; i < kept.Count && index < 0; i++)
            {
                if (kept[i] is JsonObject candidate && JsonNode.DeepEquals(candidate[mergeKey], key))
                    index = i;
            }
            if (index < 0)
            {
                kept.Add(Clean(item.DeepClone()));
                continue;
            }
            var merged = MergeMap((JsonObject)kept[index]!, (JsonObject)item.DeepClone(), shape);
            if (!ReferenceEquals(merged, kept[index]))
                kept[index] = merged;
        }
        return Ordered(kept, plain, original, mergeKey);
    }

    private static JsonNode KeyOf(JsonObject item, string mergeKey) => item[mergeKey]
        ?? throw Untyped($"map: {GoMapText.Of(item)} does not contain declared merge key: {mergeKey}");

    /// <summary>
    /// The items the order names, in that order, and the others where they stood before: between those of the named items they stood
    /// between.
    /// </summary>
    private static JsonArray Ordered(JsonArray merged, JsonArray order, JsonArray before, string mergeKey)
    {
        var items = merged.ToList();
        merged.Clear();
        var named = items.Where(item => Position(order, item, mergeKey) >= 0).OrderBy(item => Position(order, item, mergeKey)).ToList();
        var others = items.Where(item => Position(order, item, mergeKey) < 0)
            .OrderBy(item => Position(before, item, mergeKey) is var at and >= 0 ? at : int.MaxValue).ToList();

        var result = new JsonArray();
        int left = 0, right = 0;
        while (left < others.Count || right < named.Count)
        {
            var takeOther = right == named.Count;
            if (!takeOther && left < others.Count)
            {
                var (otherAt, namedAt) = (Position(before, others[left], mergeKey), Position(before, named[right], mergeKey));
                takeOther = otherAt >= 0 && namedAt >= 0 && otherAt < namedAt;
            }
            result.Add(takeOther ? others[left++] : named[right++]);
        }
        return result;
    }

    private static int Position(JsonArray list, JsonNode? item, string mergeKey)
    {
        var key = mergeKey.Length == 0 ? item : (item as JsonObject)?[mergeKey];
        for (var i = 0; i < list.Count; i++)
        {
            if (JsonNode.DeepEquals(mergeKey.Length == 0 ? list[i] : (list[i] as JsonObject)?[mergeKey], key))
                return i;
        }
        return -1;
    }

    private static JsonArray DeleteFrom(JsonArray original, JsonArray doomed) =>
        [.. original.Where(item => !doomed.Any(other => JsonNode.DeepEquals(other, item))).Select(item => item?.DeepClone())];

    private static void CheckOrder(JsonArray order, JsonArray? change, FieldSchema? field)
    {
        if (change is null)
            return;
        var last = -1;
        foreach (var item in change)
        {
            if (item is JsonObject map && map.ContainsKey(Directive))
                continue;
            var at = Position(order, item, field?.MergeKey ?? "");
            if (at < 0 || at < last)
                throw Untyped($"The order in patch list:\n{GoMapText.Of(change)}\n doesn't match {SetElementOrder[..^1]} list:\n{GoMapText.Of(order)}\n");
            last = at;
        }
    }

    /// <summary>A value new to the object: directives and nulls have nothing there to act on.</summary>
    private static JsonNode? Clean(JsonNode? value)
    {
        switch (value)
        {
            case JsonObject map:
                foreach (var (key, child) in map.ToList())
                {
                    if (child is null || key is Directive or RetainKeys || key.StartsWith(SetElementOrder, StringComparison.Ordinal)
                        || key.StartsWith(DeleteFromPrimitiveList, StringComparison.Ordinal))
                        map.Remove(key);
                    else
                        Clean(child);
                }
                break;
            case JsonArray list:
                for (var i = list.Count - 1; i >= 0; i--)
                {
                    if (list[i] is JsonObject item && item.ContainsKey(Directive))
                    {
                        var directive = Text(item[Directive]);
                        item.Remove(Directive);
                        if (directive is "delete" or "replace")
                        {
                            list.RemoveAt(i);
                            continue;
                        }
                    }
                    Clean(list[i]);
                }
                break;
        }
        return value;
    }

    /// <summary>An error that upstream gives no type, and so no code but 500.</summary>
    private static PatchException Untyped(string message) => new(message, PatchFailure.Untyped);

    private static string GoType(JsonNode? node) => node switch
    {
        null => "%!s(<nil>)",
        JsonObject => "map[string]interface {}",
        JsonArray => "[]interface {}",
        _ => node.GetValueKind() switch
        {
            JsonValueKind.String => "string",
            JsonValueKind.Number => "int64",
            _ => "bool",
        },
    };

    private static string? Text(JsonNode? node) => node is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;
}
