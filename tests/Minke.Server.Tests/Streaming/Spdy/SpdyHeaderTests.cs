using FsCheck;
using FsCheck.Fluent;
using Minke.Server.Streaming.Spdy;

namespace Minke.Server.Tests.Streaming.Spdy;

public sealed class SpdyHeaderTests
{
    /// <summary>Made by zlib 1.2.13 with the dictionary, level 9: two blocks of one stream, the second all references to the first.</summary>
    private const string First = "78f9e3c6a7c202256f703a2b294a4dcc851625aca9a0808614cb45a024cc64610024398b209198094adc8c06d80b5e16907b00000000ffff";
    private const string Second = "c26a2aa8804aa4c05000000000ffff";

    [Fact]
    public void The_dictionary_is_the_one_of_the_specification()
    {
        uint low = 1, high = 0;
        foreach (var value in SpdyDictionary.Bytes.Span)
        {
            low = (low + value) % 65521;
            high = (high + low) % 65521;
        }
        Assert.Equal(1423, SpdyDictionary.Bytes.Length);
        Assert.Equal(SpdyDictionary.Id, (high << 16) | low);
    }

    [Fact]
    public void Blocks_are_read_as_zlib_writes_them()
    {
        using var reader = new SpdyHeaderReader();
        var first = reader.Read(Convert.FromHexString(First));
        Assert.Equal("error", first["streamtype"]);
        Assert.Equal("80", first["port"]);
        Assert.Equal("data", reader.Read(Convert.FromHexString(Second))["streamtype"]);
    }

    [Fact]
    public void A_bomb_is_refused_before_it_unfolds()
    {
        using var reader = new SpdyHeaderReader();
        Assert.Throws<SpdyException>(() => reader.Read(SpdyTestClient.Compressed(first: true, new byte[1 << 16])));
    }

    [Fact]
    public void Whatever_comes_is_read_or_refused()
    {
        Prop.ForAll<byte[]>(bytes =>
        {
            using var reader = new SpdyHeaderReader();
            Refuses(() => reader.Read(bytes));
            using var started = new SpdyHeaderReader();
            started.Read(Convert.FromHexString(First));
            Refuses(() => started.Read(bytes));
            using var stored = new SpdyHeaderReader();
            Refuses(() => stored.Read(SpdyTestClient.Compressed(first: true, bytes)));
        }).QuickCheckThrowOnFailure();
    }

    private static void Refuses(Action read)
    {
        try
        {
            read();
        }
        catch (SpdyException)
        {
        }
    }
}
