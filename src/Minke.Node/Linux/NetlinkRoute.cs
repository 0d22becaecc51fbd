using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Minke.Node.Network;
using static Minke.Node.Linux.Netlink;

namespace Minke.Node.Linux;

/// <summary>A network interface as the kernel lists it. <paramref name="Master"/> is the index of its bridge, or 0.</summary>
internal sealed record LinkInfo(int Index, string Name, uint Flags, int Mtu, int Master, string Alias, string HardwareAddress)
{
    internal bool IsUp => (Flags & IFF_UP) != 0;
}

/// <summary>An entry of the main routing table; index 0 for a route without an interface.</summary>
internal sealed record RouteInfo(Ipv4Range Destination, int LinkIndex);

/// <summary>An address of an interface, with the block it is in.</summary>
internal sealed record AddressInfo(Ipv4 Address, Ipv4Range Block, int LinkIndex);

/// <summary>The requests of rtnetlink(7) that the pod network makes, and the lists it reads.</summary>
internal static class NetlinkRoute
{
    /// <summary>Index of loopback, in every namespace.</summary>
    internal const int LoopbackIndex = 1;

    /// <summary>A bridge that forwards at once, learns nothing about multicast and has no address of its own making.</summary>
    internal static NetlinkBatch AddBridge(this NetlinkBatch batch, string name, byte[] hardwareAddress, int mtu, string alias, bool hasIpv6)
    {
        batch.Begin("create bridge", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, new InterfaceMessage())
            .Attribute(IFLA_IFNAME, name)
            .Attribute(IFLA_ADDRESS, hardwareAddress)
            .Attribute(IFLA_MTU, (uint)mtu);
        var info = batch.BeginNested(IFLA_LINKINFO);
        batch.Attribute(IFLA_INFO_KIND, "bridge");
        var data = batch.BeginNested(IFLA_INFO_DATA);
        batch.Attribute(IFLA_BR_FORWARD_DELAY, 0u).Attribute(IFLA_BR_STP_STATE, 0u).Attribute(IFLA_BR_MCAST_SNOOPING, (byte)0);
        batch.EndNested(data).EndNested(info);

        // The kernel takes an alias and an address mode only for a link that exists.
        batch.SetAlias(name, alias);
        return hasIpv6 ? batch.NoLinkLocal(name) : batch;
    }

    internal static NetlinkBatch SetAlias(this NetlinkBatch batch, string name, string alias) =>
        batch.Begin("set alias of", RTM_NEWLINK, 0, new InterfaceMessage()).Attribute(IFLA_IFNAME, name).Attribute(IFLA_IFALIAS, alias);

    internal static NetlinkBatch SetMtu(this NetlinkBatch batch, string name, int mtu) =>
        batch.Begin("set MTU of", RTM_NEWLINK, 0, new InterfaceMessage()).Attribute(IFLA_IFNAME, name).Attribute(IFLA_MTU, (uint)mtu);

    /// <summary>
    /// A pair: one end here as a port of a bridge, the other born in another namespace (moving it there later would cost the
    /// kernel several grace periods).
    /// </summary>
    internal static NetlinkBatch AddPair(
        this NetlinkBatch batch, string name, byte[] hardwareAddress, int bridgeIndex, uint group, int mtu,
        string peerName, byte[] peerHardwareAddress, SafeFileHandle peerNamespace)
    {
        batch.Begin("create interface pair", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, new InterfaceMessage())
            .Attribute(IFLA_IFNAME, name)
            .Attribute(IFLA_ADDRESS, hardwareAddress)
            .Attribute(IFLA_MTU, (uint)mtu)
            .Attribute(IFLA_GROUP, group);
        if (bridgeIndex != 0)
            batch.Attribute(IFLA_MASTER, (uint)bridgeIndex);
        var info = batch.BeginNested(IFLA_LINKINFO);
        batch.Attribute(IFLA_INFO_KIND, "veth");
        var data = batch.BeginNested(IFLA_INFO_DATA);
        var peer = batch.BeginNested(VETH_INFO_PEER);
        batch.Append(new InterfaceMessage())
            .Attribute(IFLA_IFNAME, peerName)
            .Attribute(IFLA_ADDRESS, peerHardwareAddress)
            .Attribute(IFLA_MTU, (uint)mtu)
            .Attribute(IFLA_NET_NS_FD, (uint)peerNamespace.DangerousGetHandle());
        return batch.EndNested(peer).EndNested(data).EndNested(info);
    }

    /// <summary>
    /// Stops a bridge's port from learning addresses and from receiving what is for unknown ones: the addresses behind it are
    /// told (<see cref="AddForwardingEntry"/>), and a pod cannot draw a neighbour's traffic to itself. Hairpin mode is for machines
    /// where bridged packets pass the IP rules (br_netfilter): there a pod's way to its own host port turns round inside the bridge.
    /// </summary>
    internal static NetlinkBatch FixPort(this NetlinkBatch batch, string name)
    {
        batch.Begin("set bridge port", RTM_NEWLINK, 0, new InterfaceMessage()).Attribute(IFLA_IFNAME, name);
        var info = batch.BeginNested(IFLA_LINKINFO);
        batch.Attribute(IFLA_INFO_SLAVE_KIND, "bridge");
        var data = batch.BeginNested(IFLA_INFO_SLAVE_DATA);
        batch.Attribute(IFLA_BRPORT_MODE, (byte)1).Attribute(IFLA_BRPORT_LEARNING, (byte)0).Attribute(IFLA_BRPORT_UNICAST_FLOOD, (byte)0);
        return batch.EndNested(data).EndNested(info);
    }

    /// <summary>
    /// No IPv6 link-local address by itself. Each would set off duplicate address detection, router solicitations and multicast
    /// reports, into every pod.
    /// </summary>
    internal static NetlinkBatch NoLinkLocal(this NetlinkBatch batch, string name)
    {
        batch.Begin("set IPv6 address mode of", RTM_NEWLINK, 0, new InterfaceMessage()).Attribute(IFLA_IFNAME, name);
        var families = batch.BeginNested(IFLA_AF_SPEC);
        var inet6 = batch.BeginNested(AF_INET6);
        batch.Attribute(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
        return batch.EndNested(inet6).EndNested(families);
    }

    internal static NetlinkBatch SetUp(this NetlinkBatch batch, string name) =>
        batch.Begin("bring up", RTM_NEWLINK, 0, new InterfaceMessage { Flags = IFF_UP, Change = IFF_UP }).Attribute(IFLA_IFNAME, name);

    internal static NetlinkBatch SetUp(this NetlinkBatch batch, int index) =>
        batch.Begin("bring up", RTM_NEWLINK, 0, new InterfaceMessage { Index = index, Flags = IFF_UP, Change = IFF_UP });

    internal static NetlinkBatch SetDown(this NetlinkBatch batch, string name) =>
        batch.Begin("bring down", RTM_NEWLINK, 0, new InterfaceMessage { Change = IFF_UP }).Attribute(IFLA_IFNAME, name);

    internal static NetlinkBatch SetGroup(this NetlinkBatch batch, string name, uint group) =>
        batch.Begin("set group of", RTM_NEWLINK, 0, new InterfaceMessage()).Attribute(IFLA_IFNAME, name).Attribute(IFLA_GROUP, group);

    internal static NetlinkBatch DeleteLink(this NetlinkBatch batch, string name) =>
        batch.Begin("delete interface", RTM_DELLINK, 0, new InterfaceMessage()).Attribute(IFLA_IFNAME, name);

    /// <summary>Deletes every interface of a group, for the price of about one.</summary>
    internal static NetlinkBatch DeleteGroup(this NetlinkBatch batch, uint group) =>
        batch.Begin("delete interface group", RTM_DELLINK, 0, new InterfaceMessage()).Attribute(IFLA_GROUP, group);

    internal static NetlinkBatch GetLink(this NetlinkBatch batch, string name) =>
        batch.Begin("read interface", RTM_GETLINK, 0, new InterfaceMessage()).Attribute(IFLA_IFNAME, name);

    internal static NetlinkBatch AddAddress(this NetlinkBatch batch, int linkIndex, Ipv4 address, int prefixLength) =>
        batch.Begin(
                "add address", RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
                new AddressMessage { Family = AF_INET, PrefixLength = (byte)prefixLength, Index = linkIndex })
            .Attribute(IFA_LOCAL, address.ToBytes())
            .Attribute(IFA_ADDRESS, address.ToBytes());

    /// <summary>A route to a block on the link itself, or by way of a gateway.</summary>
    internal static NetlinkBatch AddRoute(this NetlinkBatch batch, int linkIndex, Ipv4Range destination, Ipv4? gateway)
    {
        batch.Begin(
            $"add route to {destination}", RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
            new RouteMessage
            {
                Family = AF_INET,
                DestinationLength = (byte)destination.PrefixLength,
                Table = RT_TABLE_MAIN,
                Protocol = RTPROT_STATIC,
                Scope = gateway is null ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
                Type = RTN_UNICAST,
            });
        if (destination.PrefixLength > 0)
            batch.Attribute(RTA_DST, destination.First.ToBytes());
        if (gateway is { } address)
            batch.Attribute(RTA_GATEWAY, address.ToBytes());
        return batch.Attribute(RTA_OIF, (uint)linkIndex);
    }

    internal static NetlinkBatch AddNeighbour(this NetlinkBatch batch, int linkIndex, Ipv4 address, byte[] hardwareAddress) =>
        batch.Begin(
                "add neighbour", RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE,
                new NeighbourMessage { Family = AF_INET, Index = linkIndex, State = NUD_PERMANENT })
            .Attribute(NDA_DST, address.ToBytes())
            .Attribute(NDA_LLADDR, hardwareAddress);

    internal static NetlinkBatch DeleteNeighbour(this NetlinkBatch batch, int linkIndex, Ipv4 address) =>
        batch.Begin("delete neighbour", RTM_DELNEIGH, 0, new NeighbourMessage { Family = AF_INET, Index = linkIndex })
            .Attribute(NDA_DST, address.ToBytes());

    /// <summary>Tells a bridge which port a hardware address is behind.</summary>
    internal static NetlinkBatch AddForwardingEntry(this NetlinkBatch batch, int portIndex, byte[] hardwareAddress) =>
        batch.Begin(
                "add forwarding entry", RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE,
                new NeighbourMessage { Family = AF_BRIDGE, Index = portIndex, State = NUD_NOARP, Flags = NTF_MASTER })
            .Attribute(NDA_LLADDR, hardwareAddress);

    /// <summary>The interface of a name, or null.</summary>
    internal static LinkInfo? FindLink(this NetlinkSocket socket, string name)
    {
        LinkInfo? found = null;
        var failure = socket.TryExecute(new NetlinkBatch(name).GetLink(name), message => found = ReadLink(message) ?? found);
        return failure is null or { Errno: Errno.ENODEV } ? found : throw failure;
    }

    internal static List<LinkInfo> ListLinks(this NetlinkSocket socket) =>
        socket.List(new NetlinkBatch("").Begin("list interfaces", RTM_GETLINK, NLM_F_DUMP, new InterfaceMessage()), ReadLink);

    /// <summary>IPv4 addresses.</summary>
    internal static List<AddressInfo> ListAddresses(this NetlinkSocket socket) =>
        socket.List(new NetlinkBatch("").Begin("list addresses", RTM_GETADDR, NLM_F_DUMP, new AddressMessage { Family = AF_INET }), ReadAddress);

    /// <summary>IPv4 routes of the main table.</summary>
    internal static List<RouteInfo> ListRoutes(this NetlinkSocket socket) =>
        socket.List(new NetlinkBatch("").Begin("list routes", RTM_GETROUTE, NLM_F_DUMP, new RouteMessage { Family = AF_INET }), ReadRoute);

    private delegate T? Read<T>(NetlinkMessage message) where T : class;

    /// <summary>Everything a dump brings; a dump that was disturbed begins anew.</summary>
    private static List<T> List<T>(this NetlinkSocket socket, NetlinkBatch dump, Read<T> read) where T : class
    {
        var found = new List<T>();
        socket.Dump(dump, Receive, found.Clear);
        return found;

        void Receive(NetlinkMessage message)
        {
            if (read(message) is { } one)
                found.Add(one);
        }
    }

    internal static LinkInfo? ReadLink(NetlinkMessage message)
    {
        if (message.Type != RTM_NEWLINK || !MemoryMarshal.TryRead<InterfaceMessage>(message.Payload, out var header))
            return null;
        var (name, alias, hardwareAddress, mtu, master) = ("", "", "", 0, 0);
        var attributes = message.Attributes(Marshal.SizeOf<InterfaceMessage>());
        while (attributes.MoveNext())
        {
            switch (attributes.Type)
            {
                case IFLA_IFNAME: name = NetlinkAttributes.Text(attributes.Value); break;
                case IFLA_IFALIAS: alias = NetlinkAttributes.Text(attributes.Value); break;
                case IFLA_ADDRESS: hardwareAddress = Convert.ToHexStringLower(attributes.Value); break;
                case IFLA_MTU: mtu = (int)NetlinkAttributes.UInt32(attributes.Value); break;
                case IFLA_MASTER: master = (int)NetlinkAttributes.UInt32(attributes.Value); break;
            }
        }
        return new LinkInfo(header.Index, name, header.Flags, mtu, master, alias, hardwareAddress);
    }

    internal static AddressInfo? ReadAddress(NetlinkMessage message)
    {
        if (message.Type != RTM_NEWADDR || !MemoryMarshal.TryRead<AddressMessage>(message.Payload, out var header)
            || header.Family != AF_INET || header.PrefixLength > 32)
            return null;

        // On a point-to-point link IFA_ADDRESS is the other end; then the block is the other end's.
        var attributes = message.Attributes(Marshal.SizeOf<AddressMessage>());
        if (!attributes.TryFind(IFA_ADDRESS, out var address) || address.Length != 4)
            return null;
        var block = new Ipv4Range(Ipv4.FromBytes(address), header.PrefixLength);
        var own = attributes.TryFind(IFA_LOCAL, out var local) && local.Length == 4 ? local : address;
        return new AddressInfo(Ipv4.FromBytes(own), block, header.Index);
    }

    internal static RouteInfo? ReadRoute(NetlinkMessage message)
    {
        if (message.Type != RTM_NEWROUTE || !MemoryMarshal.TryRead<RouteMessage>(message.Payload, out var header)
            || header.Family != AF_INET || header.DestinationLength > 32)
            return null;
        var (destination, table, link) = (default(Ipv4), (uint)header.Table, 0);
        var attributes = message.Attributes(Marshal.SizeOf<RouteMessage>());
        while (attributes.MoveNext())
        {
            switch (attributes.Type)
            {
                case RTA_DST when attributes.Value.Length == 4: destination = Ipv4.FromBytes(attributes.Value); break;
                case RTA_TABLE: table = NetlinkAttributes.UInt32(attributes.Value); break;
                case RTA_OIF: link = (int)NetlinkAttributes.UInt32(attributes.Value); break;
            }
        }
        return table == RT_TABLE_MAIN ? new RouteInfo(new Ipv4Range(destination, header.DestinationLength), link) : null;
    }

    /// <summary>struct ifinfomsg.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal record struct InterfaceMessage
    {
        public byte Family;
        private readonly byte _padding;
        public ushort Type;
        public int Index;
        public uint Flags;
        public uint Change;
    }

    /// <summary>struct ifaddrmsg.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal record struct AddressMessage
    {
        public byte Family;
        public byte PrefixLength;
        public byte Flags;
        public byte Scope;
        public int Index;
    }

    /// <summary>struct rtmsg.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal record struct RouteMessage
    {
        public byte Family;
        public byte DestinationLength;
        public byte SourceLength;
        public byte TypeOfService;
        public byte Table;
        public byte Protocol;
        public byte Scope;
        public byte Type;
        public uint Flags;
    }

    /// <summary>struct ndmsg.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal record struct NeighbourMessage
    {
        public byte Family;
        private readonly byte _padding1;
        private readonly ushort _padding2;
        public int Index;
        public ushort State;
        public byte Flags;
        public byte Type;
    }
}
