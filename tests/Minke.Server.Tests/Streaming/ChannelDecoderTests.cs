using FsCheck;
using FsCheck.Fluent;
using Minke.Server.Streaming.WebSockets;

namespace Minke.Server.Tests.Streaming;

public sealed class ChannelDecoderTests
{
    [Theory, InlineData("v4.channel.k8s.io"), InlineData("v4.base64.channel.k8s.io")]
    public void A_message_reads_the_same_however_it_is_cut(string protocol)
    {
        Prop.ForAll<byte[], byte[]>((content, cuts) =>
        {
            var base64 = protocol.Contains("base64", StringComparison.Ordinal);
            byte[] message = base64 ? [(byte)'2', .. System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(content))] : [2, .. content];
            return Read(protocol, Cut(message, cuts), out var channels).SequenceEqual(content) && channels.TrueForAll(channel => channel == 2);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void The_close_signal_names_one_channel()
    {
        var decoder = new ChannelDecoder(ChannelProtocol.Named("v5.channel.k8s.io"));
        Assert.Equal(0, decoder.Decode(new byte[] { 255, 0 }, 2, isEnd: true).Closes);
        Assert.Null(decoder.Decode(new byte[] { 255, 0, 0 }, 3, isEnd: true).Closes);
        Assert.Null(decoder.Decode(new byte[] { 255 }, 1, isEnd: true).Closes);
        Assert.Null(new ChannelDecoder(ChannelProtocol.Named("v4.channel.k8s.io")).Decode(new byte[] { 255, 0 }, 2, isEnd: true).Closes);
    }

    private static List<byte[]> Cut(byte[] message, byte[] cuts)
    {
        var pieces = new List<byte[]>();
        var start = 0;
        foreach (var cut in cuts)
        {
            var length = Math.Min(cut % 9, message.Length - start);
            pieces.Add(message.AsSpan(start, length).ToArray());
            start += length;
        }
        pieces.Add(message[start..]);
        return pieces;
    }

    private static List<byte> Read(string protocol, List<byte[]> pieces, out List<int> channels)
    {
        var decoder = new ChannelDecoder(ChannelProtocol.Named(protocol));
        var content = new List<byte>();
        channels = [];
        var buffer = new byte[4096];
        for (var index = 0; index < pieces.Count; index++)
        {
            pieces[index].CopyTo(buffer, decoder.Held);
            var piece = decoder.Decode(buffer, pieces[index].Length, index == pieces.Count - 1);
            if (piece.Length > 0)
                channels.Add(piece.Channel);
            content.AddRange(buffer.AsSpan(piece.Start, piece.Length));
            decoder.KeepRest(buffer);
        }
        return content;
    }
}
