using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>Values as Go prints them in upstream's messages.</summary>
internal static class GoSyntax
{
    // The precision that strconv decides by when it prints the shortest form.
    private const int MaxPlainExponent = 6;

    /// <summary>A value in an error's text that is neither quoted nor changed any more.</summary>
    public sealed record Text(string Value)
    {
        public override string ToString() => Value;
    }

    /// <summary>What <see cref="FieldErrors"/> shows of a value.</summary>
    public static object Shown(JsonNode? value) => value switch
    {
        null => "null",
        JsonObject or JsonArray => new Text(Of(value)),
        _ when JsonTree.IsText(value, out var text) => text,
        _ => new Text(Of(value)),
    };

    /// <summary>As <c>%#v</c>.</summary>
    public static string Of(JsonNode? value) => value switch
    {
        null => "interface {}(nil)",
        JsonObject members => $"map[string]interface {{}}{{{string.Join(", ", JsonTree.Sorted(members).Select(one => FieldErrors.Quote(one.Key) + ":" + Of(one.Value)))}}}",
        JsonArray items => $"[]interface {{}}{{{string.Join(", ", items.Select(Of))}}}",
        _ => value.GetValueKind() switch
        {
            JsonValueKind.String => FieldErrors.Quote(value.GetValue<string>()),
            JsonValueKind.True => "true",
            JsonValueKind.False => "false",
            _ => JsonTree.IsWhole(value, out var whole) ? whole.ToString(CultureInfo.InvariantCulture) : Number(value.GetValue<double>()),
        },
    };

    /// <summary>As <c>%v</c> of a float64: shortest digits, an exponent below 1e-4 and from 1e+06 on.</summary>
    public static string Number(double value)
    {
        if (value == 0)
            return "0";
        var sign = value < 0 ? "-" : "";
        var text = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture);
        var e = text.IndexOf('E', StringComparison.Ordinal);
        var shift = e < 0 ? 0 : int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var mantissa = e < 0 ? text : text[..e];
        var point = mantissa.IndexOf('.', StringComparison.Ordinal);
        var plain = mantissa.Replace(".", "", StringComparison.Ordinal);
        var digits = plain.TrimStart('0');
        // Where the point belongs, counted from the first digit that is not zero.
        var position = (point < 0 ? mantissa.Length : point) - (plain.Length - digits.Length) + shift;
        digits = digits.TrimEnd('0');
        var exponent = position - 1;
        if (exponent is < -4 or >= MaxPlainExponent)
        {
            var fraction = digits.Length > 1 ? "." + digits[1..] : "";
            return string.Create(CultureInfo.InvariantCulture, $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
        }
        if (position <= 0)
            return sign + "0." + new string('0', -position) + digits;
        return position >= digits.Length ? sign + digits.PadRight(position, '0') : $"{sign}{digits[..position]}.{digits[position..]}";
    }
}
