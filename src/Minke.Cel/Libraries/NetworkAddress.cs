using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary>An IPv4 or IPv6 address, read as strictly as Go's <c>netip</c>, with its error texts.</summary>
internal readonly record struct NetworkAddress(UInt128 Bits, bool IsV4)
{
    public bool IsUnspecified => Bits == 0;
    public bool IsMappedV4 => !IsV4 && Bits >> 32 == 0xffff;
    public bool IsLoopback => IsV4 ? Bits >> 24 == 127 : Bits == 1;
    public bool IsMulticast => IsV4 ? Bits >> 28 == 0xe : Bits >> 120 == 0xff;
    public bool IsLinkLocalMulticast => IsV4 ? Bits >> 8 == 0xe00000 : Bits >> 112 is var top && (top & 0xff0f) == 0xff02;
    public bool IsLinkLocalUnicast => IsV4 ? Bits >> 16 == 0xa9fe : Bits >> 118 == 0x3fa;
    public bool IsGlobalUnicast => !(IsV4 && Bits is var bits && (bits == 0 || bits == 0xffff_ffff)) && !IsUnspecified && !IsLoopback && !IsMulticast && !IsLinkLocalUnicast;

    public int BitLength => IsV4 ? 32 : 128;

    /// <summary>The error, or null.</summary>
    public static string? Parse(string text, out NetworkAddress address, out bool hasZone)
    {
        address = default;
        hasZone = false;
        foreach (var c in text)
        {
            switch (c)
            {
                case '.': return ParseV4(text, text, out address);
                case ':':
                    var percent = text.IndexOf('%', StringComparison.Ordinal);
                    hasZone = percent >= 0;
                    return percent == text.Length - 1 && hasZone ? Wrong(text, "zone must be a non-empty string") : ParseV6(text, hasZone ? text[..percent] : text, out address);
                case '%': return Wrong(text, "missing IPv6 address");
            }
        }
        return Wrong(text, "unable to parse IP");
    }

    private static string? ParseV4(string whole, string text, out NetworkAddress address)
    {
        address = default;
        uint bits = 0;
        int fields = 0, value = 0, digits = 0;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (char.IsAsciiDigit(c))
            {
                if (digits == 1 && value == 0)
                    return Wrong(whole, "IPv4 field has octet with leading zero");
                value = (value * 10) + c - '0';
                digits++;
                if (value > 255)
                    return Wrong(whole, "IPv4 field has value >255");
            }
            else if (c == '.')
            {
                if (i == 0 || i == text.Length - 1 || text[i - 1] == '.')
                    return $"{Wrong(whole, "IPv4 field must have at least one digit")} (at {Display.Quote(text[i..])})";
                if (fields == 3)
                    return Wrong(whole, "IPv4 address too long");
                bits = (bits << 8) | (uint)value;
                fields++;
                (value, digits) = (0, 0);
            }
            else
            {
                return $"{Wrong(whole, "unexpected character")} (at {Display.Quote(text[i..])})";
            }
        }
        if (fields < 3)
            return Wrong(whole, "IPv4 address too short");
        address = new NetworkAddress((bits << 8) | (uint)value, IsV4: true);
        return null;
    }

    private static string? ParseV6(string whole, string text, out NetworkAddress address)
    {
        address = default;
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        var rest = text;
        int ellipsis = -1, i = 0;
        if (rest.StartsWith("::", StringComparison.Ordinal))
        {
            ellipsis = 0;
            rest = rest[2..];
            if (rest.Length == 0)
            {
                address = new NetworkAddress(0, IsV4: false);
                return null;
            }
        }
        while (i < 16)
        {
            var length = 0;
            uint value = 0;
            for (; length < rest.Length && char.IsAsciiHexDigit(rest[length]); length++)
            {
                value = (value << 4) + (uint)Convert.ToInt32(rest[length].ToString(), 16);
                if (length > 3)
                    return $"{Wrong(whole, "each group must have 4 or less digits")} (at {Display.Quote(rest)})";
            }
            if (length == 0)
                return $"{Wrong(whole, "each colon-separated field must have at least one digit")} (at {Display.Quote(rest)})";
            if (length < rest.Length && rest[length] == '.')
            {
                if (ellipsis < 0 && i != 12)
                    return $"{Wrong(whole, "embedded IPv4 address must replace the final 2 fields of the address")} (at {Display.Quote(rest)})";
                if (i + 4 > 16)
                    return $"{Wrong(whole, "too many hex fields to fit an embedded IPv4 at the end of the address")} (at {Display.Quote(rest)})";
                if (ParseV4(whole, rest, out var embedded) is { } error)
                    return error;
                BinaryPrimitives.WriteUInt32BigEndian(bytes[i..], (uint)embedded.Bits);
                rest = "";
                i += 4;
                break;
            }
            BinaryPrimitives.WriteUInt16BigEndian(bytes[i..], (ushort)value);
            i += 2;
            rest = rest[length..];
            if (rest.Length == 0)
                break;
            if (rest[0] != ':')
                return $"{Wrong(whole, "unexpected character, want colon")} (at {Display.Quote(rest)})";
            if (rest.Length == 1)
                return $"{Wrong(whole, "colon must be followed by more characters")} (at {Display.Quote(rest)})";
            rest = rest[1..];
            if (rest[0] == ':')
            {
                if (ellipsis >= 0)
                    return $"{Wrong(whole, "multiple :: in address")} (at {Display.Quote(rest)})";
                ellipsis = i;
                rest = rest[1..];
                if (rest.Length == 0)
                    break;
            }
        }
        if (rest.Length != 0)
            return $"{Wrong(whole, "trailing garbage after address")} (at {Display.Quote(rest)})";
        if (i < 16)
        {
            if (ellipsis < 0)
                return Wrong(whole, "address string too short");
            var moved = i - ellipsis;
            bytes.Slice(ellipsis, moved).CopyTo(bytes[(16 - moved)..]);
            bytes[ellipsis..(16 - moved)].Clear();
        }
        else if (ellipsis >= 0)
        {
            return Wrong(whole, "the :: must expand to at least one field of zeros");
        }
        address = new NetworkAddress(BinaryPrimitives.ReadUInt128BigEndian(bytes), IsV4: false);
        return null;
    }

    public override string ToString()
    {
        var bits = Bits;
        if (IsV4)
            return string.Join('.', Enumerable.Range(0, 4).Select(i => ((byte)(bits >> (24 - (8 * i)))).ToString(CultureInfo.InvariantCulture)));
        var groups = Enumerable.Range(0, 8).Select(i => (ushort)(bits >> (112 - (16 * i)))).ToArray();
        if (IsMappedV4)
            return "::ffff:" + new NetworkAddress((uint)bits, IsV4: true);

        // The longest run of zero groups, if longer than one, is left out.
        int runStart = -1, runLength = 1;
        for (var i = 0; i < 8; i++)
        {
            var end = i;
            while (end < 8 && groups[end] == 0)
                end++;
            if (end - i > runLength)
                (runStart, runLength) = (i, end - i);
        }
        var text = new StringBuilder();
        for (var i = 0; i < 8; i++)
        {
            if (i == runStart)
            {
                text.Append("::");
                i += runLength - 1;
                continue;
            }
            if (text.Length > 0 && text[^1] != ':')
                text.Append(':');
            text.Append(CultureInfo.InvariantCulture, $"{groups[i]:x}");
        }
        return text.ToString();
    }

    private static string Wrong(string text, string what) => $"ParseAddr({Display.Quote(text)}): {what}";
}

/// <summary>An address and how many of its bits count; those after are kept.</summary>
internal readonly record struct NetworkBlock(NetworkAddress Address, int Length)
{
    public NetworkBlock Masked => this with { Address = Address with { Bits = Address.Bits & Mask } };

    private UInt128 Mask => Length == 0 ? 0 : UInt128.MaxValue << (Address.BitLength - Length);

    public bool Contains(NetworkAddress address) =>
        address.IsV4 == Address.IsV4 && ((address.Bits ^ Address.Bits) & Mask & (Address.IsV4 ? uint.MaxValue : UInt128.MaxValue)) == 0;

    /// <summary>The error, or null.</summary>
    public static string? Parse(string text, out NetworkBlock block)
    {
        block = default;
        var slash = text.LastIndexOf('/');
        if (slash < 0)
            return Wrong(text, "no '/'");
        if (NetworkAddress.Parse(text[..slash], out var address, out var hasZone) is { } error)
            return Wrong(text, error);
        if (hasZone)
            return Wrong(text, "IPv6 zones cannot be present in a prefix");
        var length = text[(slash + 1)..];
        if (length.Length > 1 && length[0] is < '1' or > '9' || !int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var bits))
            return Wrong(text, $"bad bits after slash: {Display.Quote(length)}");
        if (bits > address.BitLength)
            return Wrong(text, "prefix length out of range");
        block = new NetworkBlock(address, bits);
        return null;
    }

    public override string ToString() => $"{Address}/{Length}";

    private static string Wrong(string text, string what) => $"netip.ParsePrefix({Display.Quote(text)}): {what}";
}
