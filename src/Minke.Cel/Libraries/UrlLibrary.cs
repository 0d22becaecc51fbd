using System.Buffers;
using System.Text;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary>Kubernetes' URLs.</summary>
internal static class UrlLibrary
{
    public static CelType Type { get; } = CelType.Opaque("kubernetes.URL");

    public static void AddTo(FunctionTable table)
    {
        var library = table.Extension;
        library.Global("url", "string_to_url", [CelType.String], Type, a => GoUrl.Parse(a[0].Text, out var url) is { } error
            ? new ErrorValue($"URL parse error during conversion from string: {error}")
            : new UrlValue(url!));
        library.Global("isURL", "is_url_string", [CelType.String], CelType.Bool, a => BoolValue.Of(GoUrl.Parse(a[0].Text, out _) is null));
        Part("getScheme", "url_get_scheme", url => url.Scheme);
        Part("getHost", "url_get_host", url => url.Host);
        Part("getHostname", "url_get_hostname", url => url.Hostname);
        Part("getPort", "url_get_port", url => url.Port);
        Part("getEscapedPath", "url_get_escaped_path", url => url.EscapedPath);
        library.Member("getQuery", "url_get_query", [Type], CelType.Map(CelType.String, CelType.List(CelType.String)),
            a => MapValue.Of(((UrlValue)a[0]).Value.Query.Select(pair => new KeyValuePair<CelValue, CelValue>(new StringValue(pair.Key), ListValue.Of(pair.Value)))));

        void Part(string name, string id, Func<GoUrl, string> part) =>
            library.Member(name, id, [Type], CelType.String, a => new StringValue(part(((UrlValue)a[0]).Value)));
    }

    private sealed class UrlValue(GoUrl value) : OpaqueValue
    {
        public GoUrl Value { get; } = value;
        public override CelType Type => UrlLibrary.Type;

        internal override bool IsEqualTo(OpaqueValue other) => other is UrlValue url && url.Value.Text == Value.Text;
    }
}

/// <summary>A URL that is absolute or an absolute path, taken apart as Go does it (<c>url.ParseRequestURI</c>).</summary>
internal sealed class GoUrl
{
    private static readonly SearchValues<char> BadInHost = SearchValues.Create(" \"<>\\^`{|}");

    private GoUrl(string text) => Text = text;

    public string Text { get; }
    public string Scheme { get; private set; } = "";
    public string Host { get; private set; } = "";
    public string EscapedPath { get; private set; } = "";
    public IReadOnlyDictionary<string, List<string>> Query { get; private set; } = new Dictionary<string, List<string>>();

    public string Hostname => Host.StartsWith('[') && Host.IndexOf(']', StringComparison.Ordinal) is var close and > 0
        ? Host[1..close]
        : HostColon() is var colon and >= 0 ? Host[..colon] : Host;

    public string Port => HostColon() is var colon and >= 0 ? Host[(colon + 1)..] : "";

    /// <summary>The error, or null.</summary>
    public static string? Parse(string text, out GoUrl? url)
    {
        url = null;
        string Wrong(string what) => $"parse {Display.Quote(text)}: {what}";
        if (text.Length == 0)
            return Wrong("empty url");
        foreach (var c in text)
        {
            if (c is < ' ' or '\u007f')
                return Wrong("net/url: invalid control character in URL");
        }

        var made = new GoUrl(text);
        // A request URI has no fragment; one that is there is not part of the query.
        var rest = text.Split('#')[0];
        if (rest == "*")
        {
            made.EscapedPath = "*";
            url = made;
            return null;
        }
        if (TakeScheme(ref rest, out var scheme) is { } schemeError)
            return Wrong(schemeError);
        made.Scheme = scheme.ToLowerInvariant();

        var question = rest.IndexOf('?', StringComparison.Ordinal);
        var query = question < 0 ? "" : rest[(question + 1)..];
        rest = question < 0 ? rest : rest[..question];
        if (!rest.StartsWith('/'))
        {
            // Opaque, such as mailto:a@b, is fine only as long as it has a scheme.
            if (scheme.Length == 0)
                return Wrong("invalid URI for request");
            url = made;
            return null;
        }
        if (scheme.Length > 0 && rest.StartsWith("//", StringComparison.Ordinal))
        {
            var authority = rest[2..];
            var slash = authority.IndexOf('/', StringComparison.Ordinal);
            rest = slash < 0 ? "" : authority[slash..];
            authority = slash < 0 ? authority : authority[..slash];
            var at = authority.LastIndexOf('@');
            if (at >= 0 && authority.AsSpan(0, at).IndexOfAny(BadInHost) >= 0)
                return Wrong("net/url: invalid userinfo");
            var host = authority[(at + 1)..];
            if (HostError(host) is { } hostError)
                return Wrong(hostError);
            made.Host = Unescape(host) ?? host;
        }
        if (EscapeError(rest) is { } escapeError)
            return Wrong(escapeError);
        made.EscapedPath = Escaped(rest);
        made.Query = ParseQuery(query);
        url = made;
        return null;
    }

    private int HostColon()
    {
        var colon = Host.LastIndexOf(':');
        if (Host.StartsWith('['))
            return Host.IndexOf("]:", StringComparison.Ordinal) is var close and > 0 ? close + 1 : -1;
        return colon;
    }

    private static string? TakeScheme(ref string rest, out string scheme)
    {
        scheme = "";
        for (var i = 0; i < rest.Length; i++)
        {
            var c = rest[i];
            if (char.IsAsciiLetter(c))
                continue;
            if (char.IsAsciiDigit(c) || c is '+' or '-' or '.')
            {
                if (i == 0)
                    return null;
                continue;
            }
            if (c != ':')
                return null;
            if (i == 0)
                return "missing protocol scheme";
            scheme = rest[..i];
            rest = rest[(i + 1)..];
            return null;
        }
        return null;
    }

    private static string? HostError(string host)
    {
        if (host.StartsWith('['))
        {
            var close = host.LastIndexOf(']');
            if (close < 0)
                return "missing ']' in host";
            if (!IsPort(host[(close + 1)..]))
                return $"invalid port {Display.Quote(host[(close + 1)..])} after host";
            return null;
        }
        var colon = host.LastIndexOf(':');
        if (colon >= 0 && !IsPort(host[colon..]))
            return $"invalid port {Display.Quote(host[colon..])} after host";
        var bad = host.AsSpan().IndexOfAny(BadInHost);
        return bad >= 0 ? $"invalid character {Display.Quote(host[bad].ToString())} in host name" : EscapeError(host);
    }

    private static bool IsPort(string text) => text.Length == 0 || (text[0] == ':' && text.Skip(1).All(char.IsAsciiDigit));

    private static string? EscapeError(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
                continue;
            if (i + 2 >= text.Length || !char.IsAsciiHexDigit(text[i + 1]) || !char.IsAsciiHexDigit(text[i + 2]))
                return $"invalid URL escape {Display.Quote(text.Substring(i, Math.Min(3, text.Length - i)))}";
        }
        return null;
    }

    /// <summary>As it is when every character may stand in a path; else with what may not escaped.</summary>
    private static string Escaped(string path)
    {
        var result = new StringBuilder();
        foreach (var value in Encoding.UTF8.GetBytes(path))
        {
            var c = (char)value;
            if (char.IsAsciiLetterOrDigit(c) || "-_.~$&+,/:;=@!'()*[]%".Contains(c, StringComparison.Ordinal))
                result.Append(c);
            else
                result.Append('%').Append(value.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }
        return result.ToString();
    }

    private static SortedDictionary<string, List<string>> ParseQuery(string query)
    {
        var values = new SortedDictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var pair in query.Split('&'))
        {
            if (pair.Length == 0 || pair.Contains(';', StringComparison.Ordinal))
                continue;
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            var key = Unescape((equals < 0 ? pair : pair[..equals]).Replace('+', ' '));
            var value = Unescape((equals < 0 ? "" : pair[(equals + 1)..]).Replace('+', ' '));
            if (key is null || value is null)
                continue;
            if (!values.TryGetValue(key, out var list))
                values[key] = list = [];
            list.Add(value);
        }
        return values;
    }

    private static string? Unescape(string text) => EscapeError(text) is null ? Uri.UnescapeDataString(text) : null;
}
