using System.Globalization;
using Minke.Node.Linux;

namespace Minke.Node.Network;

/// <summary>
/// The bridge of one instance and what else the machine needs once: the range, forwarding, the nftables table. All of it must be
/// called in the machine's namespace.
/// </summary>
internal static class HostBridge
{
    private const int DefaultMtu = 1500;
    private const string AliasPrefix = "minke";

    /// <summary>
    /// Finds or makes the bridge. The range is the one kept in <paramref name="store"/>, the configured one, or one nobody on the
    /// machine uses; choosing and taking it are one step among all instances of the machine.
    /// </summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    /// <exception cref="InvalidOperationException">No range is free, or it would change under attached sandboxes.</exception>
    internal static (LinkInfo Bridge, Ipv4Range Range, int Mtu) Ensure(
        NetworkOptions options, InstanceNames names, NetlinkSocket socket, AttachmentStore store, bool hasAttachments)
    {
        using var turn = NetworkNamespace.Lock();
        var kept = store.ReadRange();
        if (kept is { } before && options.PodRange is { } configured && before != configured)
        {
            if (hasAttachments)
                throw new InvalidOperationException($"the pod range was {before} and is now to be {configured}, but sandboxes are attached: remove them first");
            Remove(names, socket);
            kept = null;
        }
        var existing = socket.FindLink(names.Bridge);
        var range = kept ?? options.PodRange ?? ChooseRange(options, names, socket);
        if (kept is null)
            store.WriteRange(range);
        var mtu = UplinkMtu(socket);
        var gateway = new AddressAllocator(range).Gateway;
        if (existing is null)
        {
            var batch = new NetlinkBatch(names.Bridge).AddBridge(
                names.Bridge, MacAddress.Of(gateway), mtu, AliasOf(ForwardingBefore(socket)), hasIpv6: Directory.Exists("/proc/sys/net/ipv6"));
            socket.Execute(batch);
            existing = socket.FindLink(names.Bridge) ?? throw new LinuxException(Errno.ENODEV, $"find bridge {names.Bridge} just made");
        }
        socket.Execute(
            new NetlinkBatch(names.Bridge)
                .SetUp(names.Bridge)
                .AddAddress(existing.Index, gateway, range.PrefixLength));

        // Lets host ports on 127.0.0.1 lead to pods; HostPortRules keeps pods away from the machine's own loopback.
        NetworkSysctls.Write($"net.ipv4.conf.{names.Bridge}.route_localnet", "1");
        if (NetworkSysctls.Read(NetworkSysctls.IpForward) != "1")
            NetworkSysctls.Write(NetworkSysctls.IpForward, "1");
        return (existing, range, mtu);
    }

    /// <summary>Deletes the bridge and every interface of the instance; the last instance restores forwarding.</summary>
    internal static void Remove(InstanceNames names, NetlinkSocket socket)
    {
        var links = socket.ListLinks();
        var bridge = links.Find(link => link.Name == names.Bridge);
        var batch = new NetlinkBatch(names.Bridge);
        if (bridge is not null)
            batch.DeleteLink(names.Bridge);

        // Ports first known by name: a group number could be somebody else's too.
        foreach (var port in links.Where(link => names.IsPort(link.Name)))
            batch.SetGroup(port.Name, names.DyingGroup);
        batch.DeleteGroup(names.DyingGroup);
        if (socket.TryExecute(batch) is { Errno: not Errno.ENODEV } failure)
            throw failure;

        var others = links.Exists(link => link.Name != names.Bridge && ForwardingInAlias(link) is not null);
        if (bridge is not null && ForwardingInAlias(bridge) is { } before && !others && NetworkSysctls.Read(NetworkSysctls.IpForward) != before)
            NetworkSysctls.Write(NetworkSysctls.IpForward, before);
    }

    /// <summary>MTU of the interface the default route leaves by; 1500 without one.</summary>
    private static int UplinkMtu(NetlinkSocket socket)
    {
        var uplink = socket.ListRoutes().Find(route => route.Destination.PrefixLength == 0 && route.LinkIndex != 0);
        return uplink is not null && socket.ListLinks().Find(link => link.Index == uplink.LinkIndex) is { Mtu: > 0 } link ? link.Mtu : DefaultMtu;
    }

    private static Ipv4Range ChooseRange(NetworkOptions options, InstanceNames names, NetlinkSocket socket)
    {
        var own = socket.FindLink(names.Bridge)?.Index ?? -1;
        var used = socket.ListAddresses().Where(address => address.LinkIndex != own).Select(address => address.Block)
            .Concat(socket.ListRoutes().Where(route => route.LinkIndex != own && route.Destination.PrefixLength > 0).Select(route => route.Destination))
            .ToList();
        return options.ChooseFrom.FirstFree(options.ChosenPrefixLength, used)
            ?? throw new InvalidOperationException(
                string.Create(CultureInfo.InvariantCulture, $"no /{options.ChosenPrefixLength} of {options.ChooseFrom} is free for pods: the machine uses all of it"));
    }

    /// <summary>
    /// What <c>ip_forward</c> was before the first instance came. It is kept in the alias of each bridge: there it lasts exactly as
    /// long as it matters, and every later instance finds it.
    /// </summary>
    private static string ForwardingBefore(NetlinkSocket socket) =>
        socket.ListLinks().Select(ForwardingInAlias).FirstOrDefault(value => value is not null) ?? NetworkSysctls.Read(NetworkSysctls.IpForward);

    private static string AliasOf(string forwardingBefore) => $"{AliasPrefix} {NetworkSysctls.IpForward}={forwardingBefore}";

    private static string? ForwardingInAlias(LinkInfo link) =>
        link.Name.StartsWith(InstanceNames.BridgePrefix, StringComparison.Ordinal) && link.Alias.StartsWith(AliasOf(""), StringComparison.Ordinal)
            && link.Alias[AliasOf("").Length..] is ("0" or "1")
            ? link.Alias[^1..]
            : null;
}
