using System.Globalization;
using System.Text;
using Minke.Api;

namespace Minke.Server.Requests;

/// <summary>What may be asked of a write in its query, and who writes when it does not say.</summary>
internal static class WriteOptionRules
{
    private const int MaxManagerBytes = 128;

    public static void FieldManager(string name, FieldErrors errors)
    {
        if (Encoding.UTF8.GetByteCount(name) > MaxManagerBytes)
            errors.TooLong("fieldManager", MaxManagerBytes);
        var position = 0;
        foreach (var rune in name.EnumerateRunes())
        {
            if (!IsPrintable(rune))
                errors.Invalid("fieldManager", name, string.Create(CultureInfo.InvariantCulture, $"invalid character U+{rune.Value:X4} (at position {position})"));
            position += rune.Utf8SequenceLength;
        }
    }

    public static void FieldValidation(string directive, FieldErrors errors)
    {
        if (directive is not ("" or "Ignore" or "Strict" or "Warn"))
            errors.NotSupported("fieldValidation", directive, ["", "Ignore", "Strict", "Warn"]);
    }

    /// <summary>The program's name: what stands before the first slash.</summary>
    public static string ManagerOf(string userAgent)
    {
        var slash = userAgent.IndexOf('/', StringComparison.Ordinal);
        var program = slash < 0 ? userAgent : userAgent[..slash];
        if (program.Length <= MaxManagerBytes && Ascii.IsValid(program) && !program.AsSpan().ContainsAnyInRange('\0', '\x1f'))
            return program;
        var name = new StringBuilder();
        var length = 0;
        foreach (var rune in program.EnumerateRunes())
        {
            if (!IsPrintable(rune))
                continue;
            if (length + rune.Utf8SequenceLength > MaxManagerBytes)
                break;
            name.Append(rune);
            length += rune.Utf8SequenceLength;
        }
        return name.ToString();
    }

    /// <summary>Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the plain blank.</summary>
    private static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
        or UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}
