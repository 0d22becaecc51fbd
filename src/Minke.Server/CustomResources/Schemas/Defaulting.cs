using System.Text.Json.Nodes;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>Fills in a structural schema's defaults, at every depth; null counts as absent where null is not allowed.</summary>
internal static class Defaulting
{
    /// <summary>Changes the tree in place.</summary>
    public static void Default(JsonNode? value, StructuralSchema? schema)
    {
        if (schema is null)
            return;
        switch (value)
        {
            case JsonObject members:
                foreach (var (name, property) in schema.Properties)
                {
                    if (property.Default is not null && (!members.TryGetPropertyValue(name, out var there) || (there is null && !property.IsNullable)))
                        members[name] = property.Default.DeepClone();
                }
                foreach (var name in members.Select(member => member.Key).ToArray())
                {
                    if (schema.Properties.TryGetValue(name, out var property))
                    {
                        Default(members[name], property);
                    }
                    else if (schema.Additional is { } additional)
                    {
                        if (members[name] is null && !additional.IsNullable)
                            members[name] = additional.Default?.DeepClone();
                        Default(members[name], additional);
                    }
                }
                break;
            case JsonArray items when schema.Items is { } element:
                for (var i = 0; i < items.Count; i++)
                {
                    if (items[i] is null && !element.IsNullable && element.Default is not null)
                        items[i] = element.Default.DeepClone();
                    Default(items[i], element);
                }
                break;
        }
    }
}
