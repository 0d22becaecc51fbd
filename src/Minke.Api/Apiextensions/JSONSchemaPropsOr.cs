using System.Text.Json;

namespace Minke.Api.Apiextensions.V1;

/// <summary>One schema for all items, or one for each position.</summary>
public sealed record JSONSchemaPropsOrArray : IJsonWritable
{
    public static JSONSchemaPropsOrArray Empty { get; } = new();
    public JSONSchemaProps? Schema { get; init; }
    public ApiList<JSONSchemaProps> JSONSchemas { get; init; }
    public static TypeSchema TypeSchema => JSONSchemaProps.TypeSchema;

    public void WriteJson(Utf8JsonWriter writer)
    {
        if (!JSONSchemas.IsEmpty)
            Json.WriteList(writer, JSONSchemas, static (w, schema) => schema.WriteJson(w));
        else if (Schema is not null)
            Schema.WriteJson(writer);
        else
            writer.WriteNullValue();
    }

    public static JSONSchemaPropsOrArray ReadJson(ref Utf8JsonReader reader, JsonReadContext context) => reader.TokenType switch
    {
        JsonTokenType.StartObject => new() { Schema = JSONSchemaProps.ReadJson(ref reader, context) },
        JsonTokenType.StartArray => new() { JSONSchemas = context.ReadList<JSONSchemaProps>(ref reader, "[]v1.JSONSchemaProps", JSONSchemaProps.ReadJson) },
        JsonTokenType.Null => Empty,
        _ => throw context.Mismatch(ref reader, "v1.JSONSchemaPropsOrArray"),
    };

    public void WriteProto(ProtoWriter writer)
    {
        for (var i = JSONSchemas.Count - 1; i >= 0; i--)
            SchemaProto.Write(writer, 2, JSONSchemas[i]);
        SchemaProto.Write(writer, 1, Schema);
    }

    public static JSONSchemaPropsOrArray ReadProto(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        JSONSchemaProps? schema = null;
        var schemas = new List<JSONSchemaProps>();
        while (reader.Next(out var field))
        {
            if (field == 1)
                schema = JSONSchemaProps.ReadProto(reader.Bytes());
            else if (field == 2)
                schemas.Add(JSONSchemaProps.ReadProto(reader.Bytes()));
            else
                reader.Skip();
        }
        return new() { Schema = schema, JSONSchemas = schemas.Count == 0 ? default : schemas.ToApiList() };
    }
}

/// <summary>A schema, or whether anything at all is allowed.</summary>
public sealed record JSONSchemaPropsOrBool : IJsonWritable
{
    public static JSONSchemaPropsOrBool Empty { get; } = new();
    public bool Allows { get; init; }
    public JSONSchemaProps? Schema { get; init; }
    public static TypeSchema TypeSchema => JSONSchemaProps.TypeSchema;

    public void WriteJson(Utf8JsonWriter writer)
    {
        if (Schema is not null)
            Schema.WriteJson(writer);
        else
            writer.WriteBooleanValue(Allows);
    }

    public static JSONSchemaPropsOrBool ReadJson(ref Utf8JsonReader reader, JsonReadContext context) => reader.TokenType switch
    {
        JsonTokenType.StartObject => new() { Allows = true, Schema = JSONSchemaProps.ReadJson(ref reader, context) },
        JsonTokenType.True => new() { Allows = true },
        JsonTokenType.False or JsonTokenType.Null => Empty,
        _ => throw new JsonReadException("boolean or JSON schema expected"),
    };

    public void WriteProto(ProtoWriter writer)
    {
        SchemaProto.Write(writer, 2, Schema);
        writer.Bool(1, Allows);
    }

    public static JSONSchemaPropsOrBool ReadProto(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        var allows = false;
        JSONSchemaProps? schema = null;
        while (reader.Next(out var field))
        {
            if (field == 1)
                allows = reader.Bool();
            else if (field == 2)
                schema = JSONSchemaProps.ReadProto(reader.Bytes());
            else
                reader.Skip();
        }
        return new() { Allows = allows, Schema = schema };
    }
}

/// <summary>A schema, or the names of properties that must be there too.</summary>
public sealed record JSONSchemaPropsOrStringArray : IJsonWritable
{
    public static JSONSchemaPropsOrStringArray Empty { get; } = new();
    public JSONSchemaProps? Schema { get; init; }
    public ApiList<string> Property { get; init; }
    public static TypeSchema TypeSchema => JSONSchemaProps.TypeSchema;

    public void WriteJson(Utf8JsonWriter writer)
    {
        if (!Property.IsEmpty)
            Json.WriteStrings(writer, Property);
        else if (Schema is not null)
            Schema.WriteJson(writer);
        else
            writer.WriteNullValue();
    }

    public static JSONSchemaPropsOrStringArray ReadJson(ref Utf8JsonReader reader, JsonReadContext context) => reader.TokenType switch
    {
        JsonTokenType.StartObject => new() { Schema = JSONSchemaProps.ReadJson(ref reader, context) },
        JsonTokenType.StartArray => new()
        {
            Property = context.ReadList(ref reader, "[]string", static (ref Utf8JsonReader r, JsonReadContext c) => c.ReadString(ref r)),
        },
        JsonTokenType.Null => Empty,
        _ => throw context.Mismatch(ref reader, "v1.JSONSchemaPropsOrStringArray"),
    };

    public void WriteProto(ProtoWriter writer)
    {
        for (var i = Property.Count - 1; i >= 0; i--)
            writer.String(2, Property[i]);
        SchemaProto.Write(writer, 1, Schema);
    }

    public static JSONSchemaPropsOrStringArray ReadProto(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        JSONSchemaProps? schema = null;
        var property = new List<string>();
        while (reader.Next(out var field))
        {
            if (field == 1)
                schema = JSONSchemaProps.ReadProto(reader.Bytes());
            else if (field == 2)
                property.Add(reader.String());
            else
                reader.Skip();
        }
        return new() { Schema = schema, Property = property.Count == 0 ? default : property.ToApiList() };
    }
}

internal static class SchemaProto
{
    public static void Write(ProtoWriter writer, int field, JSONSchemaProps? schema)
    {
        if (schema is null)
            return;
        var mark = writer.Length;
        schema.WriteProto(writer);
        writer.EndMessage(field, mark);
    }
}
