namespace Minke.Cel.Syntax;

/// <summary>Cuts an expression into tokens. What is no token is reported and left out.</summary>
internal sealed class Lexer(SourceText source, List<CelIssue> issues)
{
    private static readonly Dictionary<string, TokenKind> Keywords = new(StringComparer.Ordinal)
    {
        ["true"] = TokenKind.True,
        ["false"] = TokenKind.False,
        ["null"] = TokenKind.Null,
        ["in"] = TokenKind.In,
    };

    private int _position;

    public List<Token> Read()
    {
        var tokens = new List<Token>();
        while (true)
        {
            SkipBlanks();
            var start = _position;
            if (source[start] < 0)
            {
                tokens.Add(new Token(TokenKind.End, "<EOF>", start, start));
                return tokens;
            }
            if (Next() is { } kind)
                tokens.Add(new Token(kind, source.Slice(start, _position), start, _position));
        }
    }

    private void SkipBlanks()
    {
        while (true)
        {
            var c = source[_position];
            if (c is ' ' or '\t' or '\r' or '\n' or '\f')
                _position++;
            else if (c == '/' && source[_position + 1] == '/')
                while (source[_position] is >= 0 and not '\n')
                    _position++;
            else
                return;
        }
    }

    private TokenKind? Next()
    {
        var start = _position;
        var c = source[start];
        if (QuoteAfterPrefix() is var (quote, isRaw, isBytes) && quote >= 0)
            return Quoted(start, quote, isRaw, isBytes);
        if (IsLetter(c))
            return Word(start);
        if (IsDigit(c) || (c == '.' && IsDigit(source[start + 1])))
            return Number();

        _position++;
        switch (c)
        {
            case '=' when Take('='): return TokenKind.Equal;
            case '!': return Take('=') ? TokenKind.NotEqual : TokenKind.Not;
            case '<': return Take('=') ? TokenKind.LessEqual : TokenKind.Less;
            case '>': return Take('=') ? TokenKind.GreaterEqual : TokenKind.Greater;
            case '&' when Take('&'): return TokenKind.And;
            case '|' when Take('|'): return TokenKind.Or;
            case '[': return TokenKind.OpenBracket;
            case ']': return TokenKind.CloseBracket;
            case '{': return TokenKind.OpenBrace;
            case '}': return TokenKind.CloseBrace;
            case '(': return TokenKind.OpenParenthesis;
            case ')': return TokenKind.CloseParenthesis;
            case '.': return TokenKind.Dot;
            case ',': return TokenKind.Comma;
            case '-': return TokenKind.Minus;
            case '?': return TokenKind.Question;
            case ':': return TokenKind.Colon;
            case '+': return TokenKind.Plus;
            case '*': return TokenKind.Star;
            case '/': return TokenKind.Slash;
            case '%': return TokenKind.Percent;
        }
        // What cannot begin a token takes the character with it that showed so.
        return Unrecognized(start, c is '=' or '&' or '|' ? _position : start);
    }

    private TokenKind? Unrecognized(int start, int failedAt)
    {
        _position = Math.Min(failedAt + 1, source.Length);
        issues.Add(CelIssue.At(source, start, $"Syntax error: token recognition error at: '{Escape(source.Slice(start, _position))}'"));
        return null;
    }

    private static string Escape(string text) => text.Replace("\n", "\\n", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal)
        .Replace("\r", "\\r", StringComparison.Ordinal);

    private TokenKind Word(int start)
    {
        while (IsLetter(source[_position]) || IsDigit(source[_position]))
            _position++;
        return Keywords.GetValueOrDefault(source.Slice(start, _position), TokenKind.Identifier);
    }

    private TokenKind Number()
    {
        if (source[_position] == '0' && source[_position + 1] == 'x' && IsHexDigit(source[_position + 2]))
        {
            _position += 2;
            while (IsHexDigit(source[_position]))
                _position++;
            return Take('u') || Take('U') ? TokenKind.Unsigned : TokenKind.Integer;
        }

        SkipDigits();
        var isFloating = false;
        if (source[_position] == '.' && IsDigit(source[_position + 1]))
        {
            isFloating = true;
            _position++;
            SkipDigits();
        }
        if (source[_position] is 'e' or 'E')
        {
            var exponent = source[_position + 1] is '+' or '-' ? 2 : 1;
            if (IsDigit(source[_position + exponent]))
            {
                isFloating = true;
                _position += exponent;
                SkipDigits();
            }
        }
        if (isFloating)
            return TokenKind.Floating;
        return Take('u') || Take('U') ? TokenKind.Unsigned : TokenKind.Integer;
    }

    /// <summary>The quote that begins a string here, after <c>r</c> and <c>b</c> in any case and order; -1 if none does.</summary>
    private (int Quote, bool IsRaw, bool IsBytes) QuoteAfterPrefix()
    {
        var position = _position;
        bool isRaw = false, isBytes = false;
        for (; ; position++)
        {
            switch (source[position])
            {
                case 'r' or 'R' when !isRaw:
                    isRaw = true;
                    continue;
                case 'b' or 'B' when !isBytes && !isRaw:
                    isBytes = true;
                    continue;
                case '"' or '\'':
                    return (position, isRaw, isBytes);
                default:
                    return (-1, false, false);
            }
        }
    }

    // The longest token there is: when the string does not end as it should, the letters before it are a name, and two quotes are a string.
    private TokenKind? Quoted(int start, int quotePosition, bool isRaw, bool isBytes)
    {
        var quote = source[quotePosition];
        var isTriple = source[quotePosition + 1] == quote && source[quotePosition + 2] == quote;
        var isClosed = TryClose(quotePosition, isTriple ? 3 : 1, isRaw, out _position);
        if (!isClosed && isTriple)
            _position = quotePosition + 2;
        if (isClosed || isTriple)
            return isBytes ? TokenKind.Bytes : TokenKind.String;
        var failedAt = _position;
        _position = start;
        return quotePosition > start ? Word(start) : Unrecognized(start, failedAt);
    }

    /// <param name="end">After the closing quotes, or where it turns out that there are none.</param>
    private bool TryClose(int quotePosition, int quotes, bool isRaw, out int end)
    {
        var quote = source[quotePosition];
        end = quotePosition + quotes;
        while (true)
        {
            var c = source[end];
            if (c < 0 || (quotes == 1 && c is '\n' or '\r'))
                return false;
            if (c == quote && (quotes == 1 || (source[end + 1] == quote && source[end + 2] == quote)))
            {
                end += quotes;
                return true;
            }
            if (c != '\\' || isRaw)
                end++;
            else if (!TryEscape(ref end))
                return false;
        }
    }

    private bool TryEscape(ref int position)
    {
        var c = source[++position];
        var (digits, isOctal) = c switch
        {
            'x' or 'X' => (2, false),
            'u' => (4, false),
            'U' => (8, false),
            >= '0' and <= '3' => (2, true),
            'a' or 'b' or 'f' or 'n' or 'r' or 't' or 'v' or '"' or '\'' or '\\' or '?' or '`' => (0, false),
            _ => (-1, false),
        };
        if (digits < 0)
            return false;
        for (position++; digits > 0; digits--, position++)
        {
            if (isOctal ? source[position] is < '0' or > '7' : !IsHexDigit(source[position]))
                return false;
        }
        return true;
    }

    private bool Take(char wanted)
    {
        if (source[_position] != wanted)
            return false;
        _position++;
        return true;
    }

    private void SkipDigits()
    {
        while (IsDigit(source[_position]))
            _position++;
    }

    private static bool IsLetter(int c) => c is (>= 'a' and <= 'z') or (>= 'A' and <= 'Z') or '_';
    private static bool IsDigit(int c) => c is >= '0' and <= '9';
    private static bool IsHexDigit(int c) => IsDigit(c) || c is (>= 'a' and <= 'f') or (>= 'A' and <= 'F');
}
