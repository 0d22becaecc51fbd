using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Minke.Api;

namespace Minke.Server.Access.Credentials;

/// <summary>
/// Who makes a request: whom a trusted proxy names, who a client certificate is, whose a token is, or nobody in particular. The first
/// credential that holds counts; when none of those shown holds, the answer is 401.
/// </summary>
internal sealed class Authenticator(ClientCertificates clients, FrontProxy? proxy, TokenAuthenticators tokens)
{
    private const string SocketToken = "base64url.bearer.authorization.k8s.io.";

    /// <exception cref="StatusException">401: credentials that do not hold.</exception>
    public async ValueTask<UserInfo> AuthenticateAsync(HttpContext http)
    {
        var certificate = http.Features.Get<ITlsConnectionFeature>()?.ClientCertificate;
        // Nobody in particular without one, or with one that holds and names nobody; null with one that does not hold.
        var user = certificate is null ? UserInfo.Anonymous : UserOf(certificate, http);
        if (user is not null && !ReferenceEquals(user, UserInfo.Anonymous))
            return user;
        if (TokenOf(http.Request.Headers) is { } token)
            return (await tokens.AuthenticateAsync(token, audiences: null, http.RequestAborted))?.User ?? throw StatusException.Unauthorized();
        return user ?? throw StatusException.Unauthorized();
    }

    private UserInfo? UserOf(X509Certificate2 certificate, HttpContext http) =>
        proxy?.UserOf(certificate, http.Request.Headers) ?? clients.UserOf(certificate);

    /// <summary>Null when none was sent; browsers cannot set headers of a WebSocket and send it as a protocol.</summary>
    private static string? TokenOf(IHeaderDictionary headers)
    {
        // As upstream: whatever comes after the token counts no more than a token after two spaces.
        if (headers.Authorization is [{ } authorization, ..] && authorization.Trim().Split(' ', 3) is [var scheme, { Length: > 0 } token, ..]
            && scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase))
            return token;
        foreach (var line in headers.SecWebSocketProtocol)
        {
            foreach (var protocol in (line ?? "").Split(',', StringSplitOptions.TrimEntries))
            {
                if (protocol.StartsWith(SocketToken, StringComparison.Ordinal))
                    return Decode(protocol[SocketToken.Length..]);
            }
        }
        return null;
    }

    private static string Decode(string text)
    {
        try
        {
            return System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(text));
        }
        catch (FormatException)
        {
            throw StatusException.Unauthorized();
        }
    }
}
