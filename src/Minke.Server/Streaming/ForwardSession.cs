using System.Net.WebSockets;
using Minke.Server.Streaming.Spdy;
using Minke.Server.Streaming.WebSockets;

namespace Minke.Server.Streaming;

/// <summary>All forwarded connections of one upgraded connection.</summary>
internal static class ForwardSession
{
    /// <summary>
    /// The plain WebSocket form: one connection for each port named, on channels 2n (bytes) and 2n+1 (errors), each beginning with
    /// its port as two bytes, low byte first. It ends when all of them have.
    /// </summary>
    public static async Task RunAsync(
        WebSocket webSocket, ChannelProtocol protocol, IReadOnlyList<int> ports, PortRelay relay,
        StreamingOptions options, TimeProvider time, CancellationToken aborted)
    {
        var readable = Enumerable.Range(0, ports.Count * 2).Select(channel => channel % 2 == 0).ToList();
        await using var socket = new ChannelSocket(webSocket, protocol, readable, options, time, aborted);
        try
        {
            var forwards = new List<Task>();
            for (var index = 0; index < ports.Count; index++)
            {
                var channels = new ForwardChannels(ports[index], socket[2 * index], socket[(2 * index) + 1]);
                byte[] prefix = [(byte)channels.Port, (byte)(channels.Port >> 8)];
                await channels.Data.WriteAsync(prefix, socket.Gone).ConfigureAwait(false);
                await channels.Error.WriteAsync(prefix, socket.Gone).ConfigureAwait(false);
                forwards.Add(relay.RunAsync(channels, clientCanEnd: false, socket.Gone));
            }
            await Task.WhenAll(forwards).ConfigureAwait(false);
            await socket.CloseAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or OperationCanceledException)
        {
            // The client is gone.
        }
    }

    /// <summary>The SPDY form: a pair of streams for each connection, until the client hangs up.</summary>
    public static async Task RunAsync(Stream transport, PortRelay relay, StreamingOptions options, TimeProvider time, CancellationToken aborted)
    {
        await using var session = new SpdySession(transport, SpdyForwards.Admits, options, time, aborted);
        await new SpdyForwards(session, relay, options, time).RunAsync().ConfigureAwait(false);
    }
}
