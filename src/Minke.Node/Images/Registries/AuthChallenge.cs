namespace Minke.Node.Images.Registries;

/// <summary>One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1).</summary>
internal sealed record AuthChallenge(string Scheme, IReadOnlyDictionary<string, string> Parameters)
{
    public string this[string name] => Parameters.GetValueOrDefault(name, "");

    /// <summary>Parses <c>Bearer realm="…",service="…",scope="…"</c>. What is malformed ends the list of parameters.</summary>
    public static AuthChallenge Parse(string header)
    {
        var text = header.AsSpan().Trim();
        var space = text.IndexOf(' ');
        var scheme = (space < 0 ? text : text[..space]).ToString().ToLowerInvariant();
        var parameters = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var rest = space < 0 ? [] : text[space..];
        while (true)
        {
            rest = rest.TrimStart(" ,\t");
            var equals = rest.IndexOf('=');
            if (equals <= 0)
                break;
            var name = rest[..equals].Trim().ToString();
            rest = rest[(equals + 1)..].TrimStart();
            if (rest.Length > 0 && rest[0] == '"')
            {
                var value = new System.Text.StringBuilder();
                var i = 1;
                for (; i < rest.Length && rest[i] != '"'; i++)
                    value.Append(rest[i] == '\\' && i + 1 < rest.Length ? rest[++i] : rest[i]);
                parameters[name] = value.ToString();
                rest = rest[Math.Min(rest.Length, i + 1)..];
            }
            else
            {
                var end = rest.IndexOf(',');
                parameters[name] = (end < 0 ? rest : rest[..end]).Trim().ToString();
                rest = end < 0 ? [] : rest[end..];
            }
        }
        return new AuthChallenge(scheme, parameters);
    }
}
