using System.Buffers.Binary;

namespace Minke.Server.Streaming.Spdy;

/// <summary>The uncompressed block of deflate (RFC 1951, 3.2.4), when it begins on a byte: a zero byte, the length, its complement.</summary>
internal static class StoredBlock
{
    public const int HeadBytes = 5;

    public static void WriteHead(Span<byte> target, int length)
    {
        target[0] = 0;
        BinaryPrimitives.WriteUInt16LittleEndian(target[1..], (ushort)length);
        BinaryPrimitives.WriteUInt16LittleEndian(target[3..], (ushort)~length);
    }
}
