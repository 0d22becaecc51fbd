using System.Text;

namespace Minke.Cel.Schemas;

/// <summary>
/// How properties whose names are no identifiers are spelt in expressions: <c>a-b</c> is <c>a__dash__b</c>, <c>namespace</c> is
/// <c>__namespace__</c>.
/// </summary>
public static class PropertyNames
{
    private static readonly HashSet<string> Reserved = new(StringComparer.Ordinal)
    {
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
        "namespace", "return", "var", "void", "while",
    };

    /// <summary>Null when the property cannot be named.</summary>
    public static string? Escape(string name)
    {
        if (name.Length == 0 || char.IsAsciiDigit(name[0]))
            return null;
        if (Reserved.Contains(name))
            return $"__{name}__";
        var escaped = new StringBuilder();
        for (var i = 0; i < name.Length; i++)
        {
            switch (name[i])
            {
                case '.': escaped.Append("__dot__"); break;
                case '-': escaped.Append("__dash__"); break;
                case '/': escaped.Append("__slash__"); break;
                case '_' when i + 1 < name.Length && name[i + 1] == '_':
                    escaped.Append("__underscores__");
                    i++;
                    break;
                case var c when char.IsAsciiLetterOrDigit(c) || c == '_': escaped.Append(c); break;
                default: return null;
            }
        }
        return escaped.ToString();
    }

    /// <summary>The property's own name; null when the text is no escaped name.</summary>
    public static string? Unescape(string escaped)
    {
        if (escaped.Length > 4 && escaped.StartsWith("__", StringComparison.Ordinal) && escaped.EndsWith("__", StringComparison.Ordinal)
            && Reserved.Contains(escaped[2..^2]))
            return escaped[2..^2];
        var name = new StringBuilder();
        for (var i = 0; i < escaped.Length;)
        {
            if (escaped[i] != '_' || i + 1 >= escaped.Length || escaped[i + 1] != '_')
            {
                name.Append(escaped[i++]);
                continue;
            }
            var end = escaped.IndexOf("__", i + 2, StringComparison.Ordinal);
            var plain = end < 0 ? null : escaped[(i + 2)..end] switch { "dot" => ".", "dash" => "-", "slash" => "/", "underscores" => "__", _ => null };
            if (plain is null)
                return null;
            name.Append(plain);
            i = end + 2;
        }
        return name.ToString();
    }
}
