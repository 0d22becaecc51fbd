using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Minke.Client;

/// <summary>
/// Failures of the network in the words of Go's <c>net</c>, as they stand in Kubernetes' events, probes and errors of webhooks. .NET's own
/// differ, and the published binary leaves them out.
/// </summary>
public static class GoNetwork
{
    /// <summary><c>dial tcp 10.0.0.1:80: connect: connection refused</c>, <c>dial tcp: lookup web: no such host</c>.</summary>
    public static string Dialing(string host, int port, SocketException failure) => IsOfName(failure)
        ? $"dial tcp: lookup {host}: {Words(failure)}" : $"dial tcp {HostPort(host, port)}: connect: {Words(failure)}";

    /// <summary>Of an error number they are the C library's, in lower case.</summary>
    public static string Words(SocketException failure) => failure.SocketErrorCode switch
    {
        SocketError.HostNotFound or SocketError.NoData => "no such host",
        SocketError.TryAgain => "server misbehaving",
        _ => Marshal.GetPInvokeErrorMessage(failure.NativeErrorCode).ToLowerInvariant(),
    };

    /// <summary><c>net.JoinHostPort</c>.</summary>
    public static string HostPort(string host, int port) => string.Create(CultureInfo.InvariantCulture, $"{(host.Contains(':') ? $"[{host}]" : host)}:{port}");

    private static bool IsOfName(SocketException failure) => failure.SocketErrorCode is SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain;
}
