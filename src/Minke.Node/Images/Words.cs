using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Authentication;
using Minke.Client;

namespace Minke.Node.Images;

/// <summary>Says a failure in words. The framework's own are left out of the published binary, so they come from errno here.</summary>
internal static class Words
{
    private const int LargestErrno = 4095;

    public static string For(Exception failure) => failure switch
    {
        SocketException socket => For(socket),
        AuthenticationException => "tls: failed to verify certificate",
        // .NET on Unix puts errno into HResult when it has nothing better to put there.
        IOException { HResult: > 0 and <= LargestErrno and var errno } => failure.Message.Contains(' ', StringComparison.Ordinal)
            ? failure.Message : Marshal.GetPInvokeErrorMessage(errno).ToLowerInvariant(),
        HttpRequestException { InnerException: { } inner } => For(inner),
        IOException { InnerException: { } inner } => For(inner),
        HttpIOException http => http.HttpRequestError == HttpRequestError.ResponseEnded ? "unexpected EOF" : $"http: {http.HttpRequestError}",
        HttpRequestException http => $"http: {http.HttpRequestError}",
        UnauthorizedAccessException => "permission denied",
        EndOfStreamException when !failure.Message.Contains(' ', StringComparison.Ordinal) => "unexpected EOF",
        InvalidDataException when !failure.Message.Contains(' ', StringComparison.Ordinal) => "invalid or truncated compressed data",
        _ => failure.Message,
    };

    private static string For(SocketException socket) => socket.SocketErrorCode switch
    {
        SocketError.TimedOut => "i/o timeout",
        SocketError.ConnectionRefused or SocketError.NetworkUnreachable or SocketError.HostUnreachable => "connect: " + GoNetwork.Words(socket),
        _ => GoNetwork.Words(socket),
    };
}
