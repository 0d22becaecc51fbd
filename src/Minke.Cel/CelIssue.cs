using System.Text;
using Minke.Cel.Syntax;

namespace Minke.Cel;

/// <summary>What is wrong with an expression, and where. Printed as cel-go prints it: with the line and a caret below it.</summary>
/// <param name="Line">From one; -1 when the issue has no place, zero when the expression was fine and only no program could be made of it.</param>
/// <param name="Column">From zero, in code points.</param>
public sealed record CelIssue(int Line, int Column, string Message)
{
    private const int MaxShown = 100;

    // Asked for its line when somebody looks: there may be many issues, of one long line.
    private SourceText? _source;

    internal static CelIssue At(SourceText source, int position, string message)
    {
        var (line, column) = source.Locate(position);
        return new CelIssue(line, column, message) { _source = source };
    }

    internal static CelIssue Nowhere(string message) => new(-1, -1, message);

    internal static CelIssue OfProgram(string message) => new(0, 0, $"program instantiation failed: {message}");

    /// <summary><c>ERROR: &lt;input&gt;:1:6: …</c> and the excerpt.</summary>
    public override string ToString()
    {
        if (Line == 0)
            return Message;
        var text = new StringBuilder($"ERROR: <input>:{Line}:{Column + 1}: {Message}");
        if (_source?.Line(Line) is not { } excerpt)
            return text.ToString();

        text.Append("\n | ").Append(excerpt.Replace('\t', ' ')).Append("\n | ");
        var column = 0;
        foreach (var rune in excerpt.EnumerateRunes())
        {
            if (column++ == Column)
            {
                // A caret as wide as what it points at.
                return text.Append(rune.IsAscii ? '^' : '\uff3e').ToString();
            }
            text.Append(rune.IsAscii ? '.' : '\uff0e');
        }
        return text.Append('^').ToString();
    }

    /// <summary>As cel-go prints many: a hundred, and how many more there are.</summary>
    public static string Format(IReadOnlyList<CelIssue> issues)
    {
        var text = string.Join('\n', issues.Take(MaxShown));
        return issues.Count > MaxShown ? $"{text}\n{issues.Count - MaxShown} more errors were truncated" : text;
    }

    public bool Equals(CelIssue? other) => other is not null && (Line, Column, Message) == (other.Line, other.Column, other.Message);
    public override int GetHashCode() => HashCode.Combine(Line, Column, Message);
}
