using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Minke.Node.Linux;

namespace Minke.Node.Network;

/// <summary>A namespace with everything in it, that is nobody's yet.</summary>
internal sealed record PreparedNamespace(string Path, Ipv4 Address);

/// <summary>
/// Makes and unmakes pods' namespaces: the pin, the pair of interfaces, addresses, routes and neighbours. Both run on threads of
/// their own, so taking down never delays making.
/// </summary>
internal sealed partial class PodNamespaces : IDisposable
{
    internal const string PodInterface = "eth0";

    private readonly InstanceNames _names;
    private readonly string _pins;
    private readonly int _bridgeIndex;
    private readonly int _mtu;
    private readonly bool _hasIpv6;
    private readonly NetlinkSocket _makerSocket;
    private readonly NetlinkSocket _sweeperSocket;
    private readonly ILogger _logger;

    /// <summary>Guards the allocator.</summary>
    private readonly Lock _gate = new();
    private readonly AddressAllocator _addresses;

    internal PodNamespaces(
        InstanceNames names, string pins, int bridgeIndex, int mtu, AddressAllocator addresses,
        NetlinkSocket makerSocket, NetlinkSocket sweeperSocket, ILogger logger)
    {
        (_names, _pins, _bridgeIndex, _mtu, _addresses) = (names, pins, bridgeIndex, mtu, addresses);
        (_makerSocket, _sweeperSocket, _logger) = (makerSocket, sweeperSocket, logger);
        _hasIpv6 = Directory.Exists("/proc/sys/net/ipv6");
    }

    internal string PinOf(Ipv4 address) => Path.Combine(_pins, address.ToString());

    /// <summary>
    /// Makes a namespace ready for a pod. Null when no address is free. Must be called on a <see cref="NamespaceThread"/>, which
    /// is left inside the namespace.
    /// </summary>
    internal PreparedNamespace? Make()
    {
        Ipv4 address;
        lock (_gate)
        {
            if (_addresses.Take() is not { } free)
                return null;
            address = free;
        }
        var undo = new Stack<Action>();
        undo.Push(() => GiveBack(address));
        try
        {
            var path = PinOf(address);
            NetworkNamespace.EnterNew();
            NetworkNamespace.PinCurrent(path);
            undo.Push(() => NetworkNamespace.Unpin(path));
            foreach (var (name, value) in NetworkSysctls.PodDefaults)
                NetworkSysctls.Write(name, value);

            using var podNamespace = NetworkNamespace.OpenCurrent();
            using var podSocket = NetlinkSocket.Open(Netlink.NETLINK_ROUTE);
            var port = _names.Port(_addresses.Range, address);
            AddPair(address, port, podNamespace);
            undo.Push(() => _makerSocket.TryExecute(new NetlinkBatch(port).DeleteLink(port)));
            ConnectMachine(address, port);
            ConfigurePod(address, podSocket);
            return new PreparedNamespace(path, address);
        }
        catch
        {
            while (undo.TryPop(out var step))
                step();
            throw;
        }
    }

    /// <summary>
    /// Takes namespaces down and gives their addresses back. Deleting the interface, not waiting for the namespace to go, cuts off
    /// processes that may still be inside. Many at once cost the kernel little more than one.
    /// </summary>
    internal void Destroy(IReadOnlyCollection<Ipv4> addresses)
    {
        var links = new NetlinkBatch("");
        foreach (var address in addresses)
        {
            try
            {
                NetworkNamespace.Unpin(PinOf(address));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                LogUnpinFailed(exception, address.ToString());
            }

            // An interface that has gone by itself (its namespace ended) answers "no such device", which is as well.
            links.SetGroup(_names.Port(_addresses.Range, address), _names.DyingGroup).DeleteNeighbour(_bridgeIndex, address);
        }
        links.DeleteGroup(_names.DyingGroup);
        _sweeperSocket.TryExecute(links);
        foreach (var address in addresses)
            GiveBack(address);
    }

    internal void TakeAddress(Ipv4 address)
    {
        lock (_gate)
            _addresses.TryTake(address);
    }

    internal void ContinueAfter(Ipv4 address)
    {
        lock (_gate)
            _addresses.ContinueAfter(address);
    }

    public void Dispose()
    {
        _makerSocket.Dispose();
        _sweeperSocket.Dispose();
    }

    private void GiveBack(Ipv4 address)
    {
        lock (_gate)
            _addresses.Release(address);
    }

    private void AddPair(Ipv4 address, string port, SafeFileHandle podNamespace)
    {
        var batch = PairBatch();
        if (_makerSocket.TryExecute(batch) is { } failure)
        {
            // The interface of a former life of this address. Its owner is gone, or the address would be taken.
            if (failure.Errno != Errno.EEXIST)
                throw failure;
            _makerSocket.TryExecute(new NetlinkBatch(port).DeleteLink(port));
            _makerSocket.Execute(PairBatch());
        }

        NetlinkBatch PairBatch() => new NetlinkBatch(port).AddPair(
            port, MacAddress.OfPort(address), _bridgeIndex, _names.Group, _mtu, PodInterface, MacAddress.Of(address), podNamespace);
    }

    /// <summary>The machine's end. Nothing has to be asked for on the wire: both neighbours and the bridge are told.</summary>
    private void ConnectMachine(Ipv4 address, string port)
    {
        var index = 0;
        var batch = new NetlinkBatch(port).FixPort(port);
        if (_hasIpv6)
            batch.NoLinkLocal(port);
        batch.SetUp(port).GetLink(port);
        _makerSocket.Execute(batch, message => index = NetlinkRoute.ReadLink(message)?.Index ?? index);
        _makerSocket.Execute(
            new NetlinkBatch($"{address} on {port}")
                .AddForwardingEntry(index, MacAddress.Of(address))
                .AddNeighbour(_bridgeIndex, address, MacAddress.Of(address)));
    }

    /// <summary>
    /// The pod's end. Its address has no neighbours (/32): all it sends goes to the bridge's address and through the machine's
    /// rules, also when it is meant for a pod beside it.
    /// </summary>
    private void ConfigurePod(Ipv4 address, NetlinkSocket podSocket)
    {
        var index = 0;
        var batch = new NetlinkBatch($"in the namespace of {address}").SetUp(NetlinkRoute.LoopbackIndex);
        if (_hasIpv6)
            batch.NoLinkLocal(PodInterface);
        batch.SetUp(PodInterface).GetLink(PodInterface);
        podSocket.Execute(batch, message => index = NetlinkRoute.ReadLink(message)?.Index ?? index);

        var gateway = _addresses.Gateway;
        podSocket.Execute(
            new NetlinkBatch($"in the namespace of {address}")
                .AddAddress(index, address, prefixLength: 32)
                .AddNeighbour(index, gateway, MacAddress.Of(gateway))
                .AddRoute(index, new Ipv4Range(gateway, 32), gateway: null)
                .AddRoute(index, new Ipv4Range(default, 0), gateway));
    }

    [LoggerMessage(LogLevel.Warning, "Network namespace of {Address} could not be unpinned; the next start tries again")]
    private partial void LogUnpinFailed(Exception exception, string address);
}
