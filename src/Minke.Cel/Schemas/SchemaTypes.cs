using Minke.Cel.Types;

namespace Minke.Cel.Schemas;

/// <summary>The types of what schemas describe, with how long values can be in a request of 3 MB: estimates of cost need an end.</summary>
public static class SchemaTypes
{
    private const long MaxRequestBytes = 3 * 1024 * 1024;
    private const long MaxDurationLength = 32, DateLength = 12, MinDateTimeLength = 22, MaxDateTimeLength = 37, MinDurationLength = 4;
    private const long MinStringBytes = 2, MinNumberBytes = 1, MinBoolBytes = 4, MinObjectBytes = 2;

    private static readonly CelType Name = CelType.String.WithMaxElements(MaxRequestBytes - 2);

    /// <summary>Null when expressions cannot see such a value: it has no type, or parts of it have none.</summary>
    /// <param name="name">Of the root's type; nested ones are <c>name.field</c>.</param>
    /// <param name="isResource">A root: has kind, apiVersion and the metadata everything has.</param>
    public static CelType? Of(ICelSchema schema, string name, bool isResource) => Read(schema, name, isResource)?.Type;

    private static (CelType Type, long MinBytes)? Read(ICelSchema schema, string name, bool isResource)
    {
        if (schema.IsIntOrString)
            return (CelType.Dyn.WithMaxElements(schema.MaxLength is { } length ? Math.Max(0, length) * 4 : MaxRequestBytes - 2), 1);
        switch (schema.Type)
        {
            case "array":
                if (schema.Items is null || Read(schema.Items, name + ".@idx", schema.Items.IsEmbeddedResource) is not var (item, itemBytes))
                    return null;
                return (CelType.List(item).WithMaxElements(schema.MaxItems is { } items ? Math.Max(0, items) : (MaxRequestBytes - 2) / (itemBytes + 1)), MinObjectBytes);
            case "object" when schema.AdditionalProperties is { } values && !isResource:
                return Map(schema, values, name);
            case "object":
                return Object(schema, name, isResource);
            case "string":
                return Text(schema);
            case "boolean":
                return (CelType.Bool, MinBoolBytes);
            case "number":
                return (CelType.Double, MinNumberBytes);
            case "integer":
                return (CelType.Int, MinNumberBytes);
            default:
                return null;
        }
    }

    private static (CelType, long)? Map(ICelSchema schema, ICelSchema values, string name)
    {
        if (Read(values, name + ".@elem", values.IsEmbeddedResource) is not var (value, valueBytes))
            return null;
        // A key of nothing, its quotes, a colon and a comma.
        var most = schema.MaxProperties is { } properties ? Math.Max(0, properties) : (MaxRequestBytes - 2) / (valueBytes + 6);
        return (CelType.Map(CelType.String.WithMaxElements(0), value).WithMaxElements(most), MinObjectBytes);
    }

    private static (CelType, long) Object(ICelSchema schema, string name, bool isResource)
    {
        var fields = new Dictionary<string, CelType>(StringComparer.Ordinal);
        var bytes = MinObjectBytes;
        foreach (var (property, propertySchema) in schema.Properties ?? new Dictionary<string, ICelSchema>())
        {
            if (Read(propertySchema, $"{name}.{PropertyNames.Escape(property) ?? property}", propertySchema.IsEmbeddedResource) is not var (type, typeBytes))
                continue;
            if (PropertyNames.Escape(property) is { } escaped)
                fields[escaped] = type;
            if (!propertySchema.HasDefault && schema.Required.Contains(property))
                bytes += property.Length + typeBytes + 4;
        }
        if (isResource)
        {
            fields["kind"] = Name;
            fields["apiVersion"] = Name;
            var metadata = new Dictionary<string, CelType>(StringComparer.Ordinal);
            if (!HasMetadata(schema))
                fields["metadata"] = new CelObjectType(name + ".metadata", new Dictionary<string, CelType> { ["name"] = Name, ["generateName"] = Name });
        }
        return (new CelObjectType(name, fields), bytes);
    }

    private static bool HasMetadata(ICelSchema schema) =>
        schema.Properties is { } properties && properties.TryGetValue("kind", out var kind) && kind.Type == "string"
        && properties.TryGetValue("apiVersion", out var version) && version.Type == "string"
        && properties.TryGetValue("metadata", out var metadata) && metadata is { Type: "object", Properties: { } inner }
        && inner.TryGetValue("name", out var name) && name.Type == "string" && inner.TryGetValue("generateName", out var generated) && generated.Type == "string";

    private static (CelType, long) Text(ICelSchema schema)
    {
        switch (schema.Format)
        {
            case "byte":
                return (CelType.Bytes.WithMaxElements(schema.MaxLength is { } bytes ? Math.Max(0, bytes) : MaxRequestBytes - 2), MinStringBytes);
            case "duration":
                return (CelType.Duration.WithMaxElements(MaxDurationLength), MinDurationLength);
            case "date":
                return (CelType.Timestamp.WithMaxElements(DateLength), DateLength);
            case "date-time":
                return (CelType.Timestamp.WithMaxElements(MaxDateTimeLength), MinDateTimeLength);
        }
        // A length counts code points, of up to four bytes each.
        var most = schema.MaxLength is { } length ? Math.Max(0, length) * 4
            : schema.EnumStrings.Count > 0 ? schema.EnumStrings.Max(value => System.Text.Encoding.UTF8.GetByteCount(value))
            : MaxRequestBytes - 2;
        return (CelType.String.WithMaxElements(most), MinStringBytes);
    }
}
