using System.Globalization;

namespace Minke.Api;

/// <summary>A value already written the way Go would print it.</summary>
internal sealed record GoText(string Text)
{
    public override string ToString() => Text;

    public static string Of(bool? value) => value switch { null => "nil", true => "*true", false => "*false" };

    /// <summary><c>intstr.IntOrString{Type:1, IntVal:0, StrVal:"25%"}</c>.</summary>
    public static GoText Of(IntOrString value) => new(string.Create(
        CultureInfo.InvariantCulture, $"intstr.IntOrString{{Type:{(value.IsText ? 1 : 0)}, IntVal:{value.Number}, StrVal:{FieldErrors.Quote(value.Text ?? "")}}}"));

    public static string Of(ApiMap<string> map) => map.IsNull
        ? "map[string]string(nil)" : $"map[string]string{{{string.Join(", ", map.Select(pair => FieldErrors.Quote(pair.Key) + ":" + FieldErrors.Quote(pair.Value)))}}}";

    public static string Of(ApiList<string> list) => list.IsNull
        ? "[]string(nil)" : $"[]string{{{string.Join(", ", list.Select(FieldErrors.Quote))}}}";
}
