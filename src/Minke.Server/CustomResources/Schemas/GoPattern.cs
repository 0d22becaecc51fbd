using System.Text;
using System.Text.RegularExpressions;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>A regular expression in Go's dialect (RE2), translated when first used. Matches in linear time, as there.</summary>
internal sealed class GoPattern(string pattern)
{
    private readonly Lazy<(Regex? Regex, string Error)> _compiled = new(() => Compile(pattern));

    /// <summary>As written.</summary>
    public string Text { get; } = pattern;

    /// <summary>Why it is no pattern; empty when it is one.</summary>
    public string Error => _compiled.Value.Error;

    /// <summary>Somewhere in the text; false for no pattern at all.</summary>
    public bool IsMatch(string text) => _compiled.Value.Regex?.IsMatch(text) ?? false;

    private static (Regex? Regex, string Error) Compile(string pattern)
    {
        try
        {
            return (new Regex(Translate(pattern), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant), "");
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return (null, $"error parsing regexp: {e.Message}");
        }
    }

    /// <summary>What RE2 and .NET write differently: classes are ASCII, <c>$</c> is the very end, names and POSIX classes.</summary>
    private static string Translate(string pattern)
    {
        var output = new StringBuilder(pattern.Length + 16);
        var isInClass = false;
        var isMultiline = false;
        for (var i = 0; i < pattern.Length; i++)
        {
            var letter = pattern[i];
            if (letter == '\\' && i + 1 < pattern.Length)
            {
                i += Escape(pattern, i, isInClass, output);
                continue;
            }
            if (isInClass)
            {
                if (letter == '[' && Posix(pattern, i) is var (expansion, length))
                {
                    output.Append(expansion);
                    i += length - 1;
                    continue;
                }
                // .NET subtracts classes where RE2 sees a plain bracket.
                output.Append(letter == '[' ? @"\[" : letter.ToString());
                isInClass = letter != ']';
                continue;
            }
            switch (letter)
            {
                case '[':
                    isInClass = true;
                    output.Append('[');
                    if (i + 1 < pattern.Length && pattern[i + 1] == '^')
                        output.Append(pattern[++i]);
                    // A bracket that comes first stands for itself.
                    if (i + 1 < pattern.Length && pattern[i + 1] == ']')
                    {
                        output.Append(@"\]");
                        i++;
                    }
                    break;
                case '$' when !isMultiline:
                    output.Append(@"\z");
                    break;
                case '(' when pattern.AsSpan(i).StartsWith("(?P<"):
                    output.Append("(?<");
                    i += 3;
                    break;
                case '(' when Flags(pattern, i) is { } flags:
                    isMultiline = flags.Contains('m', StringComparison.Ordinal);
                    output.Append('(');
                    break;
                default:
                    output.Append(letter);
                    break;
            }
        }
        return output.ToString();
    }

    /// <summary>How many letters beyond the backslash were taken.</summary>
    private static int Escape(string pattern, int at, bool isInClass, StringBuilder output)
    {
        var letter = pattern[at + 1];
        if (letter == 'Q')
        {
            var end = pattern.IndexOf(@"\E", at + 2, StringComparison.Ordinal);
            var literal = end < 0 ? pattern[(at + 2)..] : pattern[(at + 2)..end];
            output.Append(Regex.Escape(literal));
            return literal.Length + (end < 0 ? 1 : 3);
        }
        output.Append(letter switch
        {
            'd' => isInClass ? "0-9" : "[0-9]",
            'D' when !isInClass => "[^0-9]",
            'w' => isInClass ? "0-9A-Za-z_" : "[0-9A-Za-z_]",
            'W' when !isInClass => "[^0-9A-Za-z_]",
            's' => isInClass ? @"\t\n\f\r " : @"[\t\n\f\r ]",
            'S' when !isInClass => @"[^\t\n\f\r ]",
            'z' => @"\z",
            'p' or 'P' when at + 2 < pattern.Length && pattern[at + 2] != '{' => $@"\{letter}{{{pattern[at + 2]}}}",
            _ => @"\" + letter,
        });
        return letter is 'p' or 'P' && at + 2 < pattern.Length && pattern[at + 2] != '{' ? 2 : 1;
    }

    private static (string Expansion, int Length)? Posix(string pattern, int at)
    {
        var end = pattern.IndexOf(":]", at, StringComparison.Ordinal);
        if (end < 0 || !pattern.AsSpan(at).StartsWith("[:"))
            return null;
        var expansion = pattern[(at + 2)..end] switch
        {
            "alnum" => "0-9A-Za-z",
            "alpha" => "A-Za-z",
            "ascii" => @"\x00-\x7f",
            "blank" => @"\t ",
            "cntrl" => @"\x00-\x1f\x7f",
            "digit" => "0-9",
            "graph" => "!-~",
            "lower" => "a-z",
            "print" => " -~",
            "punct" => @"!-/:-@\[-`{-~",
            "space" => @"\t\n\v\f\r ",
            "upper" => "A-Z",
            "word" => "0-9A-Za-z_",
            "xdigit" => "0-9A-Fa-f",
            _ => null,
        };
        return expansion is null ? null : (expansion, end + 2 - at);
    }

    private static string? Flags(string pattern, int at)
    {
        if (!pattern.AsSpan(at).StartsWith("(?"))
            return null;
        var end = at + 2;
        while (end < pattern.Length && pattern[end] is 'i' or 'm' or 's' or 'U' or '-')
            end++;
        return end < pattern.Length && end > at + 2 && pattern[end] is ')' or ':' ? pattern[(at + 2)..end] : null;
    }
}
