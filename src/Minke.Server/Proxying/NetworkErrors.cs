using System.Net.Sockets;
using System.Security.Authentication;
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
                    return Words(socket);
                case AuthenticationException { InnerException: null }:
                    return "tls: " + e.Message;
            }
        }
        if (exception is HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded })
            return "http: response body too large";
        return exception is HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded or HttpRequestError.InvalidResponse } or IOException ? "EOF" : exception.Message;
    }

    public static string Words(SocketException e) => e.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => "connection refused",
        SocketError.ConnectionReset => "connection reset by peer",
        SocketError.HostUnreachable => "no route to host",
        SocketError.NetworkUnreachable => "network is unreachable",
        SocketError.HostNotFound => "no such host",
        SocketError.TimedOut => "connection timed out",
        _ => e.Message,
    };
}
