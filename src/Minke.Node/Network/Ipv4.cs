using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Minke.Node.Network;

/// <summary>An IPv4 address as a number, so that it can be counted on.</summary>
public readonly record struct Ipv4(uint Value) : IComparable<Ipv4>
{
    /// <summary>Reads dotted decimal with four parts and no leading zeros.</summary>
    public static bool TryParse(string? text, out Ipv4 address)
    {
        address = default;
        if (text is null || !IPAddress.TryParse(text, out var parsed) || parsed.AddressFamily != AddressFamily.InterNetwork)
            return false;
        Span<byte> bytes = stackalloc byte[4];
        parsed.TryWriteBytes(bytes, out _);
        address = FromBytes(bytes);

        // IPAddress also takes "10.1" and "0x0a.0.0.1"; those are not how an API spells an address.
        return address.ToString() == text;
    }

    public static Ipv4 Parse(string text) =>
        TryParse(text, out var address) ? address : throw new FormatException($"{text}: not an IPv4 address");

    /// <summary>From four bytes in network order.</summary>
    public static Ipv4 FromBytes(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt32BigEndian(bytes));

    /// <summary>Four bytes in network order.</summary>
    public byte[] ToBytes()
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Value);
        return bytes;
    }

    public int CompareTo(Ipv4 other) => Value.CompareTo(other.Value);

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Value >> 24}.{(Value >> 16) & 255}.{(Value >> 8) & 255}.{Value & 255}");

    public static bool operator <(Ipv4 left, Ipv4 right) => left.Value < right.Value;
    public static bool operator >(Ipv4 left, Ipv4 right) => left.Value > right.Value;
    public static bool operator <=(Ipv4 left, Ipv4 right) => left.Value <= right.Value;
    public static bool operator >=(Ipv4 left, Ipv4 right) => left.Value >= right.Value;
}

/// <summary>A CIDR block: <c>10.42.0.0/24</c>.</summary>
public readonly record struct Ipv4Range
{
    /// <param name="address">Any address of the block.</param>
    /// <param name="prefixLength">0 to 32.</param>
    public Ipv4Range(Ipv4 address, int prefixLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(prefixLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(prefixLength, 32);
        PrefixLength = prefixLength;
        First = new Ipv4(address.Value & Mask);
    }

    public Ipv4 First { get; }
    public int PrefixLength { get; }
    public Ipv4 Last => new(First.Value | ~Mask);

    /// <summary>Number of addresses; 2³² for <c>0.0.0.0/0</c>.</summary>
    public long Size => 1L << (32 - PrefixLength);

    private uint Mask => PrefixLength == 0 ? 0 : uint.MaxValue << (32 - PrefixLength);

    public static bool TryParse([NotNullWhen(true)] string? text, out Ipv4Range range)
    {
        range = default;
        var slash = text?.IndexOf('/') ?? -1;
        if (slash < 0 || !Ipv4.TryParse(text![..slash], out var address)
            || !int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var length) || length > 32)
            return false;
        range = new Ipv4Range(address, length);
        return true;
    }

    public static Ipv4Range Parse(string text) =>
        TryParse(text, out var range) ? range : throw new FormatException($"{text}: not an IPv4 range");

    public bool Contains(Ipv4 address) => (address.Value & Mask) == First.Value;

    public bool Overlaps(Ipv4Range other) => Contains(other.First) || other.Contains(First);

    /// <summary>The first block of a size inside this one that touches none of <paramref name="used"/>; null when all do.</summary>
    public Ipv4Range? FirstFree(int prefixLength, IReadOnlyCollection<Ipv4Range> used)
    {
        var step = 1L << (32 - prefixLength);
        for (long candidate = First.Value; candidate + step - 1 <= Last.Value;)
        {
            var block = new Ipv4Range(new Ipv4((uint)candidate), prefixLength);
            var obstacle = used.Where(range => range.Overlaps(block)).Select(range => (long)range.Last.Value).DefaultIfEmpty(-1).Max();
            if (obstacle < 0)
                return block;

            // Past the obstacle, at the next multiple of the block's size.
            candidate = Math.Max(candidate + step, (obstacle + step) / step * step);
        }
        return null;
    }

    public override string ToString() => $"{First}/{PrefixLength}";
}
