using Minke.Client.Nodes;
using Minke.Server.Streaming.Spdy;
using Minke.Server.Streaming.WebSockets;

namespace Minke.Server.Streaming;

/// <summary>The upgraded connection of an exec or attach, with the streams its protocol gives the command.</summary>
internal sealed class CommandConnection : IAsyncDisposable
{
    private const int Stdin = 0;
    private const int Stdout = 1;
    private const int Stderr = 2;
    private const int Error = 3;
    private const int Resize = 4;

    private readonly UpgradedConnection _connection;
    private readonly Func<Task<CommandChannels>> _accept;

    private CommandConnection(UpgradedConnection connection, Func<Task<CommandChannels>> accept)
    {
        _connection = connection;
        _accept = accept;
    }

    public CancellationToken Gone => _connection.Gone;

    public static async Task<CommandConnection> OpenAsync(
        UpgradeRequest upgrade, ExecStreamsRequest request, StreamingOptions options, TimeProvider time, CancellationToken aborted)
    {
        if (!upgrade.IsWebSocket)
        {
            var transport = await upgrade.AcceptSpdyAsync().ConfigureAwait(false);
            var session = new SpdySession(transport, SpdyCommand.Admits(request), options, time, aborted);
            return new(session, () => SpdyCommand.AcceptAsync(session, upgrade.Protocol, request, options, time));
        }
        var protocol = ChannelProtocol.Named(upgrade.Protocol);
        var socket = new ChannelSocket(
            await upgrade.AcceptWebSocketAsync(options.KeepAliveInterval).ConfigureAwait(false),
            protocol, [request.Stdin, false, false, false, request.Tty], options, time, aborted);
        return new(socket, () => GreetAsync(socket, protocol, request));
    }

    /// <summary>Waits until the client's streams stand.</summary>
    /// <exception cref="IOException">They do not come in time.</exception>
    public Task<CommandChannels> AcceptChannelsAsync() => _accept();

    public Task CloseAsync() => _connection.CloseAsync();

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    /// <summary>An empty message on the first channel the client reads tells it that the connection stands.</summary>
    private static async Task<CommandChannels> GreetAsync(ChannelSocket socket, ChannelProtocol protocol, ExecStreamsRequest request)
    {
        var stderr = request.Stderr && !request.Tty;
        await socket[request.Stdout ? Stdout : stderr ? Stderr : Error].WriteAsync(default, socket.Gone).ConfigureAwait(false);
        return new()
        {
            Error = socket[Error],
            Stdin = request.Stdin ? socket[Stdin] : null,
            Stdout = request.Stdout ? socket[Stdout] : null,
            Stderr = stderr ? socket[Stderr] : null,
            Resize = request.Tty ? socket[Resize] : null,
            ErrorIsStatus = protocol.ErrorIsStatus,
        };
    }
}
