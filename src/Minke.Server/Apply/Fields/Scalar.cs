using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Minke.Api;

namespace Minke.Server.Apply;

/// <summary>A value that identifies an item of a list, with upstream's order: numbers, texts, booleans, lists, maps, null.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Scalar : IComparable<Scalar>
{
    private enum Rank : byte { Number, Text, Boolean, List, Map, Null }

    private readonly Rank _rank;
    private readonly bool _isInteger;
    private readonly long _integer;
    private readonly double _number;
    private readonly string _text;

    private Scalar(Rank rank, string text, bool isInteger = false, long integer = 0, double number = 0) =>
        (_rank, _text, _isInteger, _integer, _number) = (rank, text, isInteger, integer, number);

    /// <summary>From a value of a document.</summary>
    public static Scalar Of(Value value) => value.Type switch
    {
        JsonTokenType.Number => Number(value.Raw),
        JsonTokenType.String => new(Rank.Text, value.Text),
        JsonTokenType.True => new(Rank.Boolean, "true", integer: 1),
        JsonTokenType.False => new(Rank.Boolean, "false"),
        JsonTokenType.StartArray => new(Rank.List, System.Text.Encoding.UTF8.GetString(value.Raw)),
        JsonTokenType.StartObject => new(Rank.Map, System.Text.Encoding.UTF8.GetString(value.Raw)),
        _ => new(Rank.Null, "null"),
    };

    /// <summary>From the value a reader stands on; it is left on its last token.</summary>
    public static Scalar Of(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.Number:
                return Number(reader.ValueSpan);
            case JsonTokenType.String:
                return new(Rank.Text, reader.GetString()!);
            case JsonTokenType.True or JsonTokenType.False:
                var isTrue = reader.TokenType == JsonTokenType.True;
                return new(Rank.Boolean, isTrue ? "true" : "false", integer: isTrue ? 1 : 0);
            case JsonTokenType.StartArray or JsonTokenType.StartObject:
                var rank = reader.TokenType == JsonTokenType.StartArray ? Rank.List : Rank.Map;
                using (var document = JsonDocument.ParseValue(ref reader))
                    return new(rank, JsonSerializerText(document.RootElement));
            default:
                return new(Rank.Null, "null");
        }
    }

    /// <summary>As in FieldsV1: Go's JSON, which escapes what HTML would mind.</summary>
    public string ToJson() => _rank == Rank.Text ? GoJsonText.Quote(_text) : _text;

    /// <summary>As in messages.</summary>
    public override string ToString() => _rank == Rank.Text ? FieldErrors.Quote(_text) : _text;

    public int CompareTo(Scalar other)
    {
        if (_rank != other._rank)
            return _rank.CompareTo(other._rank);
        return _rank switch
        {
            Rank.Number => _isInteger && other._isInteger ? _integer.CompareTo(other._integer) : _number.CompareTo(other._number),
            Rank.Boolean => _integer.CompareTo(other._integer),
            _ => string.CompareOrdinal(_text, other._text),
        };
    }

    private static Scalar Number(ReadOnlySpan<byte> raw)
    {
        if (System.Buffers.Text.Utf8Parser.TryParse(raw, out long integer, out var used) && used == raw.Length)
            return new(Rank.Number, integer.ToString(CultureInfo.InvariantCulture), isInteger: true, integer, integer);
        var number = double.Parse(raw, CultureInfo.InvariantCulture);
        // A whole number is written as one, however it came: 80.0 is 80.
        return number == Math.Floor(number) && Math.Abs(number) < 1e15
            ? new(Rank.Number, ((long)number).ToString(CultureInfo.InvariantCulture), isInteger: true, (long)number, number)
            : new(Rank.Number, number.ToString("R", CultureInfo.InvariantCulture), number: number);
    }

    private static string JsonSerializerText(JsonElement element)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
            element.WriteTo(writer);
        return System.Text.Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
