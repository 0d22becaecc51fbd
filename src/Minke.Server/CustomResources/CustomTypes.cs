using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.CustomResources.Schemas;

namespace Minke.Server.CustomResources;

/// <summary>A structural schema as the type table that server-side apply reads: which lists are sets or maps, what is owned as a whole.</summary>
internal static class CustomTypes
{
    public static TypeSchema Of(CustomVersion version)
    {
        var kind = version.Kind;
        var fields = new List<FieldSchema> { Metadata() };
        fields.AddRange(Fields(version.Schema).Where(field => field.JsonName is not ("metadata" or "apiVersion" or "kind")));
        return new(NameOf(kind.Group, kind.Version, kind.Kind), kind.Kind, version.Schema.Source.Description, isAtomic: false, kind.ApiVersion, kind.Kind, [.. fields])
        {
            PreservesUnknownFields = version.Schema.PreservesUnknown,
        };
    }

    /// <summary><c>com.example.stable.v1.CronTab</c>: the group's host name reversed.</summary>
    public static string NameOf(string group, string version, string kind) => $"{string.Join('.', group.Split('.').Reverse())}.{version}.{kind}";

    private static FieldSchema Metadata() => new()
    {
        JsonName = "metadata",
        Type = new() { Type = SchemaType.Struct, StructFactory = static () => ObjectMeta.TypeSchema, DefinitionName = ObjectMeta.TypeSchema.Name },
    };

    private static IEnumerable<FieldSchema> Fields(StructuralSchema schema)
    {
        var known = schema.Properties.OrderBy(one => one.Key, StringComparer.Ordinal).ToList();
        if (schema.IsEmbedded)
        {
            foreach (var name in (string[])["apiVersion", "kind"])
            {
                if (!schema.Properties.ContainsKey(name))
                    yield return new() { JsonName = name, Type = new() { Type = SchemaType.String }, IsNullable = true };
            }
            yield return Metadata();
            known.RemoveAll(one => one.Key == "metadata");
        }
        foreach (var (name, property) in known)
        {
            var source = property.Source;
            yield return new()
            {
                JsonName = name,
                Type = TypeOf(property),
                IsNullable = true,
                IsRequired = schema.Source.Required.Contains(name),
                ListType = (property.ListType, property.MapType) switch
                {
                    ("set", _) => ListType.Set,
                    ("map", _) => ListType.Map,
                    ("atomic", _) or (_, "atomic") => ListType.Atomic,
                    (_, "granular") => ListType.Granular,
                    _ => ListType.None,
                },
                ListMapKeys = property.ListMapKeys,
                Default = source.Default is { IsNull: false } standard ? standard.ToString() : null,
                Description = source.Description,
            };
        }
    }

    private static TypeRef TypeOf(StructuralSchema schema)
    {
        if (schema.IsIntOrString)
            return new() { Type = SchemaType.IntOrString };
        switch (schema.Source.Type)
        {
            case "string":
                return new() { Type = SchemaType.String };
            case "boolean":
                return new() { Type = SchemaType.Boolean };
            case "integer":
                return new() { Type = SchemaType.Int64 };
            case "number":
                return new() { Type = SchemaType.Double };
            case "array" when schema.Items is { } items:
                return new() { Type = SchemaType.List, Element = TypeOf(items) };
            case "object" when schema.Properties.Count > 0 || schema.IsEmbedded:
                var lazy = new Lazy<TypeSchema>(() => new TypeSchema(
                    "", "", schema.Source.Description, schema.MapType == "atomic", "", "", [.. Fields(schema)])
                {
                    PreservesUnknownFields = schema.PreservesUnknown,
                });
                return new() { Type = SchemaType.Struct, StructFactory = () => lazy.Value };
            case "object" when schema.Additional is { } additional:
                return new() { Type = SchemaType.Map, Element = TypeOf(additional) };
            case "object" when !schema.HasAdditional:
                var empty = new TypeSchema("", "", schema.Source.Description, schema.MapType == "atomic", "", "", [])
                {
                    PreservesUnknownFields = schema.PreservesUnknown,
                };
                return new() { Type = SchemaType.Struct, StructFactory = () => empty };
            default:
                return new() { Type = SchemaType.Any };
        }
    }
}
