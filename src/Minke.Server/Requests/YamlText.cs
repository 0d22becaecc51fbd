using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Minke.Server.Requests;

/// <summary>JSON as YAML, keys sorted, as upstream's serializer writes it.</summary>
internal static class YamlText
{
    public static byte[] FromJson(ReadOnlySpan<byte> json)
    {
        using var document = JsonDocument.Parse(json.ToArray());
        var text = new StringBuilder();
        Write(text, document.RootElement, 0, isInline: false);
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static void Write(StringBuilder text, JsonElement element, int indent, bool isInline)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object when element.EnumerateObject().Any():
                var isFirst = isInline;
                foreach (var member in element.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal))
                {
                    if (!isFirst)
                        text.Append(' ', indent);
                    isFirst = false;
                    text.Append(Scalar(member.Name)).Append(':');
                    WriteMember(text, member.Value, indent);
                }
                break;
            case JsonValueKind.Array when element.GetArrayLength() > 0:
                foreach (var item in element.EnumerateArray())
                {
                    text.Append(' ', indent).Append("- ");
                    if (item.ValueKind is JsonValueKind.Array && item.GetArrayLength() > 0)
                    {
                        text.Append('\n');
                        Write(text, item, indent + 2, isInline: false);
                    }
                    else
                    {
                        Write(text, item, indent + 2, isInline: true);
                    }
                }
                break;
            default:
                text.Append(element.ValueKind switch
                {
                    JsonValueKind.Object => "{}",
                    JsonValueKind.Array => "[]",
                    JsonValueKind.String => Scalar(element.GetString()!),
                    _ => element.GetRawText(),
                }).Append('\n');
                break;
        }
    }

    private static void WriteMember(StringBuilder text, JsonElement value, int indent)
    {
        var isNested = value.ValueKind == JsonValueKind.Object ? value.EnumerateObject().Any()
            : value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0;
        text.Append(isNested ? '\n' : ' ');
        Write(text, value, value.ValueKind == JsonValueKind.Array ? indent : indent + 2, isInline: false);
    }

    /// <summary>Plain where YAML reads it back as the same text, else in double quotes, whose escapes are JSON's.</summary>
    private static string Scalar(string value)
    {
        var isPlain = value.Length > 0 && (char.IsAsciiLetter(value[0]) || value[0] is '/' or '_' or '.')
            && value[^1] is not (' ' or ':') && !value.Contains(": ", StringComparison.Ordinal) && !value.Contains(" #", StringComparison.Ordinal)
            && value.All(letter => letter is >= ' ' and <= '~')
            && value.ToLowerInvariant() is not ("true" or "false" or "null" or "yes" or "no" or "on" or "off" or "y" or "n" or ".inf" or ".nan")
            && !double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out _);
        return isPlain ? value : "\"" + JsonEncodedText.Encode(value, Minke.Api.Json.WriterOptions.Encoder) + "\"";
    }
}
