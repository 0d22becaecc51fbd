using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Minke.Api;

namespace Minke.Server.Apply;

/// <summary>Shapes made of schema tables when they are first needed, one a struct.</summary>
internal sealed class TypeShapes
{
    // Weak, since the schemas of custom kinds come and go.
    private readonly ConditionalWeakTable<TypeSchema, TypeShape> _kinds = [];
    private readonly ConditionalWeakTable<TypeSchema, TypeShape> _granular = [];
    private readonly ConditionalWeakTable<TypeSchema, TypeShape> _atomic = [];

    /// <summary>Of whole objects: with apiVersion and kind, which the tables leave out.</summary>
    public TypeShape OfKind(TypeSchema schema) => _kinds.GetValue(schema, schema =>
        schema is { PreservesUnknownFields: true, Fields.Count: 0 } ? TypeShape.Deduced : new()
        {
            Map = new(
                isAtomic: false,
                new([new("kind", null, () => TypeShape.Text), new("apiVersion", null, () => TypeShape.Text), .. FieldsOf(schema)]),
                schema.PreservesUnknownFields ? () => TypeShape.Deduced : null),
        });

    private TypeShape OfStruct(TypeSchema schema, bool isAtomic) => (isAtomic ? _atomic : _granular).GetValue(schema, schema => new()
    {
        Map = new(isAtomic, new(FieldsOf(schema)), schema.PreservesUnknownFields ? () => TypeShape.Deduced : null),
    });

    private FieldShape[] FieldsOf(TypeSchema schema) =>
        [.. schema.Fields.Select(field => new FieldShape(field.JsonName, DefaultOf(field), () => OfField(field)))];

    private TypeShape OfField(FieldSchema field) => OfType(field.Type, field.ListType, field.ListMapKeys);

    private TypeShape OfType(TypeRef type, ListType listType, string[] keys) => type.Type switch
    {
        SchemaType.String or SchemaType.Bytes => TypeShape.Text,
        SchemaType.Boolean => TypeShape.Boolean,
        SchemaType.Int32 or SchemaType.Int64 or SchemaType.Double => TypeShape.Number,
        SchemaType.Struct => OfStruct(type.Struct!, listType == ListType.Atomic || (type.Struct!.IsAtomic && listType != ListType.Granular)),
        SchemaType.List => new() { List = new(listType is ListType.Map or ListType.Set, keys, Once(type.Element!)) },
        SchemaType.Map => new() { Map = new(listType == ListType.Atomic, FieldTable.Empty, Once(type.Element!)) },
        SchemaType.Any or SchemaType.Raw => TypeShape.UntypedAtomic,
        _ => TypeShape.AnyScalar,
    };

    private Func<TypeShape> Once(TypeRef element)
    {
        TypeShape? shape = null;
        return () => shape ??= OfType(element, ListType.None, []);
    }

    /// <summary>As in OpenAPI: a declared default, else the zero of a field that is always written.</summary>
    private static Scalar? DefaultOf(FieldSchema field)
    {
        var json = field.Default ?? (!field.IsKept || field.IsNullable ? null : field.Type.Type switch
        {
            SchemaType.String => "\"\"",
            SchemaType.Boolean => "false",
            SchemaType.Int32 or SchemaType.Int64 or SchemaType.Double => "0",
            _ => null,
        });
        if (json is null || json[0] is '{' or '[')
            return null;
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(json));
        reader.Read();
        return Scalar.Of(ref reader);
    }
}
