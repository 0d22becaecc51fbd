using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>
/// JSON of no declared type as a tree of nodes: numbers are a long where they fit and a double otherwise, as upstream's decoder has
/// them; written back with sorted keys, so that equal values are equal bytes.
/// </summary>
internal static class JsonTree
{
    /// <summary>Reads the value that the reader stands on. Keys that come twice are added to <paramref name="duplicates"/>; the last one counts.</summary>
    /// <param name="path">Of the value, for the texts of duplicates.</param>
    /// <exception cref="JsonReadException">A number no double can hold.</exception>
    public static JsonNode? Read(ref Utf8JsonReader reader, string path, List<string>? duplicates)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                var members = new JsonObject();
                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    var name = reader.GetString()!;
                    var place = duplicates is null ? "" : Child(path, name);
                    if (members.ContainsKey(name))
                        duplicates?.Add($"duplicate field \"{place}\"");
                    reader.Read();
                    members[name] = Read(ref reader, place, duplicates);
                }
                return members;
            case JsonTokenType.StartArray:
                var items = new JsonArray();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                    items.Add(Read(ref reader, duplicates is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{path}[{items.Count}]"), duplicates));
                return items;
            case JsonTokenType.String:
                return JsonValue.Create(reader.GetString()!);
            case JsonTokenType.True:
                return JsonValue.Create(true);
            case JsonTokenType.False:
                return JsonValue.Create(false);
            case JsonTokenType.Number:
                if (reader.TryGetInt64(out var whole))
                    return JsonValue.Create(whole);
                if (reader.TryGetDouble(out var number) && double.IsFinite(number))
                    return JsonValue.Create(number);
                throw new JsonReadException($"json: cannot unmarshal number {Encoding.UTF8.GetString(reader.ValueSpan)} into Go value of type float64");
            default:
                return null;
        }
    }

    /// <summary>Reads a whole document.</summary>
    /// <exception cref="JsonReadException">No JSON.</exception>
    public static JsonNode? Parse(ReadOnlySpan<byte> utf8)
    {
        var reader = new Utf8JsonReader(utf8, Json.ReaderOptions);
        try
        {
            reader.Read();
            var value = Read(ref reader, "", null);
            reader.Read(); // Throws when there is more.
            return value;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new JsonReadException(GoJsonError.Of(utf8)) { IsMalformed = true };
        }
    }

    public static byte[] Write(JsonNode? value)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
            Write(writer, value);
        return buffer.WrittenSpan.ToArray();
    }

    public static void Write(Utf8JsonWriter writer, JsonNode? value)
    {
        switch (value)
        {
            case null:
                writer.WriteNullValue();
                break;
            case JsonObject members:
                writer.WriteStartObject();
                foreach (var (name, member) in Sorted(members))
                {
                    writer.WritePropertyName(name);
                    Write(writer, member);
                }
                writer.WriteEndObject();
                break;
            case JsonArray items:
                writer.WriteStartArray();
                foreach (var item in items)
                    Write(writer, item);
                writer.WriteEndArray();
                break;
            default:
                value.WriteTo(writer);
                break;
        }
    }

    /// <summary>Members in order of their names.</summary>
    public static IEnumerable<KeyValuePair<string, JsonNode?>> Sorted(JsonObject members)
    {
        string? last = null;
        foreach (var (name, _) in members)
        {
            if (last is not null && string.CompareOrdinal(last, name) > 0)
                return members.OrderBy(member => member.Key, StringComparer.Ordinal);
            last = name;
        }
        return members;
    }

    /// <summary>Go's name of the value's type: <c>string</c>, <c>int64</c>, <c>map[string]interface {}</c>.</summary>
    public static string GoType(JsonNode? value) => value switch
    {
        null => "<nil>",
        JsonObject => "map[string]interface {}",
        JsonArray => "[]interface {}",
        _ => value.GetValueKind() switch
        {
            JsonValueKind.String => "string",
            JsonValueKind.True or JsonValueKind.False => "bool",
            _ => IsWhole(value, out _) ? "int64" : "float64",
        },
    };

    /// <summary>JSON's own name of the value's type, as Go's decoder says it: <c>string</c>, <c>number</c>, <c>object</c>.</summary>
    public static string JsonType(JsonNode? value) => value switch
    {
        null => "null",
        JsonObject => "object",
        JsonArray => "array",
        _ => value.GetValueKind() switch
        {
            JsonValueKind.String => "string",
            JsonValueKind.Number => "number",
            _ => "bool",
        },
    };

    public static bool IsWhole(JsonNode value, out long whole)
    {
        whole = 0;
        return value is JsonValue scalar && scalar.TryGetValue(out whole);
    }

    /// <summary>A number as a double; false for anything else.</summary>
    public static bool IsNumber(JsonNode? value, out double number)
    {
        number = 0;
        if (value is not JsonValue scalar)
            return false;
        if (scalar.TryGetValue(out long whole))
        {
            number = whole;
            return true;
        }
        return scalar.TryGetValue(out number);
    }

    public static bool IsText(JsonNode? value, out string text)
    {
        text = "";
        if (value is not JsonValue scalar || !scalar.TryGetValue(out string? found))
            return false;
        text = found;
        return true;
    }

    private static string Child(string path, string name) => path.Length == 0 ? name : path + "." + name;
}
