using System.Buffers.Binary;
using System.Text;

namespace Minke.Api;

/// <summary>Walks the fields of one protobuf message. Unknown fields are passed over, as protobuf asks.</summary>
public ref struct ProtoReader(ReadOnlySpan<byte> message)
{
    private ReadOnlySpan<byte> _rest = message;
    private int _wireType;

    /// <summary>Moves to the next field; every field must then be read or skipped.</summary>
    public bool Next(out int field)
    {
        field = 0;
        if (_rest.IsEmpty)
            return false;
        var tag = Varint();
        field = tag >> 3 is var number and > 0 and < 1 << 29 ? (int)number : throw new ProtoReadException("proto: illegal tag");
        _wireType = (int)(tag & 7);
        return true;
    }

    /// <summary>The current field as bytes, within the message; nothing is copied.</summary>
    /// <exception cref="ProtoReadException">Of another wire type, or cut short.</exception>
    public ReadOnlySpan<byte> Bytes()
    {
        Expect(2);
        var size = Varint();
        if (size > (ulong)_rest.Length)
            throw new ProtoReadException("unexpected EOF");
        var value = _rest[..(int)size];
        _rest = _rest[(int)size..];
        return value;
    }

    public string String() => Encoding.UTF8.GetString(Bytes());

    public long Int()
    {
        Expect(0);
        return (long)Varint();
    }

    public bool Bool() => Int() != 0;

    public double Double()
    {
        Expect(1);
        if (_rest.Length < 8)
            throw new ProtoReadException("unexpected EOF");
        var value = BinaryPrimitives.ReadDoubleLittleEndian(_rest);
        _rest = _rest[8..];
        return value;
    }

    /// <summary>One number of a repeated field, or several when packed.</summary>
    public void Ints<T>(List<T> into, Func<long, T> convert)
    {
        if (_wireType != 2)
        {
            into.Add(convert(Int()));
            return;
        }
        var packed = new ProtoReader(Bytes());
        while (!packed._rest.IsEmpty)
            into.Add(convert((long)packed.Varint()));
    }

    public void Skip()
    {
        switch (_wireType)
        {
            case 0:
                Varint();
                break;
            case 1:
                Drop(8);
                break;
            case 2:
                Bytes();
                break;
            case 5:
                Drop(4);
                break;
            default:
                throw new ProtoReadException($"proto: illegal wireType {_wireType}");
        }
    }

    private void Drop(int size) => _rest = size <= _rest.Length ? _rest[size..] : throw new ProtoReadException("unexpected EOF");

    private readonly void Expect(int wireType)
    {
        if (_wireType != wireType)
            throw new ProtoReadException($"proto: wrong wireType = {_wireType}");
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (var i = 0; i < 10; i++)
        {
            if (i == _rest.Length)
                throw new ProtoReadException("unexpected EOF");
            value |= (ulong)(_rest[i] & 0x7f) << (7 * i);
            if (_rest[i] < 0x80)
            {
                _rest = _rest[(i + 1)..];
                return value;
            }
        }
        throw new ProtoReadException("proto: integer overflow");
    }
}

/// <summary>Bytes that are no protobuf message of the expected type.</summary>
public sealed class ProtoReadException(string message) : Exception(message);
