namespace Minke.Api;

/// <summary>A URL in parts, taken as Go's <c>net/url</c> takes it: far more is a URL there than for .NET.</summary>
/// <param name="User">Null without one.</param>
internal sealed record GoUrl(string Scheme, string? User, string Host, string Path, string Query, string Fragment)
{
    /// <summary>Null, and why in Go's words, for what Go refuses.</summary>
    public static GoUrl? Parse(string text, out string why)
    {
        var quoted = $"parse {FieldErrors.Quote(text)}: ";
        (var rest, var fragment) = Cut(text, '#');
        if (text.Any(letter => letter < ' ' || letter == 0x7f))
            return Fail(quoted + "net/url: invalid control character in URL", out why);
        var colon = rest.IndexOf(':', StringComparison.Ordinal);
        var slash = rest.IndexOfAny(['/', '?']);
        var scheme = "";
        if (colon == 0)
            return Fail(quoted + "missing protocol scheme", out why);
        if (colon > 0 && (slash < 0 || colon < slash))
        {
            if (!IsScheme(rest.AsSpan(0, colon)))
                return Fail(quoted + "first path segment in URL cannot contain colon", out why);
            (scheme, rest) = (rest[..colon].ToLowerInvariant(), rest[(colon + 1)..]);
        }
        (rest, var query) = Cut(rest, '?');
        if (!rest.StartsWith("//", StringComparison.Ordinal))
        {
            if (WhyBadEscape(rest) is { } escape)
                return Fail(quoted + escape, out why);
            why = "";
            return new(scheme, null, "", rest, query, fragment);
        }
        var end = rest.IndexOf('/', 2);
        var authority = end < 0 ? rest[2..] : rest[2..end];
        var at = authority.LastIndexOf('@');
        var (user, host) = at < 0 ? (null, authority) : (authority[..at], authority[(at + 1)..]);
        if (WhyBadHost(host) is { } wrong)
            return Fail(quoted + wrong, out why);
        if (WhyBadEscape(end < 0 ? "" : rest[end..]) is { } bad)
            return Fail(quoted + bad, out why);
        why = "";
        return new(scheme, user, host, end < 0 ? "" : rest[end..], query, fragment);
    }

    private static GoUrl? Fail(string message, out string why)
    {
        why = message;
        return null;
    }

    private static (string Before, string After) Cut(string text, char mark)
    {
        var at = text.IndexOf(mark, StringComparison.Ordinal);
        return at < 0 ? (text, "") : (text[..at], text[(at + 1)..]);
    }

    private static bool IsScheme(ReadOnlySpan<char> text)
    {
        foreach (var letter in text)
        {
            if (!char.IsAsciiLetterOrDigit(letter) && letter is not ('+' or '-' or '.'))
                return false;
        }
        return char.IsAsciiLetter(text[0]);
    }

    private static string? WhyBadHost(string host)
    {
        var colon = host.StartsWith('[') ? host.IndexOf("]:", StringComparison.Ordinal) + 1 : host.LastIndexOf(':');
        if (host.StartsWith('[') && !host.Contains(']', StringComparison.Ordinal))
            return "missing ']' in host";
        if (colon > 0 && !host.AsSpan(colon + 1).TrimStart("0123456789").IsEmpty)
            return $"invalid port {FieldErrors.Quote(host[colon..])} after host";
        foreach (var letter in host)
        {
            if (letter is ' ' or '<' or '>' or '"' or '\\' or '^' or '`' or '{' or '|' or '}')
                return $"invalid character {FieldErrors.Quote(letter.ToString())} in host name";
        }
        return WhyBadEscape(host);
    }

    private static string? WhyBadEscape(string text)
    {
        for (var i = text.IndexOf('%', StringComparison.Ordinal); i >= 0; i = text.IndexOf('%', i + 1))
        {
            if (i + 2 >= text.Length || !char.IsAsciiHexDigit(text[i + 1]) || !char.IsAsciiHexDigit(text[i + 2]))
                return $"invalid URL escape {FieldErrors.Quote(text[i..Math.Min(i + 3, text.Length)])}";
        }
        return null;
    }
}
