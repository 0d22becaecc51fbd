using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Minke.Server.Services;

/// <summary>Which addresses and node ports Services may have. Upstream's <c>--service-cluster-ip-range</c> and <c>--service-node-port-range</c>.</summary>
public sealed record ServiceNetwork
{
    public IPNetwork Addresses { get; init; } = new(IPAddress.Parse("10.96.0.0"), 12);
    public int FirstNodePort { get; init; } = 30000;
    public int LastNodePort { get; init; } = 32767;

    /// <summary>The first address after the network's own: that of the API server's Service.</summary>
    public IPAddress First => At(Base + 1);

    internal uint Base => BinaryPrimitives.ReadUInt32BigEndian(Addresses.BaseAddress.GetAddressBytes());

    /// <summary>Without the network's own address and that of broadcasts.</summary>
    internal long Count => (1L << (32 - Addresses.PrefixLength)) - 2;

    internal static IPAddress At(long number)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)number);
        return new IPAddress(bytes);
    }

    internal static long? NumberOf(string text) => IPAddress.TryParse(text, out var address) && address.AddressFamily == AddressFamily.InterNetwork
        ? BinaryPrimitives.ReadUInt32BigEndian(address.GetAddressBytes()) : null;
}
