using FsCheck;
using FsCheck.Fluent;
using Minke.Server.Streaming.Spdy;

namespace Minke.Server.Tests.Streaming.Spdy;

public sealed class SpdySessionTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Bytes_go_both_ways_and_each_side_ends_by_itself()
    {
        await using var client = new SpdyTestClient();
        var stream = await client.OpenedAsync(1, "data");
        Assert.Equal("data", stream.StreamType);
        await client.SendAsync([.. SpdyTestClient.Data(1, 0, "ab"u8.ToArray()), .. SpdyTestClient.Data(1, SpdyFrameHead.Fin, "c"u8.ToArray())]);
        var buffer = new byte[16];
        var text = "";
        while (await stream.ReadAsync(buffer, TestContext.Current.CancellationToken) is > 0 and var read)
            text += System.Text.Encoding.ASCII.GetString(buffer, 0, read);
        Assert.Equal("abc", text);

        await stream.WriteAsync("hello"u8.ToArray(), TestContext.Current.CancellationToken);
        await stream.CompleteAsync(TestContext.Current.CancellationToken);
        Assert.Equal(SpdyFrameType.SynReply, (await client.ReceiveAsync()).Head.Type);
        Assert.Equal("hello"u8.ToArray(), (await client.ReceiveAsync()).Body);
        Assert.True((await client.ReceiveAsync()).Head.IsFin);
    }

    [Fact]
    public async Task A_client_that_keeps_windows_is_sent_no_more_than_they_allow()
    {
        await using var client = new SpdyTestClient();
        await client.SendAsync(SpdyTestClient.Control(SpdyFrameType.Settings, 0, SpdyTestClient.Numbers(1, 7, 1000)));
        var stream = await client.OpenedAsync(1, "data");
        var writing = stream.WriteAsync(new byte[5000], TestContext.Current.CancellationToken).AsTask();
        await client.ReceiveAsync();
        Assert.Equal(1000, (await client.ReceiveAsync()).Head.Length);
        Assert.False(writing.IsCompleted);
        await client.SendAsync(SpdyTestClient.Control(SpdyFrameType.WindowUpdate, 0, SpdyTestClient.Numbers(1, 4000)));
        Assert.Equal(4000, (await client.ReceiveAsync()).Head.Length);
        await writing.WaitAsync(Patience, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task What_is_read_is_told_to_the_client_so_that_it_may_send_on()
    {
        await using var client = new SpdyTestClient();
        var stream = await client.OpenedAsync(1, "data");
        await client.SendAsync(SpdyTestClient.Data(1, 0, new byte[40_000]));
        var left = 40_000;
        while (left > 0)
            left -= await stream.ReadAsync(new byte[40_000], TestContext.Current.CancellationToken);
        var updated = new HashSet<byte>();
        while (updated.Count < 2)
            updated.Add((await client.ReceiveControlAsync(SpdyFrameType.WindowUpdate))[3]);
        Assert.Equal(new byte[] { 0, 1 }, updated.Order());
    }

    [Fact]
    public async Task Pings_are_answered_and_resets_end_both_sides()
    {
        await using var client = new SpdyTestClient();
        var stream = await client.OpenedAsync(1, "data");
        await client.SendAsync(SpdyTestClient.Control(SpdyFrameType.Ping, 0, SpdyTestClient.Numbers(5)));
        Assert.Equal(SpdyTestClient.Numbers(5), await client.ReceiveControlAsync(SpdyFrameType.Ping));
        await client.SendAsync(SpdyTestClient.Control(SpdyFrameType.RstStream, 0, SpdyTestClient.Numbers(1, 5)));
        await Assert.ThrowsAsync<IOException>(async () => await stream.ReadAsync(new byte[1], TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<IOException>(async () => await stream.WriteAsync(new byte[1], TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Streams_beyond_the_bound_are_refused()
    {
        await using var client = new SpdyTestClient();
        for (var index = 0; index <= SpdySession.MaxStreams; index++)
            await client.OpenAsync((2 * index) + 1, 0, ("streamtype", "data"));
        Assert.Equal(SpdyTestClient.Numbers((2 * SpdySession.MaxStreams) + 1, (uint)SpdyReset.RefusedStream), await client.ReceiveControlAsync(SpdyFrameType.RstStream));
    }

    /// <summary>The seed corpus: frames that lie.</summary>
    public static TheoryData<string, byte[]> Hostile => new()
    {
        { "control frame of 16 MB", [0x80, 3, 0, 1, 0, 0xFF, 0xFF, 0xFF] },
        { "another version", [0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1] },
        { "data for stream 0", SpdyTestClient.Data(0, 0, [1]) },
        { "even stream id", SpdyTestClient.Control(SpdyFrameType.SynStream, 0, [0, 0, 0, 2, .. new byte[6], .. SpdyTestClient.Compressed(true, new byte[4])]) },
        { "SYN_STREAM cut short", SpdyTestClient.Control(SpdyFrameType.SynStream, 0, [0, 0, 0, 1]) },
        { "headers that are no zlib", SpdyTestClient.Control(SpdyFrameType.SynStream, 0, [0, 0, 0, 1, .. new byte[6], 1, 2, 3, 4, 5, 6, 7]) },
        { "a million headers", SpdyTestClient.Control(SpdyFrameType.SynStream, 0, [0, 0, 0, 1, .. new byte[6], .. SpdyTestClient.Compressed(true, [0, 15, 0, 0])]) },
        { "SETTINGS of another length", SpdyTestClient.Control(SpdyFrameType.Settings, 0, SpdyTestClient.Numbers(0xFFFFFFFF)) },
        { "window beyond 31 bits", [.. SpdyTestClient.Control(SpdyFrameType.WindowUpdate, 0, SpdyTestClient.Numbers(0, 0x7FFFFFFF))] },
    };

    [Theory, MemberData(nameof(Hostile))]
    public async Task A_frame_that_lies_ends_the_connection(string what, byte[] frame)
    {
        Assert.NotEmpty(what);
        await using var client = new SpdyTestClient();
        await client.SendAsync(frame);
        Assert.Equal(SpdyTestClient.Numbers(0, 1)[4..], (await client.ReceiveControlAsync(SpdyFrameType.GoAway))[4..]);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.Delay(Patience, client.Session.Gone));
    }

    [Fact]
    public void Whatever_comes_ends_in_order()
    {
        byte[][] corpus =
        [
            .. Hostile.Select(row => row.Data.Item2),
            SpdyTestClient.Control(SpdyFrameType.SynStream, 0, [0, 0, 0, 1, .. new byte[6], .. SpdyTestClient.Compressed(true, new byte[4])]),
            SpdyTestClient.Data(1, 0, [1, 2, 3]),
            SpdyTestClient.Data(1, SpdyFrameHead.Fin, []),
            SpdyTestClient.Control(SpdyFrameType.Headers, SpdyFrameHead.Fin, [0, 0, 0, 1, .. SpdyTestClient.Compressed(false, new byte[4])]),
            SpdyTestClient.Control(SpdyFrameType.RstStream, 0, SpdyTestClient.Numbers(1, 5)),
            SpdyTestClient.Control(SpdyFrameType.GoAway, 0, SpdyTestClient.Numbers(1, 0)),
        ];
        var frames = Gen.ListOf(Gen.OneOf(Gen.Elements(corpus), Gen.ArrayOf(Gen.Choose(0, 255).Select(value => (byte)value))));
        Prop.ForAll(frames.ToArbitrary(), sent => RunAsync([.. sent.SelectMany(frame => frame)]).GetAwaiter().GetResult()).QuickCheckThrowOnFailure();

        static async Task RunAsync(byte[] bytes)
        {
            await using var client = new SpdyTestClient();
            // Nobody waits for the streams that open: what they hold may stop the reading, and hanging up must end it all the same.
            await Task.WhenAny(client.SendAsync(bytes), Task.Delay(Patience, client.Session.Gone));
            await client.HangUpAsync();
        }
    }
}
