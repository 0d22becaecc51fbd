using System.Globalization;
using System.Text.Json;
using Minke.Cel.Libraries;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Schemas;

/// <summary>JSON as values, typed by its schema. Read where it is looked at: an object's other fields stay JSON.</summary>
public static class SchemaValues
{
    private static readonly ErrorValue NotNullable = new("invalid data, got null for schema with nullable=false");

    public static CelValue Read(JsonElement element, ICelSchema schema)
    {
        if (element.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined)
            return schema.IsNullable ? NullValue.Instance : NotNullable;
        if (schema.IsIntOrString)
        {
            return element.ValueKind switch
            {
                JsonValueKind.String => new StringValue(element.GetString()!),
                JsonValueKind.Number when element.TryGetInt64(out var integer) => new IntValue(integer),
                _ => new ErrorValue("invalid data, expected XIntOrString value to be either a string or integer"),
            };
        }
        switch (schema.Type)
        {
            case "object": return Object(element, schema);
            case "array": return Array(element, schema);
            case "string": return element.ValueKind == JsonValueKind.String ? Text(element.GetString()!, schema.Format) : Unexpected("string", element);
            case "number": return element.ValueKind == JsonValueKind.Number ? new DoubleValue(element.GetDouble()) : Unexpected("float", element);
            case "integer": return Integer(element);
            case "boolean":
                return element.ValueKind is JsonValueKind.True or JsonValueKind.False ? BoolValue.Of(element.GetBoolean()) : Unexpected("bool", element);
        }
        return schema.PreservesUnknownFields
            ? new PreservedValue(element)
            : new ErrorValue("invalid type, expected object, array, number, integer, boolean or string, or no type with "
                + $"x-kubernetes-int-or-string or x-kubernetes-preserve-unknown-fields is true, got {schema.Type}");
    }

    private static CelValue Integer(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Number)
            return Unexpected("int", element);
        if (element.TryGetInt64(out var integer))
            return new IntValue(integer);
        var number = element.GetDouble();
        return number == Math.Truncate(number) && Math.Abs(number) < 9e18 ? new IntValue((long)number) : Unexpected("int", element);
    }

    private static CelValue Object(JsonElement element, ICelSchema schema)
    {
        if (element.ValueKind != JsonValueKind.Object)
            return new ErrorValue("invalid data, expected a map for the provided schema with type=object");
        if (schema.IsEmbeddedResource || schema.Properties is not null)
            return new SchemaObject(element, schema);
        if (schema.AdditionalProperties is { } values)
            return new SchemaMap(element, values);
        return schema.PreservesUnknownFields
            ? new SchemaObject(element, schema)
            : new ErrorValue("invalid object type, expected either Properties or AdditionalProperties with Allows=true and non-empty Schema");
    }

    private static CelValue Array(JsonElement element, ICelSchema schema)
    {
        if (element.ValueKind != JsonValueKind.Array)
            return new ErrorValue("invalid data, expected an array for the provided schema with type=array");
        if (schema.Items is not { } items)
            return new ErrorValue("invalid array type, expected Items with a non-empty Schema");
        var values = new CelValue[element.GetArrayLength()];
        var i = 0;
        foreach (var item in element.EnumerateArray())
            values[i++] = Read(item, items);
        return schema.ListType switch
        {
            "map" => new KeyedList(values, [.. schema.ListMapKeys.Select(key => PropertyNames.Escape(key) ?? key)]),
            "set" => new SetList(values),
            _ => ListValue.Of(values),
        };
    }

    private static CelValue Text(string text, string format)
    {
        switch (format)
        {
            case "duration":
                return GoDuration.TryParse(text, out var nanoseconds) ? new DurationValue(nanoseconds) : new ErrorValue($"Invalid duration {text}: unable to parse {text} as a duration");
            case "date":
                return DateTime.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var date)
                    ? TimestampValue.From(date) : new ErrorValue($"Invalid date formatted string {text}");
            case "date-time":
                return Rfc3339.TryParse(text.ToUpperInvariant(), out var timestamp) ? timestamp : new ErrorValue($"Invalid date-time formatted string {text}");
            case "byte":
                var bytes = new byte[text.Length];
                return Convert.TryFromBase64String(text, bytes, out var written) ? new BytesValue(bytes[..written]) : new ErrorValue($"Invalid byte formatted string {text}");
            default:
                return new StringValue(text);
        }
    }

    private static ErrorValue Unexpected(string wanted, JsonElement element) => new($"invalid data, expected {wanted}, got {element.ValueKind switch
    {
        JsonValueKind.String => "string",
        JsonValueKind.Number => "float64",
        JsonValueKind.True or JsonValueKind.False => "bool",
        JsonValueKind.Object => "map[string]interface {}",
        _ => "[]interface {}",
    }}");

    /// <summary>Fields by their escaped names; one that is null is not there. Those without a type are there only for size and equality.</summary>
    private sealed class SchemaObject(JsonElement element, ICelSchema schema) : ObjectValue
    {
        private static readonly CelType ObjectType = new CelObjectType("object", new Dictionary<string, CelType>());

        private readonly Dictionary<string, CelValue?> _read = new(StringComparer.Ordinal);

        public override CelType Type => ObjectType;

        public override IEnumerable<string> FieldNames => element.EnumerateObject()
            .Select(property => SchemaOf(property.Name) is null || property.Value.ValueKind == JsonValueKind.Null ? null : PropertyNames.Escape(property.Name))
            .OfType<string>().Order(StringComparer.Ordinal);

        internal override long? Size => element.GetPropertyCount();

        public override CelValue? Field(string name)
        {
            if (_read.TryGetValue(name, out var known))
                return known;
            var property = PropertyNames.Unescape(name);
            return _read[name] = property is null ? null : Property(property);
        }

        private CelValue? Property(string property) =>
            SchemaOf(property) is { } propertySchema && element.TryGetProperty(property, out var value) && value.ValueKind != JsonValueKind.Null
                ? Read(value, propertySchema) : null;


        private ICelSchema? SchemaOf(string property)
        {
            if (schema.Properties?.GetValueOrDefault(property) is { } known)
                return known;
            return schema.IsEmbeddedResource ? EmbeddedResource.Property(property) : null;
        }

        // Upstream's walk, oddities included: a field that is null equals nothing, and one without a type counts only where both have it.
        internal override bool IsEqualTo(ObjectValue other, ref int steps)
        {
            if (other is not SchemaObject same || same.Size != Size)
                return false;
            foreach (var property in element.EnumerateObject())
            {
                if (SchemaOf(property.Name) is { } propertySchema)
                {
                    if (same.Property(property.Name) is not { } value || !CelEquality.AreEqual(Read(property.Value, propertySchema), value, ref steps))
                        return false;
                }
                else if (same.Element.TryGetProperty(property.Name, out var unknown) && !JsonElement.DeepEquals(property.Value, unknown))
                {
                    return false;
                }
            }
            return true;
        }

        private JsonElement Element => element;
    }

    private sealed class SchemaMap(JsonElement element, ICelSchema values) : MapValue
    {
        private readonly Dictionary<string, JsonElement> _properties = Properties(element);

        public override int Count => _properties.Count;
        public override IEnumerable<CelValue> Keys => _properties.Keys.Order(StringComparer.Ordinal).Select(key => new StringValue(key));
        public override CelValue? Find(CelValue key) => key is StringValue name && _properties.TryGetValue(name.Value, out var value) ? Read(value, values) : null;

        private static Dictionary<string, JsonElement> Properties(JsonElement element)
        {
            var properties = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
            foreach (var property in element.EnumerateObject())
                properties[property.Name] = property.Value;
            return properties;
        }
    }

    /// <summary><c>x-kubernetes-list-type: map</c>: the order does not count, and a sum merges by key.</summary>
    private sealed class KeyedList(IReadOnlyList<CelValue> items, string[] keys) : ListValue
    {
        public override int Count => items.Count;
        public override CelValue this[int index] => items[index];

        internal override bool? IsEqualTo(ListValue other, ref int steps)
        {
            if (other.Count != Count)
                return false;
            var byKey = Items.GroupBy(KeyOf, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Last(), StringComparer.Ordinal);
            foreach (var item in other.Items)
            {
                if (!byKey.TryGetValue(KeyOf(item), out var own) || !CelEquality.AreEqual(own, item, ref steps))
                    return false;
            }
            return true;
        }

        internal override CelValue Plus(ListValue other)
        {
            var merged = new List<CelValue>(items);
            var places = new Dictionary<string, int>(StringComparer.Ordinal);
            for (var i = 0; i < merged.Count; i++)
                places[KeyOf(merged[i])] = i;
            foreach (var item in other.Items)
            {
                if (places.TryGetValue(KeyOf(item), out var place))
                    merged[place] = item;
                else
                    merged.Add(item);
            }
            return new KeyedList(merged, keys);
        }

        private string KeyOf(CelValue item) => string.Join('\0', keys.Select(key => item switch
        {
            ObjectValue value => Scalar(value.Field(key)),
            MapValue map => Scalar(map.Find(new StringValue(key))),
            _ => "",
        }));
    }

    /// <summary><c>x-kubernetes-list-type: set</c>: the order does not count, and a sum is a union.</summary>
    private sealed class SetList(IReadOnlyList<CelValue> items) : ListValue
    {
        public override int Count => items.Count;
        public override CelValue this[int index] => items[index];

        internal override bool? IsEqualTo(ListValue other, ref int steps)
        {
            if (other.Count != Count)
                return false;
            var own = Items.Select(Scalar).ToHashSet(StringComparer.Ordinal);
            return other.Items.All(item => own.Contains(Scalar(item)));
        }

        internal override CelValue Plus(ListValue other)
        {
            var union = new List<CelValue>(items);
            var seen = Items.Select(Scalar).ToHashSet(StringComparer.Ordinal);
            union.AddRange(other.Items.Where(item => seen.Add(Scalar(item))));
            return new SetList(union);
        }
    }

    private static string Scalar(CelValue? value) => value is null ? "" : $"{value.Type.Name}:{Display.Of(value)}";

    /// <summary>What has no type: to be compared and nothing else.</summary>
    private sealed class PreservedValue(JsonElement element) : OpaqueValue
    {
        private static readonly CelType Unknown = CelType.Opaque("unknown");

        public override CelType Type => Unknown;

        internal override bool IsEqualTo(OpaqueValue other) => other is PreservedValue value && JsonElement.DeepEquals(element, value.Element);

        private JsonElement Element => element;
    }
}
