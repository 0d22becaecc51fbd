using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <content>The init of a shared PID namespace: a container of its own with nothing in it.</content>
public sealed partial class EmbeddedRuntime
{
    private const long NobodyId = 65535;

    private SandboxRecord StartInit(SandboxRecord record, OciRuntime runtime)
    {
        var bundle = _files.Sandbox(record.Id, "init");
        var rootfs = $"{bundle}/root";
        Directory.CreateDirectory($"{rootfs}/proc");
        Directory.CreateDirectory($"{rootfs}/dev");
        var program = $"{rootfs}/pause";
        File.WriteAllBytes(program, SandboxInit.Executable());
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
            | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        var security = new ContainerSecurity { ReadOnlyRootFilesystem = true, NoNewPrivileges = true };
        var (seccomp, key) = SeccompCache.For(security, [], runtime.Identity);
        // Its own root and no capabilities: a container in the same PID namespace sees it below /proc, and must find nothing there.
        File.WriteAllBytes($"{bundle}/config.json", BundleWriter.Write(new Bundle
        {
            Arguments = ["/pause"],
            Environment = [],
            WorkingDirectory = "/",
            User = new ImageUser(NobodyId, NobodyId, [], "/"),
            Capabilities = [],
            Security = security,
            Resources = new LinuxResources { CpuShares = 2 },
            CgroupPath = $"{PodCgroup(record.Config)}/init",
            Mounts = [new BundleMount("/proc", "proc", "proc"), new BundleMount("/dev", "tmpfs", "tmpfs", "nosuid", "mode=755", "size=64k")],
            Namespaces = [("mount", ""), ("pid", ""), .. JoinedNamespaces(record)],
            IsUnified = _cgroups.IsUnified,
            Seccomp = seccomp,
            CompiledSeccomp = runtime.IsCrun ? _seccomp.Find(key) : null,
        }, rootfs));
        var (code, errors) = runtime.Run("run", "--detach", "--pid-file", $"{bundle}/pid", "--bundle", bundle, record.Id.Value);
        if (code != 0)
            throw new RuntimeException($"start the init of sandbox {record.Id}: {errors}");
        var pid = int.Parse(File.ReadAllText($"{bundle}/pid"), System.Globalization.CultureInfo.InvariantCulture);
        return record with { InitPid = pid, InitStartTicks = Processes.StartTicks(pid) ?? 0 };
    }

    private void StopInit(SandboxEntry entry)
    {
        if (entry.Record.Config.Pid != NamespaceMode.Pod)
            return;
        if (IsInitAlive(entry.Record))
        {
            using var process = Processes.OpenPidFd(entry.Record.InitPid);
            if (process is not null)
                Processes.Signal(process, Processes.SIGKILL);
        }
        var pod = PodCgroup(entry.Record.Config);
        Each($"stop the init of sandbox {entry.Record.Id}",
            () => _cgroups.Kill($"{pod}/init"),
            () => _cgroups.Remove($"{pod}/init"),
            () => entry.Runtime.Delete(new ContainerId(entry.Record.Id.Value)));
    }

    private static bool IsInitAlive(SandboxRecord record) =>
        record.InitPid > 0 && Processes.StartTicks(record.InitPid) == record.InitStartTicks;

    /// <summary>The sandbox's namespaces that every container of it joins.</summary>
    private List<(string Kind, string Path)> JoinedNamespaces(SandboxRecord record)
    {
        List<(string, string)> namespaces = [];
        if (record.NetworkNamespace.Length > 0)
            namespaces.Add(("network", record.NetworkNamespace));
        if (record.Config.Ipc != NamespaceMode.Node)
            namespaces.Add(("ipc", _files.Namespace(record.Id, "ipc")));
        if (record.Config.Network != NamespaceMode.Node)
            namespaces.Add(("uts", _files.Namespace(record.Id, "uts")));
        if (_cgroups.IsUnified)
            namespaces.Add(("cgroup", ""));
        return namespaces;
    }
}
