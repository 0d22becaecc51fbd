using System.Net.Sockets;
using System.Security.Authentication;
using Minke.Client;
using Minke.Server.Webhooks;

namespace Minke.Server.Proxying;

/// <summary>What a failed request failed of, as Go says it.</summary>
internal static class NetworkErrors
{
    /// <summary>The innermost words that say something.</summary>
    public static string Cause(Exception exception)
    {
        for (Exception? e = exception; e is not null; e = e.InnerException)
        {
            switch (e)
            {
                case WebhookException or DialException:
                    return e.Message;
                case SocketException socket:
                    return GoNetwork.Words(socket);
                case AuthenticationException { InnerException: null }:
                    return "http: server gave HTTP response to HTTPS client";
            }
        }
        return (exception as HttpRequestException)?.HttpRequestError switch
        {
            HttpRequestError.ConfigurationLimitExceeded => "http: response body too large",
            HttpRequestError.SecureConnectionError => "remote error: tls: handshake failure",
            _ => "EOF",
        };
    }
}
