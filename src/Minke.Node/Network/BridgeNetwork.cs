using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Minke.Node.Linux;
using Minke.Node.Runtime;

namespace Minke.Node.Network;

/// <summary>
/// The pod network of one node: a bridge, a pair of interfaces a pod, addresses from the node's range, host ports and masquerade in
/// one nftables table. See docs/design/0005-pod-network.md.
/// </summary>
/// <remarks>
/// Namespaces come ready-made from a pool; attaching one writes a record, and no more unless the pod asks for host ports or
/// sysctls. Detaching removes the record and leaves the rest to the sweeper. What exists without a record is nobody's: a crash at
/// any point leaves only that, and the next start sweeps it up.
/// </remarks>
public sealed partial class BridgeNetwork : ISandboxNetwork, IAsyncDisposable
{
    private const int SweepBound = 4096;

    private readonly InstanceNames _names;
    private readonly AttachmentStore _store;
    private readonly PodNamespaces _namespaces;
    private readonly NamespacePool _pool;
    private readonly Nftables _nftables;
    private readonly NetlinkSocket _conntrack;
    private readonly NetlinkSocket _machine;
    private readonly NftablesMonitor _changes;
    private readonly IReadOnlyList<Ipv4Range> _noMasquerade;
    private readonly NamespaceThread _maker;
    private readonly NamespaceThread _sweeper;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    /// <summary>Addresses whose namespaces are to be taken down.</summary>
    private readonly Channel<Ipv4> _condemned = Channel.CreateBounded<Ipv4>(SweepBound);
    private readonly CancellationTokenSource _closing = new();
    private Task<IReadOnlyList<PreparedNamespace>> _filling = Task.FromResult<IReadOnlyList<PreparedNamespace>>([]);
    private Task _sweeping = Task.CompletedTask;
    private Task _guarding = Task.CompletedTask;

    /// <summary>Guards the three collections.</summary>
    private readonly Lock _gate = new();
    private readonly Dictionary<SandboxId, AttachmentRecord> _attachments = [];

    /// <summary>Which sandbox a host port leads to.</summary>
    private readonly Dictionary<HostPortRules.Door, SandboxId> _doors = [];

    /// <summary>Sandboxes whose address may come back to itself through a host port.</summary>
    private readonly HashSet<SandboxId> _hosts = [];

    private BridgeNetwork(
        NetworkOptions options, InstanceNames names, Ipv4Range range, AttachmentStore store, PodNamespaces namespaces, Nftables nftables,
        NetlinkSocket conntrack, NetlinkSocket machine, NftablesMonitor changes, NamespaceThread maker, NamespaceThread sweeper, TimeProvider time, ILogger logger)
    {
        (_names, _store, _namespaces, _nftables, _conntrack, _machine) = (names, store, namespaces, nftables, conntrack, machine);
        (_maker, _sweeper, _time, _logger) = (maker, sweeper, time, logger);
        (_changes, _noMasquerade) = (changes, options.NoMasquerade);
        Range = range;
        _pool = new NamespacePool(cancellationToken => _maker.RunAsync(_namespaces.Make, cancellationToken), options.PoolSize, time, logger);
    }

    /// <summary>The node's range: <c>spec.podCIDR</c>.</summary>
    public Ipv4Range Range { get; }

    /// <summary>The bridge's address, by which pods reach the machine.</summary>
    public Ipv4 Gateway => new(Range.First.Value + 1);

    /// <summary>Name of the bridge.</summary>
    public string BridgeName => _names.Bridge;

    /// <summary>
    /// Brings the network up, or finds it as a former life left it, and begins to fill the pool. Sandboxes stay attached; what
    /// was only prepared is taken down in the background.
    /// </summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    /// <exception cref="InvalidOperationException">No range is free, or it would change under attached sandboxes.</exception>
    public static async Task<BridgeNetwork> OpenAsync(
        NetworkOptions options, TimeProvider time, ILogger<BridgeNetwork> logger, CancellationToken cancellationToken)
    {
        var names = InstanceNames.Of(options.Instance);
        var store = new AttachmentStore(options.StateDirectory);
        var undo = new Stack<Func<ValueTask>>();
        try
        {
            var maker = new NamespaceThread("minke-net-make", options.HostNamespacePath);
            undo.Push(maker.DisposeAsync);
            var sweeper = new NamespaceThread("minke-net-sweep", options.HostNamespacePath);
            undo.Push(sweeper.DisposeAsync);
            var network = await maker.RunAsync(() => Open(options, names, store, maker, sweeper, time, logger), cancellationToken);
            network.Start();
            return network;
        }
        catch
        {
            while (undo.TryPop(out var step))
                await step();
            throw;
        }
    }

    /// <summary>
    /// Takes down everything of an instance, whether or not a process of it runs: interfaces, pins, table, records; restores what
    /// was set on the machine. Nothing may be open. It may be run twice, and it goes on past failures.
    /// </summary>
    /// <exception cref="AggregateException">What could not be removed.</exception>
    public static async Task DestroyAsync(NetworkOptions options, CancellationToken cancellationToken)
    {
        var names = InstanceNames.Of(options.Instance);
        var failures = new List<Exception>();
        await using (var thread = new NamespaceThread("minke-net-down", options.HostNamespacePath))
        {
            await thread.RunAsync(
                () =>
                {
                    var pins = PinsOf(options);
                    Try(() =>
                    {
                        foreach (var pin in Directory.Exists(pins) ? Directory.GetFiles(pins) : [])
                            Try(() => NetworkNamespace.Unpin(pin));
                    });
                    Try(() =>
                    {
                        using var socket = NetlinkSocket.Open(Netlink.NETLINK_ROUTE);
                        HostBridge.Remove(names, socket);
                    });
                    Try(() =>
                    {
                        using var nftables = Nftables.Open();
                        ForeignFirewall.Remove(nftables, names);
                        nftables.Run(HostPortRules.DeleteTable(names), $"delete nftables table {names.Table}");
                    });
                    Try(() => NetworkNamespace.RemovePinDirectory(pins));
                    Try(new AttachmentStore(options.StateDirectory).Destroy);
                    Try(() =>
                    {
                        if (Directory.Exists(options.StateDirectory) && !Directory.EnumerateFileSystemEntries(options.StateDirectory).Any())
                            Directory.Delete(options.StateDirectory);
                    });
                },
                cancellationToken);
        }
        if (failures.Count > 0)
            throw new AggregateException($"take down the pod network {names.Bridge}", failures);

        void Try(Action step)
        {
            try
            {
                step();
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or DllNotFoundException)
            {
                failures.Add(exception);
            }
        }
    }

    public async Task<NetworkAttachment> AttachAsync(SandboxNetworkRequest request, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_attachments.TryGetValue(request.Sandbox, out var existing))
                return AttachmentOf(existing);
        }
        try
        {
            var prepared = await _pool.TakeAsync(cancellationToken);
            return await AttachAsync(request, prepared, cancellationToken);
        }
        catch (AddressesExhaustedException)
        {
            // The words people search for: those of the host-local address plugin.
            throw new RuntimeException(
                $"setup network for pod {request.Namespace}/{request.Name}: no IP addresses available in range {Range}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new RuntimeException($"setup network for pod {request.Namespace}/{request.Name}: {exception.Message}", exception);
        }
    }

    public async Task DetachAsync(SandboxId sandbox, CancellationToken cancellationToken)
    {
        AttachmentRecord? record;
        lock (_gate)
        {
            if (!_attachments.TryGetValue(sandbox, out record))
                return;
        }
        try
        {
            _store.Remove(sandbox);
            CloseDoors(record);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new RuntimeException($"tear down network of pod {record.Namespace}/{record.Name}: {exception.Message}", exception);
        }
        lock (_gate)
        {
            // Somebody else was faster: the address may already be another pod's.
            if (!_attachments.Remove(sandbox))
                return;
        }

        // Past this point there is no way back, so no cancellation either.
        await _condemned.Writer.WriteAsync(record.Ip, CancellationToken.None);
    }

    public Task<IReadOnlyList<NetworkAttachment>> ListAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return Task.FromResult<IReadOnlyList<NetworkAttachment>>(
                [.. _attachments.Values.OrderBy(record => record.Sandbox.Value, StringComparer.Ordinal).Select(AttachmentOf)]);
        }
    }

    public async Task RecoverAsync(IReadOnlySet<SandboxId> known, CancellationToken cancellationToken)
    {
        SandboxId[] unknown;
        lock (_gate)
            unknown = [.. _attachments.Keys.Where(sandbox => !known.Contains(sandbox)).OrderBy(sandbox => sandbox.Value, StringComparer.Ordinal)];
        foreach (var sandbox in unknown)
        {
            LogUnknown(sandbox);
            await DetachAsync(sandbox, cancellationToken);
        }
    }

    /// <summary>Stops, leaving attached sandboxes as they are. What was only prepared is taken down.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_closing.IsCancellationRequested)
            return;
        await _closing.CancelAsync();
        foreach (var unused in await _filling)
            await _condemned.Writer.WriteAsync(unused.Address);
        _condemned.Writer.Complete();
        await _sweeping;
        await _guarding;
        await _maker.DisposeAsync();
        await _sweeper.DisposeAsync();
        _namespaces.Dispose();
        _nftables.Dispose();
        _conntrack.Dispose();
        _changes.Dispose();
        _closing.Dispose();
    }

    private static string PinsOf(NetworkOptions options) => Path.Combine(options.StateDirectory, "netns");

    /// <summary>Runs on the maker's thread, in the machine's namespace: sockets opened here stay there.</summary>
    private static BridgeNetwork Open(
        NetworkOptions options, InstanceNames names, AttachmentStore store, NamespaceThread maker, NamespaceThread sweeper,
        TimeProvider time, ILogger logger)
    {
        var undo = new Stack<IDisposable>();
        try
        {
            store.Create();
            NetworkNamespace.MakePinDirectory(PinsOf(options));

            // Newest first: where two claim a host port, it is the newer one's.
            List<AttachmentRecord> records = [.. store.ReadAll().OrderByDescending(record => record.AttachedAt)];
            var makerSocket = NetlinkSocket.Open(Netlink.NETLINK_ROUTE);
            undo.Push(makerSocket);
            var sweeperSocket = NetlinkSocket.Open(Netlink.NETLINK_ROUTE);
            undo.Push(sweeperSocket);
            var nftables = Nftables.Open();
            undo.Push(nftables);
            var conntrack = NetlinkSocket.Open(Netlink.NETLINK_NETFILTER);
            undo.Push(conntrack);
            var changes = NftablesMonitor.Open();
            undo.Push(changes);

            var (bridge, range, mtu) = HostBridge.Ensure(options, names, makerSocket, store, records.Count > 0);
            var namespaces = new PodNamespaces(
                names, PinsOf(options), bridge.Index, mtu, new AddressAllocator(range), makerSocket, sweeperSocket, logger);
            var network = new BridgeNetwork(options, names, range, store, namespaces, nftables, conntrack, makerSocket, changes, maker, sweeper, time, logger);
            network.TakeOver(records, makerSocket);
            network.SetUpTable();
            ForeignFirewall.Ensure(nftables, names);
            return network;
        }
        catch
        {
            while (undo.TryPop(out var resource))
                resource.Dispose();
            throw;
        }
    }

    /// <summary>Takes the addresses of records and of leftovers; the latter are swept.</summary>
    private void TakeOver(List<AttachmentRecord> records, NetlinkSocket socket)
    {
        foreach (var record in records)
        {
            _attachments.Add(record.Sandbox, record);
            _namespaces.TakeAddress(record.Ip);
            foreach (var (door, _) in HostPortRules.DoorsOf(record.HostPorts))
            {
                _doors.TryAdd(door, record.Sandbox);
                _hosts.Add(record.Sandbox);
            }
        }
        var owned = records.Select(record => record.Ip).ToHashSet();
        var pinned = Directory.EnumerateFiles(Path.GetDirectoryName(_namespaces.PinOf(Range.First))!)
            .Select(path => Ipv4.TryParse(Path.GetFileName(path), out var address) ? address : (Ipv4?)null);
        var linked = socket.ListLinks().Select(link => _names.AddressOfPort(Range, link.Name));
        foreach (var leftover in pinned.Concat(linked).OfType<Ipv4>().Where(address => !owned.Contains(address)).Distinct().Order())
        {
            _namespaces.TakeAddress(leftover);
            _condemned.Writer.TryWrite(leftover);
        }
        if (records is [var latest, ..])
            _namespaces.ContinueAfter(latest.Ip);
    }

    private void Start()
    {
        _sweeping = SweepAsync();
        _filling = _pool.RunAsync(_closing.Token);
        _guarding = GuardAsync(_closing.Token);
    }

    private void SetUpTable()
    {
        lock (_gate)
        {
            // Newest first: where two claim a host port, it is the newer one's.
            var records = _attachments.Values.OrderByDescending(record => record.AttachedAt).ThenBy(record => record.Sandbox.Value, StringComparer.Ordinal);
            _nftables.Run(HostPortRules.Table(_names, Range, _noMasquerade, records), $"set up nftables table {_names.Table}");
        }
    }

    private async Task<NetworkAttachment> AttachAsync(
        SandboxNetworkRequest request, PreparedNamespace prepared, CancellationToken cancellationToken)
    {
        var record = new AttachmentRecord
        {
            Sandbox = request.Sandbox,
            Namespace = request.Namespace,
            Name = request.Name,
            Uid = request.Uid,
            Address = prepared.Address.ToString(),
            AttachedAt = _time.GetUtcNow(),
            HostPorts = [.. request.PortMappings.Where(mapping => mapping.HostPort > 0)],
        };
        lock (_gate)
        {
            if (!_attachments.TryAdd(request.Sandbox, record))
            {
                _pool.Put(prepared);
                return AttachmentOf(_attachments[request.Sandbox]);
            }
        }
        try
        {
            _store.Write(record);
            await ApplySysctlsAsync(request, prepared, cancellationToken);
            OpenDoors(record);
            return AttachmentOf(record);
        }
        catch
        {
            await DetachAsync(request.Sandbox, CancellationToken.None);
            throw;
        }
    }

    private NetworkAttachment AttachmentOf(AttachmentRecord record) =>
        new() { Sandbox = record.Sandbox, NamespacePath = _namespaces.PinOf(record.Ip), Ips = [record.Address] };

    private async Task ApplySysctlsAsync(SandboxNetworkRequest request, PreparedNamespace prepared, CancellationToken cancellationToken)
    {
        var sysctls = request.Sysctls.Where(sysctl => NetworkSysctls.IsNetwork(sysctl.Key)).OrderBy(sysctl => sysctl.Key, StringComparer.Ordinal).ToList();
        if (sysctls.Count == 0)
            return;
        await _maker.RunInAsync(
            prepared.Path,
            () =>
            {
                foreach (var (name, value) in sysctls)
                    NetworkSysctls.Write(name, value);
                return true;
            },
            cancellationToken);
    }

    /// <summary>
    /// The scheduler keeps two pods from asking for the same door, but the former owner may still be on its way out: the door then
    /// turns to the new one.
    /// </summary>
    private void OpenDoors(AttachmentRecord record)
    {
        var doors = HostPortRules.DoorsOf(record.HostPorts);
        if (doors.Count == 0)
            return;
        lock (_gate)
        {
            var taken = doors.Select(entry => entry.Door).Where(_doors.ContainsKey).ToList();
            _nftables.Run(
                HostPortRules.Open(_names, record.Ip, doors, taken), $"open host ports of pod {record.Namespace}/{record.Name}");
            foreach (var (door, _) in doors)
                _doors[door] = record.Sandbox;
            _hosts.Add(record.Sandbox);
        }
        ForgetUdp(doors);
    }

    private void CloseDoors(AttachmentRecord record)
    {
        lock (_gate)
        {
            if (!_hosts.Contains(record.Sandbox))
                return;
            var doors = HostPortRules.DoorsOf(record.HostPorts).Select(entry => entry.Door)
                .Where(door => _doors.GetValueOrDefault(door) == record.Sandbox).ToList();
            _nftables.Run(HostPortRules.Close(_names, record.Ip, doors), $"close host ports of pod {record.Namespace}/{record.Name}");
            foreach (var door in doors)
                _doors.Remove(door);
            _hosts.Remove(record.Sandbox);
        }
        ForgetUdp(HostPortRules.DoorsOf(record.HostPorts), record.Ip);
    }

    /// <summary>
    /// Makes clients that never stop sending datagrams notice that a door opened, or, with the address of its pod, closed.
    /// </summary>
    private void ForgetUdp(IReadOnlyList<(HostPortRules.Door Door, int ContainerPort)> doors, Ipv4? closedPod = null)
    {
        var batch = new NetlinkBatch("a host port");
        foreach (var (door, containerPort) in doors.Where(entry => entry.Door.Protocol == "udp"))
        {
            if (closedPod is { } pod)
                batch.ForgetUdpServedBy(pod, containerPort);
            else if (door.HostIp is { } hostIp)
                batch.ForgetUdpTo(hostIp, door.Port);
            else
                _machine.ListAddresses().ForEach(own => batch.ForgetUdpTo(own.Address, door.Port));
        }
        if (batch.Count > 0 && _conntrack.TryExecute(batch) is { Errno: not Errno.ENOENT } failure)
            LogForgetFailed(failure);
    }

    /// <summary>Takes down what is condemned, as much at a time as there is.</summary>
    private async Task SweepAsync()
    {
        var reader = _condemned.Reader;
        while (await reader.WaitToReadAsync())
        {
            var batch = new List<Ipv4>();
            while (reader.TryRead(out var address))
                batch.Add(address);
            try
            {
                await _sweeper.RunAsync(() => _namespaces.Destroy(batch));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                LogSweepFailed(exception, batch.Count);
            }
            _pool.AddressFreed();
        }
    }

    /// <summary>
    /// Puts our rules back when somebody takes them away: reloading a firewall often begins with flushing every table there is.
    /// </summary>
    private async Task GuardAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await _changes.WaitAsync(cancellationToken);
                try
                {
                    if (_nftables.TryList($"list table ip {_names.Table}") is null)
                    {
                        SetUpTable();
                        LogTableRestored(_names.Table);
                    }
                    if (ForeignFirewall.Ensure(_nftables, _names))
                        LogLetThrough(_names.Bridge);
                }
                catch (LinuxException exception)
                {
                    LogGuardFailed(exception);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    [LoggerMessage(LogLevel.Warning, "Somebody removed nftables table {Table}; it is back, with every open host port")]
    private partial void LogTableRestored(string table);

    [LoggerMessage(LogLevel.Information, "The machine's firewall drops forwarded packets; those of {Bridge} are let through")]
    private partial void LogLetThrough(string bridge);

    [LoggerMessage(LogLevel.Warning, "Rules of the pod network could not be restored; the next change of the firewall is the next try")]
    private partial void LogGuardFailed(Exception exception);

    [LoggerMessage(LogLevel.Information, "Network of sandbox {Sandbox}, which no longer exists, is taken down")]
    private partial void LogUnknown(SandboxId sandbox);

    [LoggerMessage(LogLevel.Warning, "Clients sending datagrams to a host port may still reach the pod that had it before")]
    private partial void LogForgetFailed(Exception exception);

    [LoggerMessage(LogLevel.Warning, "{Count} network namespaces could not be taken down; the next start tries again")]
    private partial void LogSweepFailed(Exception exception, int count);
}
