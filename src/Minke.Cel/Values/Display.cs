using System.Globalization;
using System.Text;

namespace Minke.Cel.Values;

/// <summary>Values as error messages show them (Go's <c>%v</c>).</summary>
internal static class Display
{
    public static string Of(CelValue value) => value switch
    {
        StringValue text => text.Value,
        IntValue number => number.Value.ToString(CultureInfo.InvariantCulture),
        UintValue number => number.Value.ToString(CultureInfo.InvariantCulture),
        DoubleValue number => Number.FormatGeneral(number.Value),
        BoolValue flag => flag.Value ? "true" : "false",
        NullValue => "null",
        BytesValue bytes => $"[{string.Join(' ', bytes.Value.ToArray())}]",
        TypeValue type => type.Value.Name,
        ErrorValue error => error.Message,
        DurationValue duration => GoDuration.Format(duration.Nanoseconds),
        TimestampValue timestamp => timestamp.Format(),
        ListValue list => $"[{string.Join(", ", list.Items.Select(Of))}]",
        MapValue map => $"{{{string.Join(", ", map.Keys.Select(key => $"{Of(key)}: {Of(map.Find(key)!)}"))}}}",
        _ => value.Type.Name,
    };

    /// <summary>As Go's <c>%q</c>.</summary>
    public static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var rune in text.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case '"': quoted.Append("\\\""); break;
                case '\\': quoted.Append("\\\\"); break;
                case '\a': quoted.Append("\\a"); break;
                case '\b': quoted.Append("\\b"); break;
                case '\f': quoted.Append("\\f"); break;
                case '\n': quoted.Append("\\n"); break;
                case '\r': quoted.Append("\\r"); break;
                case '\t': quoted.Append("\\t"); break;
                case '\v': quoted.Append("\\v"); break;
                case < 0x20 or 0x7f: quoted.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:x2}"); break;
                default: quoted.Append(rune.ToString()); break;
            }
        }
        return quoted.Append('"').ToString();
    }

    /// <summary>As <c>strings.quote</c> does: a literal of CEL.</summary>
    public static string QuoteForCel(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var rune in text.EnumerateRunes())
        {
            quoted.Append(rune.Value switch
            {
                '\a' => "\\a",
                '\b' => "\\b",
                '\f' => "\\f",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\v' => "\\v",
                '\\' => "\\\\",
                '"' => "\\\"",
                _ => rune.ToString(),
            });
        }
        return quoted.Append('"').ToString();
    }
}
