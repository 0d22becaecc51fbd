using Minke.Api;
using Minke.Cel.Schemas;
using Minke.Cel.Types;
using Minke.Server.Registry;

namespace Minke.Server.Admission.Policies;

/// <summary>The types of objects, for checking expressions before any object comes: from the tables of built-in kinds and the schemas of custom ones.</summary>
internal static class ObjectTypes
{
    private static readonly CelType Text = CelType.String;

    /// <summary>Null when nothing is known of it.</summary>
    public static CelType? Of(Resource resource) => resource.Custom is { } custom
        ? SchemaTypes.Of(custom.Schema, resource.Kind.Kind, isResource: true)
        : Of(resource.Kind.Schema, isRoot: true);

    private static CelObjectType Of(TypeSchema schema, bool isRoot) => new(schema.Name, _ =>
    {
        var fields = new Dictionary<string, CelType>(StringComparer.Ordinal);
        if (isRoot || schema.Kind.Length > 0)
            fields["kind"] = fields["apiVersion"] = Text;
        foreach (var field in schema.Fields)
        {
            if (PropertyNames.Escape(field.JsonName) is { } name)
                fields[name] = Of(field.Type);
        }
        return fields;
    });

    private static CelType Of(TypeRef type) => type.Type switch
    {
        SchemaType.Boolean => CelType.Bool,
        SchemaType.Int32 or SchemaType.Int64 => CelType.Int,
        SchemaType.Double => CelType.Double,
        SchemaType.Bytes => CelType.Bytes,
        SchemaType.Time or SchemaType.MicroTime => CelType.Timestamp,
        SchemaType.IntOrString or SchemaType.Any => CelType.Dyn,
        SchemaType.List => CelType.List(Of(type.Element!)),
        SchemaType.Map => CelType.Map(Text, Of(type.Element!)),
        SchemaType.Struct => Of(type.Struct!, isRoot: false),
        SchemaType.Raw => new CelObjectType(type.DefinitionName, new Dictionary<string, CelType>()),
        _ => Text,
    };
}
