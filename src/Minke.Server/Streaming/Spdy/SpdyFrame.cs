using System.Buffers.Binary;

namespace Minke.Server.Streaming.Spdy;

/// <summary>Of control frames (SPDY/3, 2.6).</summary>
internal enum SpdyFrameType
{
    SynStream = 1,
    SynReply = 2,
    RstStream = 3,
    Settings = 4,
    Ping = 6,
    GoAway = 7,
    Headers = 8,
    WindowUpdate = 9,
}

/// <summary>Why a stream is reset (SPDY/3, 2.6.3).</summary>
internal enum SpdyReset
{
    ProtocolError = 1,
    InvalidStream = 2,
    RefusedStream = 3,
    Cancel = 5,
    FlowControlError = 7,
}

/// <summary>
/// The eight bytes every frame begins with (SPDY/3, 2.2):
/// <code>
/// control: 1 | version (15) | type (16) | flags (8) | length (24)
/// data:    0 | stream (31)              | flags (8) | length (24)
/// </code>
/// </summary>
internal readonly record struct SpdyFrameHead(bool IsControl, SpdyFrameType Type, int Version, int Stream, byte Flags, int Length)
{
    public const int Bytes = 8;
    public const int Version3 = 3;

    /// <summary>On data, SYN_STREAM, SYN_REPLY and HEADERS: the sender's last.</summary>
    public const byte Fin = 0x01;

    /// <summary>On SYN_STREAM: the receiver sends nothing.</summary>
    public const byte Unidirectional = 0x02;

    public const int MaxLength = 0xFFFFFF;

    public bool IsFin => (Flags & Fin) != 0;

    public static SpdyFrameHead Read(ReadOnlySpan<byte> head)
    {
        var first = BinaryPrimitives.ReadUInt32BigEndian(head);
        var second = BinaryPrimitives.ReadUInt32BigEndian(head[4..]);
        var flags = (byte)(second >> 24);
        var length = (int)(second & MaxLength);
        return (first & 0x80000000) == 0
            ? new(IsControl: false, default, Version3, (int)first, flags, length)
            : new(IsControl: true, (SpdyFrameType)(first & 0xFFFF), (int)(first >> 16) & 0x7FFF, 0, flags, length);
    }

    public static void WriteControl(Span<byte> target, SpdyFrameType type, byte flags, int length)
    {
        BinaryPrimitives.WriteUInt16BigEndian(target, 0x8000 | Version3);
        BinaryPrimitives.WriteUInt16BigEndian(target[2..], (ushort)type);
        BinaryPrimitives.WriteUInt32BigEndian(target[4..], ((uint)flags << 24) | (uint)length);
    }

    public static void WriteData(Span<byte> target, int stream, byte flags, int length)
    {
        BinaryPrimitives.WriteInt32BigEndian(target, stream);
        BinaryPrimitives.WriteUInt32BigEndian(target[4..], ((uint)flags << 24) | (uint)length);
    }
}
