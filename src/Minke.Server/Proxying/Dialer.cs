using System.Net;
using System.Net.Sockets;
using Minke.Client;

namespace Minke.Server.Proxying;

/// <summary>Opens connections to what is outside this process. What goes wrong is a <see cref="DialException"/> in Go's words.</summary>
internal sealed class Dialer(Func<EndPoint, CancellationToken, Task<Stream>>? instead, TimeProvider clock)
{
    // As upstream's transports wait for a connection.
    private static readonly TimeSpan ConnectWithin = TimeSpan.FromSeconds(30);

    /// <exception cref="DialException">Nobody answers there.</exception>
    public async Task<Stream> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(ConnectWithin, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await (instead ?? OverNetworkAsync)(endpoint, either.Token);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new DialException($"dial tcp {Shown(endpoint)}: i/o timeout");
        }
    }

    /// <exception cref="DialException">Nobody answers there.</exception>
    public static async Task<Stream> OverNetworkAsync(EndPoint endpoint, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(endpoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new DialException(endpoint is DnsEndPoint dns ? GoNetwork.Dialing(dns.Host, dns.Port, e) : GoNetwork.Dialing(((IPEndPoint)endpoint).Address.ToString(), ((IPEndPoint)endpoint).Port, e));
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static string Shown(EndPoint endpoint) => endpoint is DnsEndPoint dns ? $"{dns.Host}:{dns.Port}" : endpoint.ToString()!;
}

/// <summary>No connection, or none to be believed. The message is Go's, as operators know it.</summary>
internal sealed class DialException(string message) : Exception(message);
