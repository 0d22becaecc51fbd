using System.Collections;
using System.Globalization;

namespace Minke.Api;

/// <summary>A place in an object, as upstream writes it: <c>spec.containers[0].env[1].name</c>, <c>metadata.labels[app]</c>.</summary>
public readonly record struct FieldPath(string Text)
{
    public static FieldPath Root => new("");
    public FieldPath Child(string name) => new(Text.Length == 0 ? name : Text + "." + name);
    public FieldPath Index(int index) => new(string.Create(CultureInfo.InvariantCulture, $"{Text}[{index}]"));
    public FieldPath Key(string key) => new($"{Text}[{key}]");
    public override string ToString() => Text;
    public static implicit operator FieldPath(string text) => new(text);
}

/// <summary>One thing wrong with one field.</summary>
/// <param name="CauseType"><c>FieldValueInvalid</c>, ….</param>
/// <param name="Path">Where.</param>
/// <param name="Body">What, without the path: <c>Invalid value: -1: must be greater than or equal to 0</c>.</param>
public sealed record FieldError(string CauseType, string Path, string Body)
{
    public override string ToString() => $"{Path}: {Body}";
}

/// <summary>What validation found, in order. The texts are those of apimachinery's <c>field</c> package, 1.32.</summary>
public sealed class FieldErrors : IReadOnlyList<FieldError>
{
    private readonly List<FieldError> _errors = [];

    public int Count => _errors.Count;
    public FieldError this[int index] => _errors[index];

    public void Required(FieldPath path, string detail = "") => Add("FieldValueRequired", path, "Required value", detail);

    public void Invalid(FieldPath path, object? value, string detail) => Add("FieldValueInvalid", path, $"Invalid value: {Show(value)}", detail);

    /// <summary>Where the value would say nothing.</summary>
    public void InvalidWithoutValue(FieldPath path, string detail) => Add("FieldValueInvalid", path, "Invalid value", detail);

    public void TypeInvalid(FieldPath path, object? value, string detail) => Add("FieldValueTypeInvalid", path, $"Invalid value: {Show(value)}", detail);

    /// <summary>The supported values in the order given: upstream sorts some lists and not others.</summary>
    public void NotSupported(FieldPath path, object? value, IEnumerable<string> supported) => Add(
        "FieldValueNotSupported", path, $"Unsupported value: {Show(value)}",
        string.Join(", ", supported.Select(Quote)) is { Length: > 0 } list ? "supported values: " + list : "");

    public void Duplicate(FieldPath path, object? value, string detail = "") => Add("FieldValueDuplicate", path, $"Duplicate value: {Show(value)}", detail);

    public void NotFound(FieldPath path, object? value, string detail = "") => Add("FieldValueNotFound", path, $"Not found: {Show(value)}", detail);

    public void Forbidden(FieldPath path, string detail) => Add("FieldValueForbidden", path, "Forbidden", detail);

    public void TooLong(FieldPath path, int maxLength) => Add(
        "FieldValueTooLong", path, "Too long", string.Create(CultureInfo.InvariantCulture, $"may not be more than {maxLength} bytes"));

    public void TooMany(FieldPath path, int actual, int max) => Add(
        "FieldValueTooMany", path, string.Create(CultureInfo.InvariantCulture, $"Too many: {actual}"),
        string.Create(CultureInfo.InvariantCulture, $"must have at most {max} items"));

    public void Internal(FieldPath path, string detail) => Add("InternalError", path, "Internal error", detail);

    /// <summary>One found elsewhere.</summary>
    public void Add(FieldError error) => _errors.Add(error);

    /// <summary>One error as it is, several as <c>[a, b]</c>, repeats once.</summary>
    public string ToAggregate()
    {
        var texts = _errors.Select(error => error.ToString()).Distinct(StringComparer.Ordinal).ToList();
        return texts.Count == 1 ? texts[0] : $"[{string.Join(", ", texts)}]";
    }

    /// <summary>Those of another list, in order of their texts.</summary>
    internal void AddSorted(FieldErrors found) => _errors.AddRange(found.OrderBy(error => error.ToString(), StringComparer.Ordinal));

    public IEnumerator<FieldError> GetEnumerator() => _errors.GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private void Add(string type, FieldPath path, string what, string detail) =>
        _errors.Add(new(type, path.Text.Length == 0 ? "<nil>" : path.Text, detail.Length == 0 ? what : $"{what}: {detail}"));

    private static string Show(object? value) => value switch
    {
        // Quoted, as upstream has it.
        null => "\"null\"",
        string text => Quote(text),
        bool flag => flag ? "true" : "false",
        IntOrString { IsText: true } text => Quote(text.Text!),
        ApiMap<string> map => GoText.Of(map),
        ApiList<string> { IsNull: true } => "[]string(nil)",
        IEnumerable<string> items => $"[]string{{{string.Join(", ", items.Select(Quote))}}}",
        Time time => time.ToDateTimeOffset().ToString("yyyy-MM-dd HH:mm:ss '+0000 UTC'", CultureInfo.InvariantCulture),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "null",
    };

    /// <summary>As Go's <c>%q</c>.</summary>
    public static string Quote(string text)
    {
        var quoted = new System.Text.StringBuilder("\"");
        foreach (var rune in text.EnumerateRunes())
        {
            _ = rune.Value switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append("\\\\"),
                '\n' => quoted.Append("\\n"),
                '\r' => quoted.Append("\\r"),
                '\t' => quoted.Append("\\t"),
                '\a' => quoted.Append("\\a"),
                '\b' => quoted.Append("\\b"),
                '\f' => quoted.Append("\\f"),
                '\v' => quoted.Append("\\v"),
                < 0x20 or 0x7f => quoted.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:x2}"),
                _ => quoted.Append(rune.ToString()),
            };
        }
        return quoted.Append('"').ToString();
    }
}
