using System.Globalization;
using System.Text;

namespace Minke.Cel.Syntax;

/// <summary>From the text of a literal to its value. The escapes of the language definition; false when one is wrong.</summary>
internal static class Literals
{
    public static bool TryUnquote(string literal, out string text)
    {
        text = "";
        if (!TryStrip(literal, out var body, out var isRaw))
            return false;
        if (isRaw)
        {
            text = body;
            return true;
        }
        var result = new StringBuilder(body.Length);
        for (var i = 0; i < body.Length;)
        {
            if (body[i] != '\\')
            {
                result.Append(body[i++]);
                continue;
            }
            if (!TryEscape(body, ref i, out var value, out _) || !Rune.IsValid(value))
                return false;
            result.Append(new Rune(value).ToString());
        }
        text = result.ToString();
        return true;
    }

    public static bool TryUnquoteBytes(string literal, out byte[] bytes)
    {
        bytes = [];
        if (!TryStrip(literal, out var body, out var isRaw))
            return false;
        if (isRaw)
        {
            bytes = Encoding.UTF8.GetBytes(body);
            return true;
        }
        var result = new List<byte>(body.Length);
        for (var i = 0; i < body.Length;)
        {
            if (body[i] != '\\')
            {
                var length = char.IsHighSurrogate(body[i]) && i + 1 < body.Length ? 2 : 1;
                result.AddRange(Encoding.UTF8.GetBytes(body.Substring(i, length)));
                i += length;
                continue;
            }
            // In bytes a number escape is a byte, and there are no escapes for code points.
            if (!TryEscape(body, ref i, out var value, out var isCodePoint) || isCodePoint || value > 255)
                return false;
            result.Add((byte)value);
        }
        bytes = [.. result];
        return true;
    }

    public static bool TryInteger(string text, bool isNegative, out long value)
    {
        value = 0;
        if (!TryUnsigned(text, out var magnitude))
            return false;
        if (isNegative ? magnitude > (ulong)long.MaxValue + 1 : magnitude > long.MaxValue)
            return false;
        value = isNegative ? unchecked(-(long)magnitude) : (long)magnitude;
        return true;
    }

    public static bool TryUnsigned(string text, out ulong value) =>
        text.StartsWith("0x", StringComparison.Ordinal)
            ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private static bool TryStrip(string literal, out string body, out bool isRaw)
    {
        var start = literal.AsSpan().IndexOfAny('"', '\'');
        isRaw = literal.AsSpan(0, start).IndexOfAny('r', 'R') >= 0;
        var quote = literal[start];
        var length = literal.Length - start >= 6 && literal[start + 1] == quote && literal[start + 2] == quote ? 3 : 1;
        body = literal[(start + length)..^length].Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        return true;
    }

    private static bool TryEscape(string text, ref int i, out int value, out bool isCodePoint)
    {
        value = 0;
        isCodePoint = false;
        if (i + 1 >= text.Length)
            return false;
        var c = text[i + 1];
        i += 2;
        switch (c)
        {
            case 'a': value = '\a'; return true;
            case 'b': value = '\b'; return true;
            case 'f': value = '\f'; return true;
            case 'n': value = '\n'; return true;
            case 'r': value = '\r'; return true;
            case 't': value = '\t'; return true;
            case 'v': value = '\v'; return true;
            case '\\' or '\'' or '"' or '`' or '?': value = c; return true;
            case 'x' or 'X': return TryHex(text, ref i, 2, out value);
            case 'u':
                isCodePoint = true;
                return TryHex(text, ref i, 4, out value);
            case 'U':
                isCodePoint = true;
                return TryHex(text, ref i, 8, out value);
            case >= '0' and <= '3':
                if (i + 2 > text.Length || text[i] is < '0' or > '7' || text[i + 1] is < '0' or > '7')
                    return false;
                value = ((c - '0') * 64) + ((text[i] - '0') * 8) + (text[i + 1] - '0');
                i += 2;
                return true;
            default: return false;
        }
    }

    private static bool TryHex(string text, ref int i, int digits, out int value)
    {
        value = 0;
        if (i + digits > text.Length
            || !int.TryParse(text.AsSpan(i, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value))
            return false;
        i += digits;
        return true;
    }
}
