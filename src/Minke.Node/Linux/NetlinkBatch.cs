using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using static Minke.Node.Linux.Netlink;

namespace Minke.Node.Linux;

/// <summary>
/// Requests that are sent to the kernel together, in order. The kernel carries out each one whatever became of those before it;
/// every one is acknowledged.
/// </summary>
/// <remarks>
/// A message is <c>nlmsghdr</c>, a fixed structure of its family, then attributes (<c>nlattr</c>: length, type, value), each
/// aligned to 4 bytes. Integers are in the machine's order unless an attribute says otherwise.
/// </remarks>
/// <param name="subject">What the requests are about; ends the sentence of an error: <c>create veth for 10.0.0.7</c>.</param>
internal sealed class NetlinkBatch(string subject)
{
    private const int FirstSize = 1024;

    private readonly List<string> _attempts = [];
    private byte[] _bytes = new byte[FirstSize];
    private int _length;
    private int _messageStart = -1;

    /// <summary>Number of requests; their sequence numbers are 1, 2, ….</summary>
    internal int Count => _attempts.Count;

    internal ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

    /// <summary>What the request with a sequence number tried, for messages.</summary>
    internal string Attempt(uint sequence) =>
        sequence is > 0 && sequence <= _attempts.Count ? $"{_attempts[(int)sequence - 1]} {subject}" : subject;

    /// <summary>Begins a request with the fixed structure of its family.</summary>
    internal NetlinkBatch Begin<T>(string attempt, ushort type, int flags, in T header) where T : unmanaged
    {
        Close();
        _messageStart = _length;
        _attempts.Add(attempt);
        var head = Grow(HeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(head[4..], type);
        BinaryPrimitives.WriteUInt16LittleEndian(head[6..], (ushort)(flags | NLM_F_REQUEST | NLM_F_ACK));
        BinaryPrimitives.WriteUInt32LittleEndian(head[8..], (uint)_attempts.Count);
        return Append(header);
    }

    /// <summary>Appends a structure as it lies in memory.</summary>
    internal NetlinkBatch Append<T>(in T value) where T : unmanaged
    {
        MemoryMarshal.Write(Grow(Marshal.SizeOf<T>()), value);
        return this;
    }

    internal NetlinkBatch Attribute(ushort type, ReadOnlySpan<byte> value)
    {
        var space = Grow(AttributeHeaderLength + value.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(space, (ushort)(AttributeHeaderLength + value.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(space[2..], type);
        value.CopyTo(space[AttributeHeaderLength..]);
        return this;
    }

    internal NetlinkBatch Attribute(ushort type, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return Attribute(type, bytes);
    }

    internal NetlinkBatch Attribute(ushort type, byte value) => Attribute(type, [value]);

    /// <summary>A text with the terminating zero that the kernel expects.</summary>
    internal NetlinkBatch Attribute(ushort type, string value) => Attribute(type, Encoding.UTF8.GetBytes(value + '\0'));

    /// <summary>Opens an attribute whose value is attributes; <see cref="EndNested"/> takes what this returns.</summary>
    internal int BeginNested(ushort type)
    {
        var start = _length;
        Attribute((ushort)(type | NLA_F_NESTED), []);
        return start;
    }

    internal NetlinkBatch EndNested(int start)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(start), (ushort)(_length - start));
        return this;
    }

    /// <summary>Writes the length of the last message. Called by whoever sends.</summary>
    internal void Close()
    {
        if (_messageStart < 0)
            return;
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(_messageStart), (uint)(_length - _messageStart));
        _messageStart = -1;
    }

    /// <summary>Space for <paramref name="size"/> bytes, followed by zeros up to the next multiple of 4.</summary>
    private Span<byte> Grow(int size)
    {
        var start = _length;
        var aligned = (size + 3) & ~3;
        if (start + aligned > _bytes.Length)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, start + aligned));
        _length += aligned;
        return _bytes.AsSpan(start, size);
    }
}
