using System.Globalization;
using System.Text.Json.Nodes;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>Takes out what a structural schema does not know.</summary>
internal static class Pruning
{
    private static readonly StructuralSchema Nothing = StructuralSchema.Of(new() { Type = "object" });

    /// <summary>Changes the tree in place. The root's apiVersion, kind and metadata are the caller's.</summary>
    /// <param name="unknown">Paths of what was taken out, when somebody wants to know.</param>
    public static void Prune(JsonNode? value, StructuralSchema schema, List<string>? unknown = null) => Prune(value, schema, "", unknown);

    /// <summary>Takes out nulls where null is not allowed and no default will replace it.</summary>
    public static void DropNulls(JsonNode? value, StructuralSchema? schema)
    {
        if (schema is null)
            return;
        switch (value)
        {
            case JsonObject members:
                List<string>? dropped = null;
                foreach (var (name, member) in members)
                {
                    var child = schema.Properties.GetValueOrDefault(name) ?? schema.Additional;
                    if (member is null && child is { IsNullable: false, Default: null })
                        (dropped ??= []).Add(name);
                    else
                        DropNulls(member, child);
                }
                foreach (var name in dropped ?? [])
                    members.Remove(name);
                break;
            case JsonArray items:
                foreach (var item in items)
                    DropNulls(item, schema.Items);
                break;
        }
    }

    private static void Prune(JsonNode? value, StructuralSchema schema, string path, List<string>? unknown)
    {
        switch (value)
        {
            case JsonObject members:
                List<string>? dropped = null;
                foreach (var (name, member) in members)
                {
                    if (schema.IsEmbedded && name is ("apiVersion" or "kind" or "metadata"))
                        continue;
                    var place = unknown is null ? "" : path.Length == 0 ? name : path + "." + name;
                    if (schema.Properties.TryGetValue(name, out var property))
                        Prune(member, property, place, unknown);
                    else if (schema.HasAdditional)
                        Prune(member, schema.Additional ?? Nothing, place, unknown);
                    else if (!schema.PreservesUnknown)
                    {
                        (dropped ??= []).Add(name);
                        unknown?.Add(place);
                    }
                }
                foreach (var name in dropped ?? [])
                    members.Remove(name);
                break;
            case JsonArray items:
                for (var i = 0; i < items.Count; i++)
                {
                    var place = unknown is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{path}[{i}]");
                    if (schema.Items is not null)
                        Prune(items[i], schema.Items, place, unknown);
                    else if (!schema.PreservesUnknown)
                        Prune(items[i], Nothing, place, unknown);
                }
                break;
        }
    }
}
