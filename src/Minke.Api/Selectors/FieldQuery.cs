using System.Text;

namespace Minke.Api;

/// <summary>A field selector: <c>metadata.name=web-0,status.phase!=Running</c>, for the labels a kind knows.</summary>
public sealed class FieldQuery
{
    private readonly Term[] _terms;

    private readonly record struct Term(Func<IKubeObject, string> Read, string Value, bool IsEqual);

    private FieldQuery(Term[] terms, string? name)
    {
        _terms = terms;
        Name = name;
    }

    public static FieldQuery Everything { get; } = new([], null);
    public bool IsEmpty => _terms.Length == 0;

    /// <summary>The one name that can match, where the selector says so.</summary>
    public string? Name { get; }

    public bool Matches(IKubeObject value)
    {
        foreach (var term in _terms)
        {
            if ((term.Read(value) == term.Value) != term.IsEqual)
                return false;
        }
        return true;
    }

    /// <exception cref="FormatException">With upstream's text.</exception>
    public static FieldQuery Parse(string text, KindInfo kind)
    {
        if (text.Length == 0)
            return Everything;
        var terms = new List<Term>();
        string? name = null;
        foreach (var part in Split(text))
        {
            if (part.Length == 0)
                continue;
            var (label, isEqual, escaped) = Divide(part) ?? throw new FormatException($"invalid selector: '{text}'; can't understand '{part}'");
            var value = Unescape(escaped);
            terms.Add(new(Reader(kind, label), value, isEqual));
            if (label == "metadata.name" && isEqual)
                name = value;
        }
        return new([.. terms], name);
    }

    private static Func<IKubeObject, string> Reader(KindInfo kind, string label)
    {
        if (label == "metadata.name")
            return static value => value.Metadata.Name;
        // Upstream accepts metadata.namespace for cluster-scoped kinds of the default conversion too; it compares as empty.
        if (label == "metadata.namespace" && (kind.IsNamespaced || (kind.FieldLabels.Count == 0 && !kind.IsDynamic)))
            return static value => value.Metadata.Namespace;
        foreach (var known in kind.FieldLabels)
        {
            if (known.Name == label)
                return known.Read;
        }
        throw new FormatException(kind.FieldLabels.Count == 0 && !kind.IsDynamic
            ? $"\"{label}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
            : $"field label not supported: {label}");
    }

    // Commas, equal signs and backslashes in values are escaped by a backslash.
    private static IEnumerable<string> Split(string text)
    {
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\')
                i++;
            else if (text[i] == ',')
            {
                yield return text[start..i];
                start = i + 1;
            }
        }
        yield return text[start..];
    }

    private static (string Label, bool IsEqual, string Value)? Divide(string term)
    {
        for (var i = 0; i < term.Length; i++)
        {
            var rest = term.AsSpan(i);
            if (rest.StartsWith("!="))
                return (term[..i], false, term[(i + 2)..]);
            if (rest.StartsWith("=="))
                return (term[..i], true, term[(i + 2)..]);
            if (rest[0] == '=')
                return (term[..i], true, term[(i + 1)..]);
        }
        return null;
    }

    private static string Unescape(string value)
    {
        if (!value.AsSpan().ContainsAny("\\,="))
            return value;
        var plain = new StringBuilder(value.Length);
        for (var i = 0; i < value.Length; i++)
        {
            switch (value[i])
            {
                case '\\' when i + 1 < value.Length && value[i + 1] is '\\' or ',' or '=':
                    plain.Append(value[++i]);
                    break;
                case '\\':
                    throw new FormatException("invalid field selector: invalid escape sequence: " + (i + 1 < value.Length ? $"\\{value[i + 1]}" : "\\"));
                case ',' or '=':
                    throw new FormatException($"invalid field selector: unescaped character in value: {value[i]}");
                default:
                    plain.Append(value[i]);
                    break;
            }
        }
        return plain.ToString();
    }
}
