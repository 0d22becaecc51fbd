using System.Globalization;

namespace Minke.Api;

/// <summary>
/// Why bytes are not JSON, in the words of Go's decoder (<c>encoding/json</c>): its scanner walked once more, after a reader has
/// refused them.
/// </summary>
/// <remarks>
/// <code>
/// value ─▶ after value ─▶ ',' ─▶ value          in an array, until ']'
///   ▲          │
///   └── ':' ◀─ key ◀─ ',' or '{'                in an object, until '}'
/// </code>
/// </remarks>
public ref struct GoJsonError
{
    private readonly ReadOnlySpan<byte> _json;
    private readonly Stack<Place> _open = [];
    private int _at;

    private GoJsonError(ReadOnlySpan<byte> json) => _json = json;

    /// <summary>What comes next in an object or an array that is still open.</summary>
    private enum Place { Key, Value, Element }

    public static bool IsWellFormed(ReadOnlySpan<byte> json) => new GoJsonError(json).Walk() is null;

    public static string Of(ReadOnlySpan<byte> json) => new GoJsonError(json).Walk() ?? "invalid UTF-8 in string";

    /// <summary>Null when there is nothing wrong with the form.</summary>
    private string? Walk()
    {
        if (Value() is { } wrong)
            return wrong;
        while (true)
        {
            if (!SkipSpace())
                return _open.Count == 0 ? null : End;
            if (_open.Count == 0)
                return Invalid("after top-level value");
            wrong = (_open.Peek(), _json[_at]) switch
            {
                (Place.Key, (byte)':') => Then(Place.Value),
                (Place.Key, _) => Invalid("after object key"),
                (Place.Value, (byte)',') => Key(mayEnd: false),
                (Place.Value, (byte)'}') or (Place.Element, (byte)']') => Close(),
                (Place.Value, _) => Invalid("after object key:value pair"),
                (_, (byte)',') => Then(Place.Element),
                _ => Invalid("after array element"),
            };
            if (wrong is not null)
                return wrong;
        }
    }

    private const string End = "unexpected end of JSON input";

    private string? Value()
    {
        if (!SkipSpace())
            return End;
        var first = _json[_at];
        switch (first)
        {
            case (byte)'{':
                return Open(Place.Key) ?? Key(mayEnd: true);
            case (byte)'[':
                if (Open(Place.Element) is { } tooDeep)
                    return tooDeep;
                _at++;
                if (SkipSpace() && _json[_at] == ']')
                    return Close();
                return Value();
            case (byte)'"':
                return Text();
            case (byte)'t':
                return Literal("true");
            case (byte)'f':
                return Literal("false");
            case (byte)'n':
                return Literal("null");
            default:
                return first == '-' || char.IsAsciiDigit((char)first) ? Number() : Invalid("looking for beginning of value");
        }
    }

    private readonly string? Open(Place place)
    {
        _open.Push(place);
        return _open.Count > Json.ReaderOptions.MaxDepth ? "exceeded max depth" : null;
    }

    private string? Close()
    {
        _open.Pop();
        _at++;
        return null;
    }

    /// <summary>A value behind the mark that the scanner stands on.</summary>
    private string? Then(Place place)
    {
        _open.Pop();
        _open.Push(place);
        _at++;
        return Value();
    }

    private string? Key(bool mayEnd)
    {
        _at++;
        if (!SkipSpace())
            return End;
        if (mayEnd && _json[_at] == '}')
            return Close();
        if (_json[_at] != '"')
            return Invalid("looking for beginning of object key string");
        _open.Pop();
        _open.Push(Place.Key);
        return Text();
    }

    private string? Text()
    {
        for (_at++; _at < _json.Length; _at++)
        {
            switch (_json[_at])
            {
                case (byte)'"':
                    _at++;
                    return null;
                case (byte)'\\':
                    if (Escape() is { } wrong)
                        return wrong;
                    break;
                case < 0x20:
                    return Invalid("in string literal");
            }
        }
        return End;
    }

    private string? Escape()
    {
        if (++_at == _json.Length)
            return End;
        if (_json[_at] != 'u')
            return "bfnrt\\/\"".Contains((char)_json[_at], StringComparison.Ordinal) ? null : Invalid("in string escape code");
        for (var digit = 0; digit < 4; digit++)
        {
            if (++_at == _json.Length)
                return End;
            if (!char.IsAsciiHexDigit((char)_json[_at]))
                return Invalid("in \\u hexadecimal character escape");
        }
        return null;
    }

    private string? Literal(string word)
    {
        foreach (var letter in word)
        {
            if (_at == _json.Length)
                return End;
            if (_json[_at] != letter)
                return Invalid($"in literal {word} (expecting '{letter}')");
            _at++;
        }
        return null;
    }

    private string? Number()
    {
        if (_json[_at] == '-')
            _at++;
        if (_at < _json.Length && _json[_at] == '0')
            _at++;
        else if (Digits("in numeric literal") is { } wrong)
            return wrong;
        if (_at < _json.Length && _json[_at] == '.')
        {
            _at++;
            if (Digits("after decimal point in numeric literal") is { } wrong)
                return wrong;
        }
        if (_at == _json.Length || _json[_at] is not ((byte)'e' or (byte)'E'))
            return null;
        _at++;
        if (_at < _json.Length && _json[_at] is (byte)'+' or (byte)'-')
            _at++;
        return Digits("in exponent of numeric literal");
    }

    private string? Digits(string where)
    {
        if (_at == _json.Length)
            return End;
        if (!char.IsAsciiDigit((char)_json[_at]))
            return Invalid(where);
        while (_at < _json.Length && char.IsAsciiDigit((char)_json[_at]))
            _at++;
        return null;
    }

    /// <summary>False at the end.</summary>
    private bool SkipSpace()
    {
        while (_at < _json.Length && _json[_at] is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n')
            _at++;
        return _at < _json.Length;
    }

    /// <summary>Go takes the byte for a character.</summary>
    private readonly string Invalid(string where) => _json[_at] switch
    {
        (byte)'\'' => $@"invalid character '\'' {where}",
        (byte)'"' => $"invalid character '\"' {where}",
        >= 0x80 and < 0xa0 or 0xad => string.Create(CultureInfo.InvariantCulture, $@"invalid character '\u{(int)_json[_at]:x4}' {where}"),
        var letter => $"invalid character '{FieldErrors.Quote(((char)letter).ToString())[1..^1]}' {where}",
    };
}
