using System.Text.Json;

namespace Minke.Cel.Values;

/// <summary>JSON as values without a schema: objects are maps, read where they are looked at.</summary>
public static class JsonValues
{
    public static CelValue Read(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => new JsonMap(element),
        JsonValueKind.Array => new JsonList(element),
        JsonValueKind.String => new StringValue(element.GetString()!),
        JsonValueKind.Number => Number(element),
        JsonValueKind.True => BoolValue.True,
        JsonValueKind.False => BoolValue.False,
        _ => NullValue.Instance,
    };

    private static CelValue Number(JsonElement element) => element.TryGetInt64(out var integer) ? new IntValue(integer) : new DoubleValue(element.GetDouble());

    private sealed class JsonList(JsonElement element) : ListValue
    {
        private readonly CelValue?[] _items = new CelValue?[element.GetArrayLength()];
        private bool _isRead;

        public override int Count => _items.Length;

        public override CelValue this[int index]
        {
            get
            {
                // An element's place in JSON is found by walking: so all are found in one walk.
                if (!_isRead)
                {
                    var i = 0;
                    foreach (var item in element.EnumerateArray())
                        _items[i++] = Read(item);
                    _isRead = true;
                }
                return _items[index]!;
            }
        }
    }

    private sealed class JsonMap(JsonElement element) : MapValue
    {
        private Dictionary<string, JsonElement>? _properties;

        public override int Count => Properties.Count;
        public override IEnumerable<CelValue> Keys => Properties.Keys.Order(StringComparer.Ordinal).Select(name => new StringValue(name));

        public override CelValue? Find(CelValue key) =>
            key is StringValue name && (_properties is null ? element.TryGetProperty(name.Value, out var value) : _properties.TryGetValue(name.Value, out value))
                ? Read(value)
                : null;

        private Dictionary<string, JsonElement> Properties
        {
            get
            {
                if (_properties is null)
                {
                    var properties = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
                    foreach (var property in element.EnumerateObject())
                        properties[property.Name] = property.Value;
                    _properties = properties;
                }
                return _properties;
            }
        }
    }
}
