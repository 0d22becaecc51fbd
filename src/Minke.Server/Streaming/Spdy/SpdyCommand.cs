using Minke.Client.Nodes;

namespace Minke.Server.Streaming.Spdy;

/// <summary>The streams of an exec or attach over SPDY: one for each standard stream, told apart by the header <c>streamType</c>.</summary>
internal static class SpdyCommand
{
    /// <summary>Streams the request did not announce are not welcome.</summary>
    public static Func<SpdyStream, bool> Admits(ExecStreamsRequest request) => stream => stream.StreamType switch
    {
        "error" => true,
        "stdin" => request.Stdin,
        "stdout" => request.Stdout,
        "stderr" => request.Stderr && !request.Tty,
        "resize" => request.Tty,
        _ => false,
    };

    /// <summary>Waits for all streams the request announced.</summary>
    /// <param name="session">The connection.</param>
    /// <param name="protocol">Resizing began with version 3, the <c>Status</c> as the last word with version 4.</param>
    /// <param name="request">What to expect.</param>
    /// <param name="options">Deadlines.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="IOException">They did not come in time, or the client hung up.</exception>
    public static async Task<CommandChannels> AcceptAsync(
        SpdySession session, string protocol, ExecStreamsRequest request, StreamingOptions options, TimeProvider time)
    {
        var canResize = protocol is "v4.channel.k8s.io" or "v3.channel.k8s.io";
        var expected = new HashSet<string>(StringComparer.Ordinal) { "error" };
        Expect("stdin", request.Stdin);
        Expect("stdout", request.Stdout);
        Expect("stderr", request.Stderr && !request.Tty);
        Expect("resize", request.Tty && canResize);

        var streams = new Dictionary<string, SpdyStream>(StringComparer.Ordinal);
        using var deadline = new CancellationTokenSource(options.StreamCreationTimeout, time);
        try
        {
            while (expected.Count > 0)
            {
                var stream = await session.Opened.ReadAsync(deadline.Token).ConfigureAwait(false);
                if (expected.Remove(stream.StreamType))
                    streams.Add(stream.StreamType, stream);
                else
                    stream.Abandon();
            }
        }
        catch (System.Threading.Channels.ChannelClosedException error)
        {
            throw new IOException("the client is gone", error);
        }
        catch (OperationCanceledException error)
        {
            throw new IOException("timed out waiting for client to create streams", error);
        }
        return new()
        {
            Error = streams["error"],
            Stdin = streams.GetValueOrDefault("stdin"),
            Stdout = streams.GetValueOrDefault("stdout"),
            Stderr = streams.GetValueOrDefault("stderr"),
            Resize = streams.GetValueOrDefault("resize"),
            ErrorIsStatus = protocol == "v4.channel.k8s.io",
        };

        void Expect(string type, bool asked)
        {
            if (asked)
                expected.Add(type);
        }
    }
}
