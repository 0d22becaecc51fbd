using System.Text;
using System.Text.Json;
using Minke.Api;

namespace Minke.Server.Requests;

/// <summary>Why bytes are not JSON, in the words of Go's decoder, as near as the position of the error allows.</summary>
internal static class GoJsonError
{
    public static string Of(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, Json.ReaderOptions);
        try
        {
            while (reader.Read())
            {
                // Walking on until it fails.
            }
        }
        catch (JsonException)
        {
            var at = (int)reader.BytesConsumed;
            while (at < json.Length && json[at] is (byte)' ' or (byte)'\n' or (byte)'\t' or (byte)'\r' or (byte)',' or (byte)':')
                at++;
            if (at >= json.Length)
                return "unexpected end of JSON input";
            Rune.DecodeFromUtf8(json[at..], out var rune, out _);
            var place = reader.TokenType switch
            {
                JsonTokenType.None => "looking for beginning of value",
                JsonTokenType.StartObject => "looking for beginning of object key string",
                JsonTokenType.PropertyName => "looking for beginning of value",
                _ when reader.CurrentDepth == 0 => "after top-level value",
                _ => "after object key:value pair",
            };
            return $"invalid character '{rune}' {place}";
        }
        return "unexpected end of JSON input";
    }
}
