using System.Text;
using Minke.Node.Linux;
using Minke.Node.Network;

namespace Minke.Node.Runtime.Embedded;

/// <content>Sandboxes: namespaces, network, cgroup and the files the containers of a pod share.</content>
public sealed partial class EmbeddedRuntime
{
    private const long DefaultShmBytes = 64 * 1024 * 1024;

    public async Task<SandboxId> RunSandboxAsync(SandboxConfig config, CancellationToken cancellationToken)
    {
        var runtime = _runtimes.Get(config.RuntimeHandler);
        var id = new SandboxId(NewId());
        var name = (config.Uid, config.Attempt);
        lock (_gate)
        {
            if (_sandboxes.Values.Any(other => (other.Record.Config.Uid, other.Record.Config.Attempt) == name) || !_beingMade.Add(name))
                throw new RuntimeException(
                    $"run sandbox of pod {config.Namespace}/{config.Name}: attempt {config.Attempt} of {config.Uid} exists already");
        }
        try
        {
            return await RunSandboxAsync(id, config, runtime, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RuntimeException($"run sandbox of pod {config.Namespace}/{config.Name}: {e.Message}", e);
        }
        finally
        {
            lock (_gate)
                _beingMade.Remove(name);
        }
    }

    public async Task StopSandboxAsync(SandboxId sandbox, CancellationToken cancellationToken)
    {
        if (Find(sandbox) is not { } entry)
            return;
        await entry.Gate.WaitAsync(cancellationToken);
        try
        {
            // First the record: from here on no container is created in it, not even by a later process.
            if (!entry.Record.IsStopped)
            {
                var stopped = entry.Record with { IsStopped = true };
                Save(stopped);
                entry.Record = stopped;
                _events.Publish(new RuntimeEvent(RuntimeEventKind.Exited, sandbox, null));
            }
            await Task.WhenAll(ContainersOf(sandbox).Select(container => KillAsync(container, cancellationToken)));
            await _lanes.RunAsync(() => Each($"stop sandbox {sandbox}", () => StopInit(entry), () => UnpinSandbox(sandbox)));
            if (entry.Record.NetworkNamespace.Length > 0)
                await _network.DetachAsync(sandbox, cancellationToken);
        }
        finally
        {
            entry.Gate.Release();
        }
    }

    public async Task RemoveSandboxAsync(SandboxId sandbox, CancellationToken cancellationToken)
    {
        if (Find(sandbox) is not { } entry)
            return;
        await StopSandboxAsync(sandbox, cancellationToken);
        await Task.WhenAll(ContainersOf(sandbox).Select(container => RemoveContainerAsync(container.Record.Id, cancellationToken)));
        await entry.Gate.WaitAsync(cancellationToken);
        try
        {
            if (Find(sandbox) is null)
                return;
            await _lanes.RunAsync(() => Each($"remove sandbox {sandbox}",
                () => _cgroups.Remove(PodCgroup(entry.Record.Config)),
                () => DeleteDirectory(_files.Shared(sandbox)),
                () => DeleteDirectory(_files.Sandbox(sandbox))));
            lock (_gate)
                _sandboxes.Remove(sandbox);
            SetBurstableShares();
            _events.Publish(new RuntimeEvent(RuntimeEventKind.Removed, sandbox, null));
        }
        finally
        {
            entry.Gate.Release();
        }
    }

    public Task<SandboxStatus?> SandboxStatusAsync(SandboxId sandbox, CancellationToken cancellationToken) =>
        Task.FromResult(Find(sandbox)?.Status);

    public Task<IReadOnlyList<SandboxStatus>> ListSandboxesAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
            return Task.FromResult<IReadOnlyList<SandboxStatus>>(
                [.. _sandboxes.Values.Select(entry => entry.Status).OrderBy(status => status.Id.Value, StringComparer.Ordinal)]);
    }

    private async Task<SandboxId> RunSandboxAsync(
        SandboxId id, SandboxConfig config, OciRuntime runtime, CancellationToken cancellationToken)
    {
        var record = new SandboxRecord { Id = id, Config = config, CreatedAt = _time.GetUtcNow(), BootId = _bootId };
        var ownNetwork = config.Network != NamespaceMode.Node;
        try
        {
            // The network and everything else know nothing of each other: side by side.
            var network = ownNetwork ? AttachAsync(id, config, cancellationToken) : Task.FromResult<NetworkAttachment?>(null);
            await Task.WhenAll(network, _lanes.RunAsync(() => PrepareSandbox(record)));
            if (await network is { } attachment)
                record = record with { NetworkNamespace = attachment.NamespacePath, Ips = attachment.Ips };
            WriteHosts(record);
            if (config.Pid == NamespaceMode.Pod)
                record = await _lanes.RunAsync(() => StartInit(record, runtime));
            Save(record);
        }
        catch
        {
            await _lanes.RunAsync(() => Each($"undo sandbox {id}",
                () => StopInit(new SandboxEntry(record, runtime)),
                () => UnpinSandbox(id),
                () => _cgroups.Remove(PodCgroup(config)),
                () => DeleteDirectory(_files.Shared(id)),
                () => DeleteDirectory(_files.Sandbox(id))));
            if (ownNetwork)
                await _network.DetachAsync(id, CancellationToken.None);
            throw;
        }
        lock (_gate)
            _sandboxes.Add(id, new SandboxEntry(record, runtime));
        SetBurstableShares();
        _events.Publish(new RuntimeEvent(RuntimeEventKind.Created, id, null));
        _events.Publish(new RuntimeEvent(RuntimeEventKind.Started, id, null));
        return id;
    }

    private async Task<NetworkAttachment?> AttachAsync(SandboxId id, SandboxConfig config, CancellationToken cancellationToken) =>
        await _network.AttachAsync(new SandboxNetworkRequest
        {
            Sandbox = id,
            Namespace = config.Namespace,
            Name = config.Name,
            Uid = config.Uid,
            PortMappings = config.PortMappings,
            Sysctls = config.Sysctls,
        }, cancellationToken);

    private void PrepareSandbox(SandboxRecord record)
    {
        var config = record.Config;
        Directory.CreateDirectory(_files.Sandbox(record.Id));
        Directory.CreateDirectory(_files.Shared(record.Id));
        Directory.CreateDirectory(config.LogDirectory);
        _cgroups.Create(PodCgroup(config), config.Resources);
        File.WriteAllText(_files.Shared(record.Id, "hostname"), (Hostname(config) is { Length: > 0 } name ? name : Environment.MachineName) + "\n");
        File.WriteAllText(_files.Shared(record.Id, "resolv.conf"), ResolvConf(config.Dns));
        // One mount that holds all of the sandbox's: taking it away takes them all, in one of the kernel's grace periods instead of three.
        var pins = _files.PinsOf(record.Id);
        Directory.CreateDirectory(pins);
        Mounts.Bind(pins, pins);
        if (config.Ipc != NamespaceMode.Node)
        {
            var shm = _files.SharedMemory(record.Id);
            Directory.CreateDirectory(shm);
            Mounts.Mount("shm", shm, "tmpfs", MountFlags.MS_NOSUID | MountFlags.MS_NODEV | MountFlags.MS_NOEXEC,
                $"mode=1777,size={(config.ShmSizeBytes > 0 ? config.ShmSizeBytes : DefaultShmBytes)}");
        }
        PinNamespaces(record);
    }

    private void PinNamespaces(SandboxRecord record)
    {
        var config = record.Config;
        var ipc = config.Ipc != NamespaceMode.Node;
        var uts = config.Network != NamespaceMode.Node;
        if (!ipc && !uts)
            return;
        var kinds = (ipc ? NamespaceKinds.CLONE_NEWIPC : NamespaceKinds.None) | (uts ? NamespaceKinds.CLONE_NEWUTS : NamespaceKinds.None);
        Namespaces.InNew(kinds, () =>
        {
            if (uts && Hostname(config) is { Length: > 0 } name)
                Namespaces.SetHostname(name);
            // Sysctls below /proc/sys are those of the thread's own namespaces. The network's are set with the network.
            foreach (var (key, value) in config.Sysctls)
            {
                if (!key.StartsWith("net.", StringComparison.Ordinal) && !key.StartsWith("net/", StringComparison.Ordinal))
                    WriteSysctl(key, value, ipc, uts);
            }
            if (ipc)
                Namespaces.Pin("ipc", _files.Namespace(record.Id, "ipc"));
            if (uts)
                Namespaces.Pin("uts", _files.Namespace(record.Id, "uts"));
        });
    }

    private static void WriteSysctl(string key, string value, bool ipc, bool uts)
    {
        // The first separator decides which of the two spellings it is.
        var at = key.AsSpan().IndexOfAny('.', '/');
        var path = at >= 0 && key[at] == '/' ? key : key.Replace('.', '/');
        var isIpc = path.StartsWith("kernel/shm", StringComparison.Ordinal) || path.StartsWith("kernel/msg", StringComparison.Ordinal)
            || path == "kernel/sem" || path.StartsWith("fs/mqueue/", StringComparison.Ordinal);
        var isUts = path is "kernel/hostname" or "kernel/domainname";
        if ((!isIpc || !ipc) && (!isUts || !uts))
            throw new RuntimeException($"set sysctl {key}: it is not of a namespace the pod has for itself");
        try
        {
            File.WriteAllText($"/proc/sys/{path}", value);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RuntimeException($"set sysctl {key}={value}: {e.Message}", e);
        }
    }

    private void UnpinSandbox(SandboxId sandbox)
    {
        var pins = _files.PinsOf(sandbox);
        if (!Directory.Exists(pins))
            return;
        Mounts.Unmount(pins);
        Directory.Delete(pins, recursive: true);
    }

    private void WriteHosts(SandboxRecord record)
    {
        var text = record.Config.HostsFile ?? File.ReadAllText("/etc/hosts");
        if (record.Config.HostsFile is not null && record.Config.OwnHostNames.Count > 0)
        {
            var own = string.Concat(record.Ips.Select(ip => $"{ip}\t{string.Join('\t', record.Config.OwnHostNames)}\n"));
            // The kubelet's order: the pod's own line, then what hostAliases add.
            var aliases = text.IndexOf("\n# Entries added by HostAliases.", StringComparison.Ordinal);
            text = aliases >= 0 ? text.Insert(aliases, own) : text.Length == 0 || text.EndsWith('\n') ? text + own : $"{text}\n{own}";
        }
        File.WriteAllText(_files.Shared(record.Id, "hosts"), text);
    }

    private static string ResolvConf(DnsConfig dns)
    {
        if (dns.Servers.Count == 0 && dns.Searches.Count == 0 && dns.Options.Count == 0)
            return File.Exists("/etc/resolv.conf") ? File.ReadAllText("/etc/resolv.conf") : "";
        var text = new StringBuilder();
        if (dns.Searches.Count > 0)
            text.Append("search ").AppendJoin(' ', dns.Searches).Append('\n');
        foreach (var server in dns.Servers)
            text.Append("nameserver ").Append(server).Append('\n');
        if (dns.Options.Count > 0)
            text.Append("options ").AppendJoin(' ', dns.Options).Append('\n');
        return text.ToString();
    }

    private static string Hostname(SandboxConfig config) => config.Network == NamespaceMode.Node ? "" : config.Hostname;

    private string PodCgroup(SandboxConfig config) => _cgroups.PodPath(config.QosClass, config.Attempt == 0 ? config.Uid : $"{config.Uid}_{config.Attempt}");

    /// <summary>The kubelet's weight of all burstable pods together: the sum of what they ask for.</summary>
    private void SetBurstableShares()
    {
        long shares;
        lock (_gate)
            shares = _sandboxes.Values.Where(entry => entry.Record.Config.QosClass == "Burstable" && !entry.Record.IsStopped)
                .Sum(entry => entry.Record.Config.Resources.CpuShares ?? 2);
        _cgroups.Update(_cgroups.QosPath("Burstable"), new LinuxResources { CpuShares = Math.Max(shares, 2) });
    }

    private static void DeleteDirectory(string path)
    {
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
    }

    /// <summary>
    /// Puts a directory out of the way at once and deletes it afterwards, on a thread of its own: a writable layer may hold a million
    /// files, and a disk that is being synced by others takes milliseconds for each.
    /// </summary>
    private void Discard(string path)
    {
        if (!Directory.Exists(path))
            return;
        var name = $"{_files.Trash}/{Path.GetFileName(path)}";
        Directory.Move(path, name);
        _discarding = _sweeper.RunAsync(() => DeleteDirectory(name));
    }
}
