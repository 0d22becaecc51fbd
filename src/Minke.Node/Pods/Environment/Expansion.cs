using System.Text;

namespace Minke.Node.Pods.Environment;

/// <summary><c>$(VAR)</c> in commands, arguments and values; <c>$$</c> is a plain <c>$</c>. (third_party/forked/golang/expansion)</summary>
internal static class Expansion
{
    /// <param name="text">What to expand.</param>
    /// <param name="lookup">The value of a name, or null: then the reference stays as it is written.</param>
    public static string Expand(string text, Func<string, string?> lookup)
    {
        if (!text.Contains('$', StringComparison.Ordinal))
            return text;
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '$' || i + 1 == text.Length)
            {
                result.Append(text[i]);
                continue;
            }
            var next = text[i + 1];
            if (next == '$')
            {
                result.Append('$');
                i++;
            }
            else if (next == '(' && text.IndexOf(')', i + 2) is var end and >= 0)
            {
                var name = text[(i + 2)..end];
                result.Append(lookup(name) ?? $"$({name})");
                i = end;
            }
            else
            {
                result.Append('$').Append(next);
                i++;
            }
        }
        return result.ToString();
    }
}
