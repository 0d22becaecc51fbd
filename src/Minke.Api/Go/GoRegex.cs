using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.RegularExpressions;

namespace Minke.Api;

/// <summary>
/// Regular expressions as RE2 understands them, run in linear time by .NET's non-backtracking engine. What the two spell or mean differently
/// is rewritten (<c>\d</c> is ASCII, <c>$</c> the very end, <c>(?P&lt;n&gt;</c>, <c>[[:alpha:]]</c>); what RE2 does not have is an error.
/// </summary>
public sealed class GoRegex
{
    private const int MaxPattern = 100_000, MaxRepeat = 1000;

    private readonly string _pattern;
    private readonly Regex _regex;
    private Regex? _wide;

    private GoRegex(string pattern, Regex regex) => (_pattern, _regex) = (pattern, regex);

    public static bool TryGet(string pattern, [NotNullWhen(true)] out GoRegex? regex, [NotNullWhen(false)] out string? error)
    {
        regex = null;
        if (pattern.Length > MaxPattern)
        {
            error = $"error parsing regexp: expression nests too deeply: `{pattern[..64]}`";
            return false;
        }
        try
        {
            regex = new GoRegex(pattern, Compile(pattern, isWide: false));
            error = null;
            return true;
        }
        catch (RegexSyntaxException e)
        {
            error = "error parsing regexp: " + e.Message;
        }
        catch (RegexParseException e)
        {
            error = "error parsing regexp: " + Words(e, pattern);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            error = $"error parsing regexp: invalid or unsupported expression: `{pattern}`";
        }
        return false;
    }

    /// <summary>Go's words for what .NET found, as near as its place allows.</summary>
    private static string Words(RegexParseException e, string pattern) => e.Error switch
    {
        RegexParseError.QuantifierAfterNothing => $"missing argument to repetition operator: `{Around(e, pattern, 1)}`",
        RegexParseError.NestedQuantifiersNotParenthesized => $"invalid nested repetition operator: `{Around(e, pattern, 2)}`",
        RegexParseError.ReversedCharacterRange => $"invalid character class range: `{Around(e, pattern, 3)}`",
        _ => $"invalid or unsupported Perl syntax: `{pattern}`",
    };

    private static string Around(RegexParseException e, string pattern, int before) =>
        pattern[Math.Clamp(e.Offset - before, 0, pattern.Length)..Math.Clamp(e.Offset, 0, pattern.Length)];

    public bool IsMatch(string text) => For(text).IsMatch(text);

    public string Find(string text) => For(text).Match(text) is { Success: true } match ? match.Value : "";

    public IEnumerable<string> FindAll(string text)
    {
        for (var match = For(text).Match(text); match.Success; match = match.NextMatch())
            yield return match.Value;
    }

    // A code point beyond 16 bits is two characters here: "." must take both. Rarely needed, so not built until it is.
    private Regex For(string text)
    {
        foreach (var c in text)
        {
            if (char.IsSurrogate(c))
                return _wide ??= Compile(_pattern, isWide: true);
        }
        return _regex;
    }

    private static Regex Compile(string pattern, bool isWide) =>
        new(new Translator(pattern, isWide).Translate(), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture);

    private sealed class RegexSyntaxException(string message) : Exception(message);

    private sealed class Translator(string pattern, bool isWide)
    {
        private const string Digit = "0-9", Word = "0-9A-Za-z_", Space = @"\t\n\f\r ";
        private const string NotDigit = @"\u0000-/:-\uffff", NotWord = @"\u0000-/:-@\[-^`{-\uffff", NotSpace = @"\u0000-\u0008\u000b\u000e-\u001f!-\uffff";

        private readonly StringBuilder _result = new();
        private readonly Stack<bool> _multiline = new();
        private int _position;
        private bool _isMultiline;
        private int _groups;

        public string Translate()
        {
            while (_position < pattern.Length)
                Step();
            return _groups == 0 ? _result.ToString() : throw Wrong("missing closing )", pattern);
        }

        private void Step()
        {
            var c = pattern[_position];
            switch (c)
            {
                case '\\':
                    Escape();
                    return;
                case '[':
                    Class();
                    return;
                case '(':
                    Group();
                    return;
                case ')':
                    _isMultiline = _multiline.Count > 0 ? _multiline.Pop() : throw Wrong("unexpected )", pattern);
                    _groups--;
                    break;
                case '$':
                    _position++;
                    _result.Append(_isMultiline ? "$" : @"\z");
                    return;
                case '.' when isWide:
                    _position++;
                    _result.Append(@"(?:[\ud800-\udbff][\udc00-\udfff]|.)");
                    return;
                case '{':
                    Repeat();
                    return;
            }
            _result.Append(c);
            _position++;
        }

        private void Repeat()
        {
            var match = Regex.Match(pattern[_position..Math.Min(pattern.Length, _position + 24)], @"\A\{(\d{1,9})(?:(,)(\d{0,9}))?\}", RegexOptions.NonBacktracking);
            if (!match.Success)
            {
                // Not a repetition: itself.
                _result.Append(@"\{");
                _position++;
                return;
            }
            var isTooLarge = match.Groups.Cast<System.Text.RegularExpressions.Group>().Any(group =>
                int.TryParse(group.Value, out var count) && count > MaxRepeat);
            if (isTooLarge)
                throw Wrong("invalid repeat count", match.Value);
            _result.Append(match.Value);
            _position += match.Length;
        }

        private void Group()
        {
            var rest = pattern.AsSpan(_position);
            _multiline.Push(_isMultiline);
            _groups++;
            if (rest.StartsWith("(?P<") || (rest.StartsWith("(?<") && rest.Length > 3 && rest[3] is not ('=' or '!')))
            {
                var open = rest.StartsWith("(?P<") ? 4 : 3;
                var close = rest.IndexOf('>');
                if (close < 0)
                    throw Wrong("invalid named capture", pattern);
                _result.Append("(?<").Append(rest[open..close]).Append('>');
                _position += close + 1;
                return;
            }
            if (!rest.StartsWith("(?"))
            {
                _result.Append('(');
                _position++;
                return;
            }

            var end = rest[2..].IndexOfAny(')', ':');
            if (end < 0)
                throw Wrong("missing argument to repetition operator", "?");
            var flags = rest.Slice(2, end);
            var isOn = true;
            var kept = new StringBuilder();
            foreach (var flag in flags)
            {
                switch (flag)
                {
                    case '-':
                        isOn = false;
                        kept.Append('-');
                        break;
                    case 'm':
                        _isMultiline = isOn;
                        kept.Append('m');
                        break;
                    case 'i' or 's':
                        kept.Append(flag);
                        break;
                    default:
                        throw Wrong("invalid or unsupported Perl syntax", rest[..Math.Min(rest.Length, 3)].ToString());
                }
            }
            _position += 2 + end + 1;
            if (rest[2 + end] == ')')
            {
                // Holds until the group around it ends.
                _multiline.Pop();
                _groups--;
                _result.Append("(?").Append(kept).Append(')');
                return;
            }
            _result.Append("(?").Append(kept).Append(':');
        }

        private void Escape()
        {
            if (_position + 1 >= pattern.Length)
                throw Wrong("trailing backslash at end of expression", "");
            var c = pattern[_position + 1];
            if (c == 'Q')
            {
                var end = pattern.IndexOf(@"\E", _position, StringComparison.Ordinal);
                var quoted = pattern[(_position + 2)..(end < 0 ? pattern.Length : end)];
                _result.Append(Regex.Escape(quoted).Replace("]", @"\]", StringComparison.Ordinal).Replace("}", @"\}", StringComparison.Ordinal));
                _position = end < 0 ? pattern.Length : end + 2;
                return;
            }
            if (Ranges(c) is { } ranges)
            {
                _result.Append('[').Append(ranges).Append(']');
                _position += 2;
                return;
            }
            switch (c)
            {
                case 'b' or 'B':
                    // Words are ASCII ones; .NET's boundary also knows other letters.
                    _result.Append('\\').Append(c);
                    _position += 2;
                    return;
                case 'A':
                    _result.Append(@"\A");
                    _position += 2;
                    return;
                case 'z':
                    _result.Append(@"\z");
                    _position += 2;
                    return;
            }
            Character();
        }

        /// <summary>An escape that stands for one character or a category, inside and outside of brackets.</summary>
        private void Character()
        {
            var c = pattern[_position + 1];
            switch (c)
            {
                case 'p' or 'P':
                    var end = _position + 2 < pattern.Length && pattern[_position + 2] == '{' ? pattern.IndexOf('}', _position) : _position + 2;
                    if (end < 0 || end >= pattern.Length)
                        throw Wrong("invalid character class range", pattern[_position..]);
                    var name = pattern[_position + 2] == '{' ? pattern[(_position + 3)..end] : pattern[_position + 2].ToString();
                    _result.Append('\\').Append(c).Append('{').Append(name).Append('}');
                    _position = end + 1;
                    return;
                case 'x':
                    var hex = Regex.Match(pattern[_position..Math.Min(pattern.Length, _position + 14)], @"\A\\x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,8})\})", RegexOptions.NonBacktracking);
                    var digits = hex.Groups[1].Success ? hex.Groups[1].Value : hex.Groups[2].Value;
                    if (!hex.Success || !uint.TryParse(digits, System.Globalization.NumberStyles.HexNumber, null, out var code) || !Rune.IsValid(code))
                        throw Wrong("invalid escape sequence", pattern.Substring(_position, Math.Min(4, pattern.Length - _position)));
                    foreach (var unit in new Rune(code).ToString())
                        _result.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}");
                    _position += hex.Length;
                    return;
                case 'a' or 'f' or 't' or 'n' or 'r' or 'v':
                    _result.Append('\\').Append(c);
                    _position += 2;
                    return;
                case >= '0' and <= '7':
                    Octal();
                    return;
                case < (char)128 when !char.IsAsciiLetterOrDigit(c):
                    _result.Append(c == '_' ? "_" : "\\" + c);
                    _position += 2;
                    return;
                default:
                    throw Wrong("invalid escape sequence", pattern.Substring(_position, 2));
            }
        }

        /// <summary>Up to three octal digits; one alone, unless it is zero, would be a back reference.</summary>
        private void Octal()
        {
            var end = _position + 1;
            while (end < pattern.Length && end < _position + 4 && pattern[end] is >= '0' and <= '7')
                end++;
            if (end == _position + 2 && pattern[_position + 1] != '0')
                throw Wrong("invalid escape sequence", pattern.Substring(_position, 2));
            var code = pattern[(_position + 1)..end].Aggregate(0, (sum, digit) => (sum * 8) + (digit - '0'));
            _result.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\u{code:x4}");
            _position = end;
        }

        private void Class()
        {
            var start = _position++;
            var isNegated = _position < pattern.Length && pattern[_position] == '^';
            var before = _result.Length;
            _result.Append(isNegated ? "[^" : "[");
            if (isNegated)
                _position++;
            for (var isFirst = true; ; isFirst = false)
            {
                if (_position >= pattern.Length)
                    throw Wrong("missing closing ]", pattern[start..]);
                var c = pattern[_position];
                if (c == ']' && !isFirst)
                    break;
                if (c == '[' && _position + 1 < pattern.Length && pattern[_position + 1] == ':'
                    && pattern.IndexOf(":]", _position + 2, StringComparison.Ordinal) is var end and > 0)
                {
                    var name = pattern[(_position + 2)..end];
                    _result.Append(Posix(name) ?? throw Wrong("invalid character class range", $"[:{name}:]"));
                    _position = end + 2;
                }
                else if (c == '\\')
                {
                    if (_position + 1 >= pattern.Length)
                        throw Wrong("trailing backslash at end of expression", "");
                    if (Ranges(pattern[_position + 1]) is { } ranges)
                    {
                        _result.Append(ranges);
                        _position += 2;
                    }
                    else
                    {
                        Character();
                    }
                }
                else
                {
                    // "[" and "]" would start or end something in .NET.
                    _result.Append(c is '[' or ']' ? "\\" + c : c.ToString());
                    _position++;
                }
            }
            _position++;
            _result.Append(']');
            if (isWide && isNegated)
            {
                _result.Insert(before, @"(?:[\ud800-\udbff][\udc00-\udfff]|");
                _result.Append(')');
            }
        }

        private static string? Ranges(char letter) => letter switch
        {
            'd' => Digit,
            'w' => Word,
            's' => Space,
            'D' => NotDigit,
            'W' => NotWord,
            'S' => NotSpace,
            _ => null,
        };

        private static string? Posix(string name) => name switch
        {
            "alnum" => "0-9A-Za-z",
            "alpha" => "A-Za-z",
            "ascii" => @"\u0000-\u007f",
            "blank" => @"\t ",
            "cntrl" => @"\u0000-\u001f\u007f",
            "digit" => Digit,
            "graph" => "!-~",
            "lower" => "a-z",
            "print" => " -~",
            "punct" => @"!-/:-@\[-`{-~",
            "space" => @"\t\n\v\f\r ",
            "upper" => "A-Z",
            "word" => Word,
            "xdigit" => "0-9A-Fa-f",
            _ => null,
        };

        private static RegexSyntaxException Wrong(string what, string where) => new($"{what}: `{where}`");
    }
}
