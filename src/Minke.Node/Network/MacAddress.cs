namespace Minke.Node.Network;

/// <summary>
/// Hardware addresses follow from IP addresses. So a neighbour entry is never stale: whoever gets an address next has the same
/// hardware address, and nobody ever has to ask for it (entries are permanent, no ARP is needed).
/// </summary>
internal static class MacAddress
{
    /// <summary>Locally administered, unicast; the prefix common among network plugins.</summary>
    internal static byte[] Of(Ipv4 address) => [0x0a, 0x58, .. address.ToBytes()];

    /// <summary>The machine's end of a pod's pair. A bridge takes the lowest of its ports' addresses unless given one, so it is given one.</summary>
    internal static byte[] OfPort(Ipv4 address) => [0x0e, 0x58, .. address.ToBytes()];
}
