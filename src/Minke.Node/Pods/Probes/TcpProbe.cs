using System.Net.Sockets;
using Minke.Client;

namespace Minke.Node.Pods.Probes;

/// <summary>A connection that comes about is all a TCP probe wants.</summary>
internal static class TcpProbe
{
    internal static async Task<ProbeResult> AskAsync(string host, int port, TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            using var socket = await ProbeDialer.DialAsync(host, port, either.Token);
            return new(ProbeOutcome.Success, "");
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            return new(ProbeOutcome.Failure, $"dial tcp {GoNetwork.HostPort(host, port)}: i/o timeout");
        }
        catch (DialException exception)
        {
            return new(ProbeOutcome.Failure, exception.Message);
        }
    }
}

/// <summary>A connection that was refused; in Go's words.</summary>
internal sealed class DialException(string message, Exception inner) : IOException(message, inner);

internal static class ProbeDialer
{
    /// <summary>
    /// Seconds a closed connection may linger. Probes are many, and each would occupy a port of the machine for a minute
    /// (upstream: pkg/probe/dialer_others.go).
    /// </summary>
    private const int LingerSeconds = 1;

    /// <summary>How probes speak HTTP: a connection for each, and nothing done that was not asked for.</summary>
    internal static SocketsHttpHandler Handler(Func<SocketsHttpConnectionContext, CancellationToken, ValueTask<Stream>> connect) => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        PooledConnectionLifetime = TimeSpan.Zero,
        ActivityHeadersPropagator = null,
        ConnectCallback = connect,
    };

    /// <exception cref="DialException">Nobody there, or nobody of that name.</exception>
    internal static async Task<Socket> DialAsync(string host, int port, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, LingerState = new LingerOption(true, LingerSeconds) };
        try
        {
            await socket.ConnectAsync(host, port, cancellationToken);
            return socket;
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            throw new DialException(GoNetwork.Dialing(host, port, exception), exception);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
