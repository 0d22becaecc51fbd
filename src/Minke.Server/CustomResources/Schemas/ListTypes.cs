using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Minke.Api;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>Lists that say they are sets or maps hold no item twice.</summary>
internal static class ListTypes
{
    public static FieldErrors Validate(JsonNode? value, StructuralSchema schema)
    {
        var errors = new FieldErrors();
        Validate(value, schema, "", errors);
        return errors;
    }

    private static void Validate(JsonNode? value, StructuralSchema? schema, string path, FieldErrors errors)
    {
        if (schema is null)
            return;
        switch (value)
        {
            case JsonObject members:
                foreach (var (name, member) in JsonTree.Sorted(members))
                {
                    if (schema.Properties.TryGetValue(name, out var property))
                        Validate(member, property, path.Length == 0 ? name : path + "." + name, errors);
                    else if (schema.Additional is not null)
                        Validate(member, schema.Additional, $"{path}[{name}]", errors);
                }
                break;
            case JsonArray items:
                if (schema.ListType == "set")
                    Repeats(items, [.. items.Select(Text)], [.. items], path, errors);
                else if (schema.ListType == "map")
                    ValidateMap(items, schema, path, errors);
                for (var i = 0; i < items.Count && schema.Items is not null; i++)
                    Validate(items[i], schema.Items, Index(path, i), errors);
                break;
        }
    }

    private static void ValidateMap(JsonArray items, StructuralSchema schema, string path, FieldErrors errors)
    {
        for (var i = 0; i < items.Count; i++)
        {
            if (items[i] is null or JsonObject)
                continue;
            errors.Invalid(Index(path, i), GoSyntax.Shown(items[i]), "must be an object for an array of list-type map");
            return;
        }
        var keys = new List<JsonNode?>();
        foreach (var item in items)
        {
            var key = new JsonObject();
            foreach (var field in schema.ListMapKeys)
            {
                if (item is JsonObject members && members.TryGetPropertyValue(field, out var part))
                    key[field] = part?.DeepClone();
            }
            keys.Add(key);
        }
        Repeats(items, [.. keys.Select(Text)], keys, path, errors);
    }

    /// <summary>The first repeat of each value is told.</summary>
    private static void Repeats(JsonArray items, string[] texts, List<JsonNode?> shown, string path, FieldErrors errors)
    {
        if (items.Count <= 1)
            return;
        var times = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < texts.Length; i++)
        {
            var before = times.GetValueOrDefault(texts[i]);
            times[texts[i]] = before + 1;
            if (before == 1)
                errors.Duplicate(Index(path, i), GoSyntax.Shown(shown[i]));
        }
    }

    private static string Text(JsonNode? value) => Encoding.UTF8.GetString(JsonTree.Write(value));

    private static string Index(string path, int index) => string.Create(CultureInfo.InvariantCulture, $"{path}[{index}]");
}
