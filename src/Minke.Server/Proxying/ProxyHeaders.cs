using System.Net;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Minke.Server.Proxying;

/// <summary>Which headers pass a proxy: neither those of one connection, nor those that say to us who asks.</summary>
internal sealed class ProxyHeaders(FrontProxyOptions? frontProxy)
{
    // net/http/httputil's list, and what ASP.NET sees of HTTP/2's own.
    private static readonly HashSet<string> OfOneHop = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
    };

    // What whoever looks at a page through us may do is not the backend's to say.
    private static readonly HashSet<string> OfOrigins = new(StringComparer.OrdinalIgnoreCase)
    {
        "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods", "Access-Control-Allow-Origin",
    };

    private static readonly FrontProxyOptions Standard = new() { Authorities = [] };

    private readonly IReadOnlyList<FrontProxyOptions> _proxies = frontProxy is null ? [Standard] : [Standard, frontProxy];

    public static bool AsksForUpgrade(HttpRequest request) =>
        request.Headers.Connection.Any(value => value?.Contains("upgrade", StringComparison.OrdinalIgnoreCase) == true);

    public void CopyRequest(HttpContext http, HttpRequestMessage request)
    {
        var named = Named(http.Request.Headers.Connection);
        foreach (var (name, values) in http.Request.Headers)
        {
            if (OfOneHop.Contains(name) || named.Contains(name) || name.StartsWith(':') || IsAboutUser(name) || name.Equals("Expect", StringComparison.OrdinalIgnoreCase))
                continue;
            if (!request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values))
                request.Content?.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
        }
        if (AsksForUpgrade(http.Request))
        {
            request.Headers.TryAddWithoutValidation("Connection", "Upgrade");
            request.Headers.TryAddWithoutValidation("Upgrade", (IEnumerable<string?>)http.Request.Headers.Upgrade);
        }
        if (http.Request.Headers.TE.Any(value => value?.Contains("trailers", StringComparison.OrdinalIgnoreCase) == true))
            request.Headers.TryAddWithoutValidation("Te", "trailers");
        if (http.Connection.RemoteIpAddress is { } client)
        {
            var (name, before) = ("X-Forwarded-For", http.Request.Headers["X-Forwarded-For"]);
            request.Headers.Remove(name);
            request.Headers.TryAddWithoutValidation(name, string.Join(", ", before.Append((client.IsIPv4MappedToIPv6 ? client.MapToIPv4() : client).ToString())));
        }
    }

    public static void CopyResponse(HttpResponseMessage answer, HttpResponse response)
    {
        var named = Named(answer.Headers.NonValidated.TryGetValues("Connection", out var connection) ? new StringValues([.. connection]) : default);
        var isUpgrade = answer.StatusCode == HttpStatusCode.SwitchingProtocols;
        Copy(answer.Headers.NonValidated);
        Copy(answer.Content.Headers.NonValidated);
        if (isUpgrade && answer.Headers.NonValidated.TryGetValues("Upgrade", out var protocol))
            response.Headers.Upgrade = protocol.ToString();
        // No such answer has a body, whatever it says.
        if (isUpgrade || answer.StatusCode is HttpStatusCode.NoContent)
            response.ContentLength = null;

        void Copy(HttpHeadersNonValidated headers)
        {
            foreach (var (name, values) in headers)
            {
                if (!OfOneHop.Contains(name) && !named.Contains(name) && !OfOrigins.Contains(name))
                    response.Headers[name] = new StringValues([.. values]);
            }
        }
    }

    private bool IsAboutUser(string name) =>
        name.Equals("Authorization", StringComparison.OrdinalIgnoreCase) || name.StartsWith("Impersonate-", StringComparison.OrdinalIgnoreCase)
        || _proxies.Any(proxy => proxy.UserHeaders.Concat(proxy.UidHeaders).Concat(proxy.GroupHeaders).Contains(name, StringComparer.OrdinalIgnoreCase)
            || proxy.ExtraHeaderPrefixes.Any(prefix => name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)));

    /// <summary>A connection's own headers, as it names them.</summary>
    private static HashSet<string> Named(StringValues connection) =>
        [.. connection.SelectMany(value => (value ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))];
}
