using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Minke.Cli.Clusters;

/// <summary>Where the API is asked to listen: <c>ADDRESS</c>, <c>ADDRESS:PORT</c>, <c>[V6]:PORT</c> or <c>:PORT</c>.</summary>
/// <param name="Address">Loopback unless asked otherwise.</param>
/// <param name="Port">Null when not said: 6443, or the next one that is free.</param>
public sealed record ListenAddress(IPAddress Address, int? Port)
{
    public const int DefaultPort = 6443;

    /// <summary>Clusters side by side on default ports; beyond that something else is wrong.</summary>
    private const int PortsToTry = 100;

    public static ListenAddress Default { get; } = new(IPAddress.Loopback, null);

    public static bool TryParse(string text, [NotNullWhen(true)] out ListenAddress? result)
    {
        result = null;
        if (IPAddress.TryParse(text.Trim('[', ']'), out var alone) && (alone.AddressFamily == AddressFamily.InterNetworkV6 || text.Count('.') == 3))
        {
            result = new ListenAddress(alone, null);
            return true;
        }
        var colon = text.LastIndexOf(':');
        if (colon < 0 || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port > 65535)
            return false;
        var host = text[..colon];
        if (host is "" or "localhost")
            result = new ListenAddress(IPAddress.Loopback, port);
        else if (IPAddress.TryParse(host.Trim('[', ']'), out var address) && (address.AddressFamily == AddressFamily.InterNetworkV6 || host.Count('.') == 3))
            result = new ListenAddress(address, port);
        return result is not null;
    }

    /// <summary>What <see cref="TryParse"/> reads.</summary>
    public override string ToString() => Port is { } port ? new IPEndPoint(Address, port).ToString() : Address.ToString();

    /// <summary>An endpoint that is free now: the port asked for; or the one this cluster had before, 6443, and on from there.</summary>
    /// <exception cref="CliException">The port asked for is taken, or the address is not this machine's.</exception>
    public IPEndPoint Choose(int? before)
    {
        if (Port is { } fixedPort)
            return IsFree(fixedPort) ? new IPEndPoint(Address, fixedPort) : throw new CliException(
                $"listen on {new IPEndPoint(Address, fixedPort)}: the port is taken; choose another with --listen, or leave the port out");
        if (before is { } same && IsFree(same))
            return new IPEndPoint(Address, same);
        for (var port = DefaultPort; port < DefaultPort + PortsToTry; port++)
        {
            if (IsFree(port))
                return new IPEndPoint(Address, port);
        }
        throw new CliException($"listen on {Address}: ports {DefaultPort} to {DefaultPort + PortsToTry - 1} are all taken; name one with --listen");
    }

    private bool IsFree(int port)
    {
        using var socket = new Socket(Address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        // As Kestrel does: an old connection in TIME_WAIT does not matter.
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        try
        {
            socket.Bind(new IPEndPoint(Address, port));
            socket.Listen(1);
            return true;
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return false;
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressNotAvailable)
        {
            throw new CliException($"listen on {Address}: this machine has no such address; see: ip -brief address");
        }
        catch (SocketException exception)
        {
            throw new CliException($"listen on {new IPEndPoint(Address, port)}: {exception.Message}", exception);
        }
    }
}
