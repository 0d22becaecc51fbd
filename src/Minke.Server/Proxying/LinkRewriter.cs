namespace Minke.Server.Proxying;

/// <summary>
/// Turns a backend's links to itself into links through the proxy: absolute paths get what stands before them here. Links elsewhere and
/// relative ones stay. (apimachinery/pkg/util/proxy/transport.go)
/// </summary>
/// <param name="prefix">Of the backend's root: <c>/api/v1/namespaces/a/pods/b/proxy</c>.</param>
/// <param name="backend">Its host and port.</param>
/// <param name="asked">The host the client asked for.</param>
internal sealed class LinkRewriter(string prefix, string backend, string asked)
{
    public string Rewrite(string link)
    {
        var (scheme, host, rest) = Split(link);
        var end = rest.AsSpan().IndexOfAny('?', '#');
        var path = end < 0 ? rest : rest[..end];
        if ((host.Length > 0 && host != backend && host != asked) || !path.StartsWith('/'))
            return link;
        if (path.StartsWith(prefix, StringComparison.Ordinal))
            return host == asked ? link : rest;
        var through = GoPath.JoinKeepingSlash(prefix, path) + (end < 0 ? "" : rest[end..]);
        return host.Length > 0 && host == asked ? (scheme.Length > 0 ? $"{scheme}://{host}{through}" : $"//{host}{through}") : through;
    }

    private static (string Scheme, string Host, string Path) Split(string link)
    {
        var colon = link.AsSpan().IndexOfAny(":/?#");
        var scheme = colon > 0 && link[colon] == ':' ? link[..colon] : "";
        var rest = scheme.Length > 0 ? link[(colon + 1)..] : link;
        if (!rest.StartsWith("//", StringComparison.Ordinal))
            return (scheme, "", scheme.Length > 0 && !rest.StartsWith('/') ? "" : rest); // mailto: and the like have no path
        var end = rest.AsSpan(2).IndexOfAny('/', '?', '#');
        return end < 0 ? (scheme, rest[2..], "") : (scheme, rest[2..(end + 2)], rest[(end + 2)..]);
    }
}
