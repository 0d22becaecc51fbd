using System.Buffers.Binary;
using System.Text;
using static Minke.Node.Linux.Netlink;

namespace Minke.Node.Linux;

/// <summary>Walks the messages of one datagram from the kernel. What is cut short or malformed ends the walk; nothing throws.</summary>
internal ref struct NetlinkReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    internal NetlinkMessage Current { get; private set; }

    internal bool MoveNext()
    {
        if (_rest.Length < HeaderLength)
            return false;
        var length = BinaryPrimitives.ReadUInt32LittleEndian(_rest);
        if (length < HeaderLength || length > (uint)_rest.Length)
            return false;
        Current = new NetlinkMessage(_rest[..(int)length]);
        _rest = _rest[Math.Min(((int)length + 3) & ~3, _rest.Length)..];
        return true;
    }
}

/// <summary>One message: at least the 16 bytes of its header.</summary>
internal readonly ref struct NetlinkMessage(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    internal ushort Type => BinaryPrimitives.ReadUInt16LittleEndian(_bytes[4..]);
    internal ushort Flags => BinaryPrimitives.ReadUInt16LittleEndian(_bytes[6..]);
    internal uint Sequence => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[8..]);
    internal ReadOnlySpan<byte> Payload => _bytes[HeaderLength..];

    /// <summary>Attributes behind a fixed structure of <paramref name="headerLength"/> bytes; none when it is cut short.</summary>
    internal NetlinkAttributes Attributes(int headerLength)
    {
        var aligned = (headerLength + 3) & ~3;
        return new NetlinkAttributes(Payload.Length > aligned ? Payload[aligned..] : default);
    }

    /// <summary>Reads an acknowledgement (<c>NLMSG_ERROR</c>, also the end of a dump): error number (0 for success) and the kernel's words, if any.</summary>
    internal (int Errno, string Detail) ReadAcknowledgement()
    {
        var payload = Payload;
        if (payload.Length < 4)
            return (Errno.EIO, "acknowledgement cut short");
        var errno = -BinaryPrimitives.ReadInt32LittleEndian(payload);
        if ((Flags & NLM_F_ACK_TLVS) == 0)
            return (errno, "");

        // The request's header follows the number, and all of the request when it failed and is not capped.
        var offset = 4;
        if (Type == NLMSG_ERROR)
        {
            if (payload.Length < 4 + HeaderLength)
                return (errno, "");
            var echoed = BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]);
            offset += (Flags & NLM_F_CAPPED) != 0 || errno == 0 || echoed < HeaderLength
                ? HeaderLength
                : (int)Math.Min((echoed + 3) & ~3u, (uint)payload.Length);
        }
        if (offset >= payload.Length)
            return (errno, "");
        return new NetlinkAttributes(payload[offset..]).TryFind(NLMSGERR_ATTR_MSG, out var text) ? (errno, NetlinkAttributes.Text(text)) : (errno, "");
    }
}

/// <summary>A run of attributes; enumerable, and searchable for small ones.</summary>
internal ref struct NetlinkAttributes(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    internal ushort Type { get; private set; }
    internal ReadOnlySpan<byte> Value { get; private set; }

    internal bool MoveNext()
    {
        if (_rest.Length < AttributeHeaderLength)
            return false;
        var length = BinaryPrimitives.ReadUInt16LittleEndian(_rest);
        if (length < AttributeHeaderLength || length > _rest.Length)
            return false;
        Type = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(_rest[2..]) & NLA_TYPE_MASK);
        Value = _rest[AttributeHeaderLength..length];
        _rest = _rest[Math.Min((length + 3) & ~3, _rest.Length)..];
        return true;
    }

    /// <summary>The first attribute of a type, from here on; this enumerator does not move.</summary>
    internal readonly bool TryFind(ushort type, out ReadOnlySpan<byte> value)
    {
        var walk = this;
        while (walk.MoveNext())
        {
            if (walk.Type == type)
            {
                value = walk.Value;
                return true;
            }
        }
        value = default;
        return false;
    }

    /// <summary>A text without its terminating zero.</summary>
    internal static string Text(ReadOnlySpan<byte> value)
    {
        var end = value.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? value : value[..end]);
    }

    internal static uint UInt32(ReadOnlySpan<byte> value) => value.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(value) : 0;
}
