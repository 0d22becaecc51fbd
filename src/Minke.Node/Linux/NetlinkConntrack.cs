using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Minke.Node.Network;

namespace Minke.Node.Linux;

/// <summary>
/// Forgets tracked connections. UDP has no end the kernel could see: as long as a client goes on sending, it goes on to where its
/// first packet went, whatever the rules say now.
/// </summary>
/// <remarks>
/// Deleting by filter (linux/netfilter/nfnetlink_conntrack.h, <c>CTA_FILTER</c>) is Linux 5.8; the kernel walks its table once.
/// </remarks>
internal static class NetlinkConntrack
{
    private const ushort DeleteType = (1 << 8) | 2; // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
    private const byte IPPROTO_UDP = 17;
    private const ushort CTA_TUPLE_ORIG = 1;
    private const ushort CTA_TUPLE_REPLY = 2;
    private const ushort CTA_FILTER = 25;
    private const ushort CTA_TUPLE_IP = 1;
    private const ushort CTA_TUPLE_PROTO = 2;
    private const ushort CTA_IP_V4_SRC = 1;
    private const ushort CTA_IP_V4_DST = 2;
    private const ushort CTA_PROTO_NUM = 1;
    private const ushort CTA_PROTO_SRC_PORT = 2;
    private const ushort CTA_PROTO_DST_PORT = 3;
    private const ushort CTA_FILTER_ORIG_FLAGS = 1;
    private const ushort CTA_FILTER_REPLY_FLAGS = 2;

    // What of a tuple is compared; the kernel's net/netfilter/nf_internals.h.
    private const uint CTA_FILTER_F_CTA_IP_SRC = 1 << 0;
    private const uint CTA_FILTER_F_CTA_IP_DST = 1 << 1;
    private const uint CTA_FILTER_F_CTA_PROTO_NUM = 1 << 3;
    private const uint CTA_FILTER_F_CTA_PROTO_SRC_PORT = 1 << 4;
    private const uint CTA_FILTER_F_CTA_PROTO_DST_PORT = 1 << 5;

    /// <summary>Forgets UDP connections made to a destination, wherever they were led.</summary>
    internal static NetlinkBatch ForgetUdpTo(this NetlinkBatch batch, Ipv4 destination, int port) => batch.Forget(
        CTA_TUPLE_ORIG, CTA_IP_V4_DST, destination, CTA_PROTO_DST_PORT, port,
        CTA_FILTER_ORIG_FLAGS, CTA_FILTER_F_CTA_IP_DST | CTA_FILTER_F_CTA_PROTO_NUM | CTA_FILTER_F_CTA_PROTO_DST_PORT);

    /// <summary>Forgets UDP connections that were led to a server, under whatever address it was called.</summary>
    internal static NetlinkBatch ForgetUdpServedBy(this NetlinkBatch batch, Ipv4 server, int port) => batch.Forget(
        CTA_TUPLE_REPLY, CTA_IP_V4_SRC, server, CTA_PROTO_SRC_PORT, port,
        CTA_FILTER_REPLY_FLAGS, CTA_FILTER_F_CTA_IP_SRC | CTA_FILTER_F_CTA_PROTO_NUM | CTA_FILTER_F_CTA_PROTO_SRC_PORT);

    private static NetlinkBatch Forget(
        this NetlinkBatch batch, ushort tuple, ushort addressType, Ipv4 address, ushort portType, int port, ushort flagsType, uint flags)
    {
        Span<byte> portBytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(portBytes, (ushort)port);
        batch.Begin("forget UDP connections of", DeleteType, 0, new NetfilterMessage { Family = Netlink.AF_INET });
        var whole = batch.BeginNested(tuple);
        var ip = batch.BeginNested(CTA_TUPLE_IP);
        batch.Attribute(addressType, address.ToBytes()).EndNested(ip);
        var protocol = batch.BeginNested(CTA_TUPLE_PROTO);
        batch.Attribute(CTA_PROTO_NUM, IPPROTO_UDP).Attribute(portType, portBytes).EndNested(protocol).EndNested(whole);
        var filter = batch.BeginNested(CTA_FILTER);
        return batch.Attribute(flagsType, flags).EndNested(filter);
    }

    /// <summary>struct nfgenmsg.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private record struct NetfilterMessage
    {
        public byte Family;
        public byte Version;
        public ushort ResourceId;
    }
}
