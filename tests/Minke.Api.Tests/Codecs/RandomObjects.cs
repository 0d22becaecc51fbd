using System.Text.Json.Nodes;
using Minke.Api;

namespace Minke.Api.Tests.Codecs;

/// <summary>Random, well-formed JSON of a kind, made from its schema tables: what a client might send.</summary>
internal sealed class RandomObjects(Random random)
{
    private const int MaxDepth = 7;

    public JsonObject Of(KindInfo kind)
    {
        var json = Struct(kind.Schema, 0);
        json.Insert(0, "kind", kind.Kind);
        json.Insert(1, "apiVersion", kind.ApiVersion);
        return json;
    }

    private JsonObject Struct(TypeSchema schema, int depth)
    {
        var json = new JsonObject();
        foreach (var field in schema.Fields)
        {
            if (random.Next(3) > 0 || depth == 0)
            {
                if (Value(field.Type, depth + 1) is { } value)
                    json[field.JsonName] = value;
            }
        }
        return json;
    }

    private JsonNode? Value(TypeRef type, int depth)
    {
        switch (type.Type)
        {
            case SchemaType.String:
                return type.EnumValues.Length > 0 && random.Next(4) > 0 ? type.EnumValues[random.Next(type.EnumValues.Length)] : Text();
            case SchemaType.Boolean:
                return true;
            case SchemaType.Int32:
                return random.Next(1, int.MaxValue) * (random.Next(2) == 0 ? 1 : -1);
            case SchemaType.Int64:
                return random.NextInt64(1, long.MaxValue) * (random.Next(2) == 0 ? 1 : -1);
            case SchemaType.Double:
                return random.Next(1, 1000) / 8.0;
            case SchemaType.Bytes:
                var bytes = new byte[random.Next(1, 20)];
                random.NextBytes(bytes);
                return Convert.ToBase64String(bytes);
            case SchemaType.Time:
                return DateTimeOffset.FromUnixTimeSeconds(random.NextInt64(0, 4_000_000_000)).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", null);
            case SchemaType.MicroTime:
                return DateTimeOffset.FromUnixTimeMilliseconds(random.NextInt64(0, 4_000_000_000_000)).ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", null);
            case SchemaType.Duration:
                return new Duration(random.NextInt64(0, long.MaxValue / 2)).ToString();
            case SchemaType.Quantity:
                return new Quantity(random.Next(1, 1_000_000), (QuantityFormat)random.Next(3)).ToString();
            case SchemaType.IntOrString:
                return random.Next(2) == 0 ? random.Next() : Text();
            case SchemaType.Raw or SchemaType.Any:
                return new JsonObject { [Text()] = new JsonArray(1, "a", null, true) };
            case SchemaType.Struct:
                return depth > MaxDepth ? null : type.DefinitionName.EndsWith("OrBool", StringComparison.Ordinal) && random.Next(2) == 0 ? true : NonEmpty(type, depth);
            case SchemaType.List:
                var items = Enumerable.Range(0, random.Next(1, 3)).Select(_ => Value(type.Element!, depth + 1)).Where(item => item is not null).ToArray();
                return items.Length == 0 ? null : new JsonArray(items);
            case SchemaType.Map:
                var map = new JsonObject();
                for (var i = random.Next(1, 3); i > 0; i--)
                {
                    if (Value(type.Element!, depth + 1) is { } value)
                        map[Text()] = value;
                }
                return map.Count == 0 ? null : map;
            default:
                throw new InvalidOperationException(type.Type.ToString());
        }
    }

    private JsonObject NonEmpty(TypeRef type, int depth) => Struct(type.Struct!, depth);

    private string Text()
    {
        string[] alphabet = ["a", "Z", "9", "-", ".", "é", "漢", "\"", "\\", "<", "&", "\n", " ", "/"];
        return string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => alphabet[random.Next(alphabet.Length)]));
    }
}
