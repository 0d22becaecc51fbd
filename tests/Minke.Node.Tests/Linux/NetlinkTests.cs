using System.Buffers.Binary;
using FsCheck;
using FsCheck.Fluent;
using Minke.Node.Linux;
using Minke.Node.Network;

namespace Minke.Node.Tests.Linux;

public sealed class NetlinkTests
{
    private static readonly byte[] SomeAddress = Convert.FromHexString("0a580a2a0005");

    [Fact]
    public void A_request_is_header_structure_and_aligned_attributes()
    {
        var batch = new NetlinkBatch("mk0").SetUp("mk0");
        batch.Close();
        Assert.Equal(
            "28000000" + "1000" + "0500" + "01000000" + "00000000" // length, RTM_NEWLINK, REQUEST|ACK, sequence, port
            + "00000000" + "00000000" + "01000000" + "01000000" // ifinfomsg: any, no index, IFF_UP of IFF_UP
            + "0800" + "0300" + "6d6b3000", // IFLA_IFNAME "mk0\0"
            Convert.ToHexStringLower(batch.Bytes));
    }

    [Fact]
    public void An_attribute_is_padded_to_four_bytes_but_does_not_count_them()
    {
        var batch = new NetlinkBatch("eth0").SetUp("eth0");
        batch.Close();
        Assert.EndsWith("0900" + "0300" + "6574683000" + "000000", Convert.ToHexStringLower(batch.Bytes), StringComparison.Ordinal);
        Assert.Equal(batch.Bytes.Length, BinaryPrimitives.ReadInt32LittleEndian(batch.Bytes));
    }

    [Fact]
    public void Nested_attributes_contain_what_was_written_inside()
    {
        var batch = new NetlinkBatch("mk0").NoLinkLocal("mk0");
        batch.Close();
        Assert.EndsWith(
            "1000" + "1a80" + "0c00" + "0a80" + "0500" + "0800" + "01000000", // AF_SPEC { AF_INET6 { ADDR_GEN_MODE none } }
            Convert.ToHexStringLower(batch.Bytes), StringComparison.Ordinal);
    }

    [Fact]
    public void Requests_follow_each_other_with_rising_sequence_numbers()
    {
        var batch = new NetlinkBatch("10.0.0.5").AddNeighbour(7, Ipv4.Parse("10.0.0.5"), SomeAddress).DeleteNeighbour(7, Ipv4.Parse("10.0.0.5"));
        batch.Close();
        var reader = new NetlinkReader(batch.Bytes);
        Assert.True(reader.MoveNext());
        Assert.Equal((Netlink.RTM_NEWNEIGH, 1u), (reader.Current.Type, reader.Current.Sequence));
        Assert.True(reader.Current.Attributes(12).TryFind(Netlink.NDA_LLADDR, out var hardwareAddress));
        Assert.Equal(SomeAddress, hardwareAddress.ToArray());
        Assert.True(reader.MoveNext());
        Assert.Equal((Netlink.RTM_DELNEIGH, 2u), (reader.Current.Type, reader.Current.Sequence));
        Assert.False(reader.MoveNext());
        Assert.Equal("delete neighbour 10.0.0.5", batch.Attempt(2));
    }

    [Fact]
    public void A_refusal_says_what_the_kernel_said()
    {
        // NLMSG_ERROR, capped: the number, the request's header, then attributes.
        var message = new byte[16 + 4 + 16 + 4 + 8];
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), Netlink.NLMSG_ERROR);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(6), Netlink.NLM_F_CAPPED | Netlink.NLM_F_ACK_TLVS);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(16), -Errno.EBUSY);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(36), 12);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(38), Netlink.NLMSGERR_ATTR_MSG);
        "too many"u8.CopyTo(message.AsSpan(40));
        var reader = new NetlinkReader(message);
        Assert.True(reader.MoveNext());
        Assert.Equal((Errno.EBUSY, "too many"), reader.Current.ReadAcknowledgement());
    }

    [Fact]
    public void Whatever_arrives_is_read_without_harm() =>
        Prop.ForAll<byte[]>(bytes =>
        {
            Walk(bytes);
            return true;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_message_changed_anywhere_or_cut_anywhere_is_read_without_harm()
    {
        var batch = new NetlinkBatch("x").AddBridge("x", SomeAddress, 1500, "alias", hasIpv6: true).AddAddress(3, Ipv4.Parse("10.0.0.1"), 24)
            .AddRoute(3, Ipv4Range.Parse("10.0.0.0/8"), Ipv4.Parse("10.0.0.1")).AddForwardingEntry(4, SomeAddress);
        batch.Close();
        var good = batch.Bytes.ToArray();
        Prop.ForAll(
            Arb.From(Gen.Choose(0, good.Length - 1)), Arb.From(Gen.Choose(0, 255)), Arb.From(Gen.Choose(0, good.Length)),
            (place, value, length) =>
            {
                var changed = (byte[])good.Clone();
                changed[place] = (byte)value;
                Walk(changed.AsSpan(0, length));
                return true;
            }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    private static void Walk(ReadOnlySpan<byte> bytes)
    {
        var reader = new NetlinkReader(bytes);
        while (reader.MoveNext())
        {
            _ = reader.Current.ReadAcknowledgement();
            _ = NetlinkRoute.ReadLink(reader.Current);
            _ = NetlinkRoute.ReadAddress(reader.Current);
            _ = NetlinkRoute.ReadRoute(reader.Current);
            var attributes = reader.Current.Attributes(16);
            while (attributes.MoveNext())
            {
                var nested = new NetlinkAttributes(attributes.Value);
                while (nested.MoveNext())
                    _ = NetlinkAttributes.Text(nested.Value);
            }
        }
    }
}
