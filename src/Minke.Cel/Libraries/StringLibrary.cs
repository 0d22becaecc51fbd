using System.Text;
using Minke.Cel.Types;
using Minke.Cel.Values;
using static Minke.Cel.Types.CelType;

namespace Minke.Cel.Libraries;

/// <summary>cel-go's string extensions, version 2. Positions count code points.</summary>
internal static class StringLibrary
{
    private static readonly CelType Strings = CelType.List(CelType.String);

    public static void AddTo(FunctionTable table)
    {
        var library = table.Extension;
        library.Member("charAt", "string_char_at_int", [CelType.String, CelType.Int], CelType.String, a => CharacterAt(a[0].Text, a[1].Int));
        library.Member("indexOf", "string_index_of_string", [CelType.String, CelType.String], CelType.Int, a => IndexOf(a[0].Text, a[1].Text, 0));
        library.Member("indexOf", "string_index_of_string_int", [CelType.String, CelType.String, CelType.Int], CelType.Int, a => IndexOf(a[0].Text, a[1].Text, a[2].Int));
        library.Member("lastIndexOf", "string_last_index_of_string", [CelType.String, CelType.String], CelType.Int, a => LastIndexOf(a[0].Text, a[1].Text, null));
        library.Member("lastIndexOf", "string_last_index_of_string_int", [CelType.String, CelType.String, CelType.Int], CelType.Int,
            a => LastIndexOf(a[0].Text, a[1].Text, a[2].Int));
        library.Member("lowerAscii", "string_lower_ascii", [CelType.String], CelType.String, a => Mapped(a[0].Text, char.IsAsciiLetterUpper, 32));
        library.Member("upperAscii", "string_upper_ascii", [CelType.String], CelType.String, a => Mapped(a[0].Text, char.IsAsciiLetterLower, -32));
        library.Member("trim", "string_trim", [CelType.String], CelType.String, a => new StringValue(a[0].Text.Trim()));
        library.Member("replace", "string_replace_string_string", [CelType.String, CelType.String, CelType.String], CelType.String,
            a => Replace(a[0].Text, a[1].Text, a[2].Text, -1));
        library.Member("replace", "string_replace_string_string_int", [CelType.String, CelType.String, CelType.String, CelType.Int], CelType.String,
            a => Replace(a[0].Text, a[1].Text, a[2].Text, a[3].Int));
        library.Member("split", "string_split_string", [CelType.String, CelType.String], Strings, a => ListValue.Of(Split(a[0].Text, a[1].Text, -1)));
        library.Member("split", "string_split_string_int", [CelType.String, CelType.String, CelType.Int], Strings, a => ListValue.Of(Split(a[0].Text, a[1].Text, a[2].Int)));
        library.Member("substring", "string_substring_int", [CelType.String, CelType.Int], CelType.String, a => Substring(a[0].Text, a[1].Int, null));
        library.Member("substring", "string_substring_int_int", [CelType.String, CelType.Int, CelType.Int], CelType.String, a => Substring(a[0].Text, a[1].Int, a[2].Int));
        library.Member("format", "string_format", [CelType.String, CelType.List(Dyn)], CelType.String, a => StringFormat.Apply(a[0].Text, a[1].List));
        library.Global("strings.quote", "strings_quote", [CelType.String], CelType.String, a => new StringValue(Display.QuoteForCel(a[0].Text)));
        library.Member("join", "list_join", [Strings], CelType.String, a => Join(a[0].List, ""));
        library.Member("join", "list_join_string", [Strings, CelType.String], CelType.String, a => Join(a[0].List, a[1].Text));
    }

    private static CelValue CharacterAt(string text, long index)
    {
        var runes = Runes(text);
        if (index < 0 || index > runes.Length)
            return OutOfRange(index);
        return index == runes.Length ? StringValue.Empty : new StringValue(runes[index].ToString());
    }

    private static CelValue IndexOf(string text, string part, long offset)
    {
        if (part.Length == 0)
            return new IntValue(offset);
        var (runes, wanted) = (Runes(text), Runes(part));
        if (offset < 0 || offset >= runes.Length)
            return OutOfRange(offset);
        var index = runes.AsSpan((int)offset).IndexOf(wanted);
        return new IntValue(index < 0 ? -1 : index + offset);
    }

    private static CelValue LastIndexOf(string text, string part, long? offset)
    {
        var (runes, wanted) = (Runes(text), Runes(part));
        if (wanted.Length == 0)
            return new IntValue(offset ?? runes.Length);
        var last = offset ?? runes.Length - 1;
        if (last < 0 || last >= runes.Length)
            return OutOfRange(last);
        var end = (int)Math.Min(runes.Length, last + wanted.Length);
        return new IntValue(runes.AsSpan(0, end).LastIndexOf(wanted));
    }

    private static StringValue Mapped(string text, Func<char, bool> isMapped, int shift) =>
        new(string.Create(text.Length, (text, isMapped, shift), (result, state) =>
        {
            for (var i = 0; i < result.Length; i++)
                result[i] = state.isMapped(state.text[i]) ? (char)(state.text[i] + state.shift) : state.text[i];
        }));

    private static StringValue Replace(string text, string old, string replacement, long limit)
    {
        if (limit == 0 || old == replacement)
            return new StringValue(text);
        if (old.Length > 0 && limit < 0)
            return new StringValue(text.Replace(old, replacement, StringComparison.Ordinal));
        var result = new StringBuilder();
        var rest = text.AsSpan();
        // Nothing is found before every character and at the end.
        for (var count = 0L; limit < 0 || count < limit; count++)
        {
            if (old.Length == 0)
            {
                result.Append(replacement);
                if (rest.Length == 0)
                    return new StringValue(result.ToString());
                var length = char.IsHighSurrogate(rest[0]) && rest.Length > 1 ? 2 : 1;
                result.Append(rest[..length]);
                rest = rest[length..];
                continue;
            }
            var index = rest.IndexOf(old, StringComparison.Ordinal);
            if (index < 0)
                break;
            result.Append(rest[..index]).Append(replacement);
            rest = rest[(index + old.Length)..];
        }
        return new StringValue(result.Append(rest).ToString());
    }

    private static IEnumerable<string> Split(string text, string separator, long limit)
    {
        if (limit == 0)
            return [];
        if (separator.Length == 0)
        {
            var runes = Runes(text);
            if (limit < 0 || runes.Length <= limit)
                return runes.Select(rune => rune.ToString());
            return [.. runes.Take((int)limit - 1).Select(rune => rune.ToString()), string.Concat(runes.Skip((int)limit - 1))];
        }
        return limit < 0 || limit > int.MaxValue ? text.Split(separator) : text.Split(separator, (int)limit);
    }

    private static CelValue Substring(string text, long start, long? end)
    {
        var runes = Runes(text);
        var stop = end ?? runes.Length;
        if (end is not null && start > stop)
            return new ErrorValue($"invalid substring range. start: {start}, end: {stop}");
        if (start < 0 || start > runes.Length)
            return OutOfRange(start);
        if (stop < 0 || stop > runes.Length)
            return OutOfRange(stop);
        return new StringValue(string.Concat(runes[(int)start..(int)stop]));
    }

    private static CelValue Join(ListValue list, string separator)
    {
        var result = new StringBuilder();
        for (var i = 0; i < list.Count; i++)
        {
            if (i > 0)
                result.Append(separator);
            if (list[i] is not StringValue text)
                return new ErrorValue($"join: invalid input: {Display.Of(list[i])}");
            // The cost is known only when the result is there: far more than may be paid for is not made.
            if (result.Append(text.Value).Length > StringFormat.MaxLength)
                throw new CostLimitException();
        }
        return new StringValue(result.ToString());
    }

    private static ErrorValue OutOfRange(long index) => new($"index out of range: {index}");

    private static Rune[] Runes(string text) => [.. text.EnumerateRunes()];
}
