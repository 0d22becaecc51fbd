using System.Text;

namespace Minke.Api;

/// <summary>Writes protobuf from its end to its beginning: a message's length is known when its prefix is due, so nothing is sized first.</summary>
public sealed class ProtoWriter
{
    private byte[] _buffer = new byte[1024];
    private int _start = 1024;

    /// <summary>Bytes written so far; remembered before a nested message and given to <see cref="EndMessage"/>.</summary>
    public int Length => _buffer.Length - _start;

    public ReadOnlySpan<byte> Written => _buffer.AsSpan(_start);

    /// <summary>Begins anew, in the room there is.</summary>
    public void Clear() => _start = _buffer.Length;

    public void EndMessage(int field, int lengthBefore)
    {
        WriteVarint((ulong)(Length - lengthBefore));
        WriteTag(field, 2);
    }

    public void String(int field, string value)
    {
        var size = Encoding.UTF8.GetByteCount(value);
        Encoding.UTF8.GetBytes(value, Reserve(size));
        WriteVarint((ulong)size);
        WriteTag(field, 2);
    }

    public void Bytes(int field, ReadOnlySpan<byte> value)
    {
        value.CopyTo(Reserve(value.Length));
        WriteVarint((ulong)value.Length);
        WriteTag(field, 2);
    }

    public void Int(int field, long value)
    {
        WriteVarint((ulong)value);
        WriteTag(field, 0);
    }

    public void Bool(int field, bool value) => Int(field, value ? 1 : 0);

    public void Double(int field, double value)
    {
        BitConverter.TryWriteBytes(Reserve(8), value);
        WriteTag(field, 1);
    }

    public void Raw(ReadOnlySpan<byte> value) => value.CopyTo(Reserve(value.Length));

    private void WriteTag(int field, int wireType) => WriteVarint(((ulong)field << 3) | (uint)wireType);

    private void WriteVarint(ulong value)
    {
        var size = 1;
        for (var rest = value >> 7; rest != 0; rest >>= 7)
            size++;
        var target = Reserve(size);
        for (var i = 0; i < size - 1; i++, value >>= 7)
            target[i] = (byte)(value | 0x80);
        target[size - 1] = (byte)value;
    }

    private Span<byte> Reserve(int size)
    {
        if (_start < size)
        {
            var grown = new byte[Math.Max(_buffer.Length * 2, _buffer.Length + size)];
            Written.CopyTo(grown.AsSpan(grown.Length - Length));
            _start += grown.Length - _buffer.Length;
            _buffer = grown;
        }
        _start -= size;
        return _buffer.AsSpan(_start, size);
    }
}
