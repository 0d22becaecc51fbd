using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary>Kubernetes' IP addresses and CIDR blocks.</summary>
internal static class NetworkLibrary
{
    public static CelType Ip { get; } = CelType.Opaque("net.IP");
    public static CelType Cidr { get; } = CelType.Opaque("net.CIDR");

    public static void AddTo(FunctionTable table)
    {
        var library = table.Extension;
        library.Global("ip", "string_to_ip", [CelType.String], Ip, a => ParseIp(a[0].Text));
        library.Global("isIP", "is_ip", [CelType.String], CelType.Bool, a => BoolValue.Of(ParseIp(a[0].Text) is IpValue));
        library.Global("ip.isCanonical", "ip_is_canonical", [CelType.String], CelType.Bool,
            a => ParseIp(a[0].Text) is IpValue ip ? BoolValue.Of(ip.Value.ToString() == a[0].Text) : ParseIp(a[0].Text));
        library.Global("string", "ip_to_string", [Ip], CelType.String, a => new StringValue(Address(a[0]).ToString()));
        library.Member("family", "ip_family", [Ip], CelType.Int, a => new IntValue(Address(a[0]).IsV4 ? 4 : 6));
        Test("isUnspecified", "ip_is_unspecified", address => address.IsUnspecified);
        Test("isLoopback", "ip_is_loopback", address => address.IsLoopback);
        Test("isLinkLocalMulticast", "ip_is_link_local_multicast", address => address.IsLinkLocalMulticast);
        Test("isLinkLocalUnicast", "ip_is_link_local_unicast", address => address.IsLinkLocalUnicast);
        Test("isGlobalUnicast", "ip_is_global_unicast", address => address.IsGlobalUnicast);

        library.Global("cidr", "string_to_cidr", [CelType.String], Cidr, a => ParseCidr(a[0].Text));
        library.Global("isCIDR", "is_cidr", [CelType.String], CelType.Bool, a => BoolValue.Of(ParseCidr(a[0].Text) is CidrValue));
        library.Global("string", "cidr_to_string", [Cidr], CelType.String, a => new StringValue(Block(a[0]).ToString()));
        library.Member("containsIP", "cidr_contains_ip_string", [Cidr, CelType.String], CelType.Bool, a => ContainsIp(a[0], ParseIp(a[1].Text)));
        library.Member("containsIP", "cidr_contains_ip_ip", [Cidr, Ip], CelType.Bool, a => ContainsIp(a[0], a[1]));
        library.Member("containsCIDR", "cidr_contains_cidr_string", [Cidr, CelType.String], CelType.Bool, a => ContainsCidr(a[0], ParseCidr(a[1].Text)));
        library.Member("containsCIDR", "cidr_contains_cidr", [Cidr, Cidr], CelType.Bool, a => ContainsCidr(a[0], a[1]));
        library.Member("ip", "cidr_ip", [Cidr], Ip, a => new IpValue(Block(a[0]).Address));
        library.Member("prefixLength", "cidr_prefix_length", [Cidr], CelType.Int, a => new IntValue(Block(a[0]).Length));
        library.Member("masked", "cidr_masked", [Cidr], Cidr, a => new CidrValue(Block(a[0]).Masked));

        void Test(string name, string id, Func<NetworkAddress, bool> holds) =>
            library.Member(name, id, [Ip], CelType.Bool, a => BoolValue.Of(holds(Address(a[0]))));
    }

    private static NetworkAddress Address(CelValue value) => ((IpValue)value).Value;

    private static NetworkBlock Block(CelValue value) => ((CidrValue)value).Value;

    private static CelValue ContainsIp(CelValue block, CelValue ip) => ip is IpValue address ? BoolValue.Of(Block(block).Contains(address.Value)) : ip;

    private static CelValue ContainsCidr(CelValue block, CelValue other) =>
        other is CidrValue inner
            ? BoolValue.Of(Block(block).Length <= inner.Value.Length && Block(block).Contains(inner.Value.Address))
            : other;

    private static CelValue ParseIp(string text)
    {
        if (NetworkAddress.Parse(text, out var address, out var zone) is { } error)
            return new ErrorValue($"IP Address {Display.Quote(text)} parse error during conversion from string: {error}");
        if (zone)
            return new ErrorValue($"IP address {Display.Quote(text)} with zone value is not allowed");
        return address.IsMappedV4 ? new ErrorValue($"IPv4-mapped IPv6 address {Display.Quote(text)} is not allowed") : new IpValue(address);
    }

    private static CelValue ParseCidr(string text)
    {
        const string Context = "network address parse error during conversion from string: ";
        if (NetworkBlock.Parse(text, out var block) is { } error)
            return new ErrorValue(Context + Context + error);
        return block.Address.IsMappedV4 ? new ErrorValue($"{Context}IPv4-mapped IPv6 address {Display.Quote(text)} is not allowed") : new CidrValue(block);
    }
}

internal sealed class IpValue(NetworkAddress value) : OpaqueValue
{
    public NetworkAddress Value { get; } = value;
    public override CelType Type => NetworkLibrary.Ip;
    internal override long? Size => Value.IsV4 ? 4 : 16;

    internal override bool IsEqualTo(OpaqueValue other) => other is IpValue ip && ip.Value == Value;
}

internal sealed class CidrValue(NetworkBlock value) : OpaqueValue
{
    public NetworkBlock Value { get; } = value;
    public override CelType Type => NetworkLibrary.Cidr;

    // Bytes of the prefix, rounded up.
    internal override long? Size => (Value.Length + 7) / 8;

    internal override bool IsEqualTo(OpaqueValue other) => other is CidrValue cidr && cidr.Value == Value;
}
