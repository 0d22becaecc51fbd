namespace Minke.Node.Runtime;

/// <summary>
/// Pods on one machine, in the shape of the Container Runtime Interface (CRI v1): sandboxes, containers, exec, attach,
/// port-forward, statistics. Embedded, Cri and Simulated implement it and pass the same contract tests.
/// </summary>
/// <remarks>
/// Every verb may be asked twice: stopping what is stopped and removing what is gone succeed. Names and attempts are the
/// caller's; ids are the runtime's. Failures are <see cref="RuntimeException"/>.
/// </remarks>
public interface IContainerRuntime : IAsyncDisposable
{
    Task<RuntimeVersion> VersionAsync(CancellationToken cancellationToken);

    /// <summary>Creates and starts a sandbox: its namespaces, address, cgroup, hosts file, resolv.conf and shared memory.</summary>
    Task<SandboxId> RunSandboxAsync(SandboxConfig config, CancellationToken cancellationToken);

    /// <summary>Kills what still runs in the sandbox and gives its address back. Its containers' status and logs stay.</summary>
    Task StopSandboxAsync(SandboxId sandbox, CancellationToken cancellationToken);

    /// <summary>Removes the sandbox and all its containers.</summary>
    Task RemoveSandboxAsync(SandboxId sandbox, CancellationToken cancellationToken);

    Task<SandboxStatus?> SandboxStatusAsync(SandboxId sandbox, CancellationToken cancellationToken);

    Task<IReadOnlyList<SandboxStatus>> ListSandboxesAsync(CancellationToken cancellationToken);

    /// <summary>Prepares a container; the image must be there (<see cref="IImageService"/>).</summary>
    Task<ContainerId> CreateContainerAsync(SandboxId sandbox, ContainerConfig config, CancellationToken cancellationToken);

    Task StartContainerAsync(ContainerId container, CancellationToken cancellationToken);

    /// <summary>Sends the stop signal, waits up to <paramref name="grace"/> for the exit, then kills.</summary>
    Task StopContainerAsync(ContainerId container, TimeSpan grace, CancellationToken cancellationToken);

    Task RemoveContainerAsync(ContainerId container, CancellationToken cancellationToken);

    Task<ContainerStatus?> ContainerStatusAsync(ContainerId container, CancellationToken cancellationToken);

    Task<IReadOnlyList<ContainerStatus>> ListContainersAsync(CancellationToken cancellationToken);

    Task UpdateContainerResourcesAsync(ContainerId container, LinuxResources resources, CancellationToken cancellationToken);

    /// <summary>Makes the container's log writer open its file anew, after rotation.</summary>
    Task ReopenLogAsync(ContainerId container, CancellationToken cancellationToken);

    /// <summary>Runs a command to its end. Output beyond 16 KiB a stream is cut.</summary>
    /// <exception cref="TimeoutException">The command took longer than <paramref name="timeout"/> and was killed.</exception>
    Task<ExecResult> ExecSyncAsync(
        ContainerId container, IReadOnlyList<string> command, TimeSpan timeout, CancellationToken cancellationToken);

    Task<IProcessStreams> ExecAsync(ContainerId container, ExecRequest request, CancellationToken cancellationToken);

    /// <summary>Joins the standard streams of the container's first process. Closing the session leaves the process running.</summary>
    Task<IProcessStreams> AttachAsync(ContainerId container, AttachRequest request, CancellationToken cancellationToken);

    /// <summary>A connection to a TCP port on the sandbox's own loopback.</summary>
    Task<Stream> PortForwardAsync(SandboxId sandbox, int port, CancellationToken cancellationToken);

    Task<ContainerStats?> ContainerStatsAsync(ContainerId container, CancellationToken cancellationToken);

    /// <summary>What happened, as it happens, beginning with now. A consumer lists once after subscribing.</summary>
    IAsyncEnumerable<RuntimeEvent> EventsAsync(CancellationToken cancellationToken);
}

public readonly record struct SandboxId(string Value)
{
    public override string ToString() => Value;
}

public readonly record struct ContainerId(string Value)
{
    public override string ToString() => Value;
}

public sealed record RuntimeVersion(string Name, string Version);

/// <summary>An operation the runtime could not do. The message says what was attempted, on what, and what happened.</summary>
public sealed class RuntimeException : Exception
{
    public RuntimeException(string message) : base(message) { }
    public RuntimeException(string message, Exception inner) : base(message, inner) { }

    /// <summary>The reason shown in the container's waiting state: <c>RunContainerError</c>, <c>CreateContainerError</c>, ….</summary>
    public string? Reason { get; init; }
}

public enum NamespaceMode
{
    /// <summary>Shared by the containers of the pod.</summary>
    Pod,

    /// <summary>One for each container.</summary>
    Container,

    /// <summary>The machine's.</summary>
    Node,
}

public sealed record SandboxConfig
{
    public required string Namespace { get; init; }
    public required string Name { get; init; }
    public required string Uid { get; init; }
    public uint Attempt { get; init; }

    /// <summary>Host name seen inside; empty for the machine's (host network).</summary>
    public string Hostname { get; init; } = "";

    /// <summary>Directory of the pod's container logs.</summary>
    public required string LogDirectory { get; init; }

    public DnsConfig Dns { get; init; } = new();
    public IReadOnlyList<PortMapping> PortMappings { get; init; } = [];
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();
    public IReadOnlyDictionary<string, string> Annotations { get; init; } = new Dictionary<string, string>();
    public NamespaceMode Network { get; init; } = NamespaceMode.Pod;
    public NamespaceMode Ipc { get; init; } = NamespaceMode.Pod;
    public NamespaceMode Pid { get; init; } = NamespaceMode.Container;
    public IReadOnlyDictionary<string, string> Sysctls { get; init; } = new Dictionary<string, string>();

    /// <summary>Limits of the pod as a whole; written to its cgroup.</summary>
    public LinuxResources Resources { get; init; } = new();

    /// <summary><c>Guaranteed</c>, <c>Burstable</c> or <c>BestEffort</c>: the branch of the cgroup tree.</summary>
    public string QosClass { get; init; } = "BestEffort";

    /// <summary>Text of /etc/hosts for the pod, without the line of its own address, which the runtime adds. Null: the machine's file (host network).</summary>
    public string? HostsFile { get; init; }

    /// <summary>Names for the line of the pod's own address in /etc/hosts: fully qualified first.</summary>
    public IReadOnlyList<string> OwnHostNames { get; init; } = [];

    /// <summary>Handler of the RuntimeClass: an OCI runtime by name; empty for the default.</summary>
    public string RuntimeHandler { get; init; } = "";

    /// <summary>Bytes of /dev/shm; 0 for 64 MiB.</summary>
    public long ShmSizeBytes { get; init; }
}

public sealed record DnsConfig
{
    public IReadOnlyList<string> Servers { get; init; } = [];
    public IReadOnlyList<string> Searches { get; init; } = [];
    public IReadOnlyList<string> Options { get; init; } = [];
}

public sealed record PortMapping(string Protocol, int ContainerPort, int HostPort, string HostIp);

public enum SandboxState { Ready, NotReady }

public sealed record SandboxStatus
{
    public required SandboxId Id { get; init; }
    public required SandboxConfig Config { get; init; }
    public required SandboxState State { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Addresses of the pod, the primary one first; empty on the host network.</summary>
    public IReadOnlyList<string> Ips { get; init; } = [];
}

public sealed record ContainerConfig
{
    public required string Name { get; init; }
    public uint Attempt { get; init; }

    /// <summary>Id of the image, as <see cref="IImageService"/> gave it: the digest of its configuration.</summary>
    public required string ImageId { get; init; }

    /// <summary>Null: the image's entrypoint.</summary>
    public IReadOnlyList<string>? Command { get; init; }

    /// <summary>Null: the image's cmd, unless <see cref="Command"/> is given.</summary>
    public IReadOnlyList<string>? Args { get; init; }
    public string WorkingDir { get; init; } = "";
    public IReadOnlyList<KeyValuePair<string, string>> Env { get; init; } = [];
    public IReadOnlyList<ContainerMount> Mounts { get; init; } = [];
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();
    public IReadOnlyDictionary<string, string> Annotations { get; init; } = new Dictionary<string, string>();

    /// <summary>Log file relative to the sandbox's log directory, in CRI's log format.</summary>
    public required string LogPath { get; init; }
    public bool Stdin { get; init; }
    public bool StdinOnce { get; init; }
    public bool Tty { get; init; }
    public LinuxResources Resources { get; init; } = new();
    public ContainerSecurity Security { get; init; } = new();

    /// <summary>For an ephemeral container: whose PID namespace to join.</summary>
    public ContainerId? TargetContainer { get; init; }

    /// <summary>Overrides the image's stop signal, e.g. <c>SIGUSR1</c>.</summary>
    public string? StopSignal { get; init; }
}

public enum MountPropagation { Private, HostToContainer, Bidirectional }

public sealed record ContainerMount
{
    public required string ContainerPath { get; init; }

    /// <summary>Path on the machine; empty when <see cref="ImageId"/> is given.</summary>
    public string HostPath { get; init; } = "";
    public bool IsReadOnly { get; init; }

    /// <summary>Read-only for everything mounted below too.</summary>
    public bool IsRecursiveReadOnly { get; init; }
    public MountPropagation Propagation { get; init; }

    /// <summary>An image whose root file system is mounted read-only (KEP-4639).</summary>
    public string? ImageId { get; init; }

    /// <summary>Path inside the image of <see cref="ImageId"/>, empty for its root.</summary>
    public string ImageSubPath { get; init; } = "";
}

public sealed record LinuxResources
{
    public long? CpuShares { get; init; }

    /// <summary>Microseconds of CPU time in each period; null for no limit.</summary>
    public long? CpuQuota { get; init; }
    public long? CpuPeriod { get; init; }
    public long? MemoryLimitBytes { get; init; }
    public long? PidsLimit { get; init; }
    public string CpusetCpus { get; init; } = "";
    public string CpusetMems { get; init; } = "";
    public int? OomScoreAdj { get; init; }
    public IReadOnlyDictionary<string, long> HugepageLimits { get; init; } = new Dictionary<string, long>();
}

public enum SeccompKind { RuntimeDefault, Unconfined, Localhost }

public sealed record ContainerSecurity
{
    public bool Privileged { get; init; }
    public bool ReadOnlyRootFilesystem { get; init; }
    public bool NoNewPrivileges { get; init; }
    public IReadOnlyList<string> AddCapabilities { get; init; } = [];
    public IReadOnlyList<string> DropCapabilities { get; init; } = [];

    /// <summary>Null: the image's user.</summary>
    public long? RunAsUser { get; init; }
    public long? RunAsGroup { get; init; }

    /// <summary>User name of the image to look up in its /etc/passwd; used when <see cref="RunAsUser"/> is null.</summary>
    public string RunAsUserName { get; init; } = "";
    public IReadOnlyList<long> SupplementalGroups { get; init; } = [];

    /// <summary>True (KEP-3619 <c>Strict</c>): groups of the image's /etc/group are not added.</summary>
    public bool StrictSupplementalGroups { get; init; }
    public SeccompKind Seccomp { get; init; } = SeccompKind.RuntimeDefault;

    /// <summary>Absolute path of a profile for <see cref="SeccompKind.Localhost"/>.</summary>
    public string SeccompLocalhostProfile { get; init; } = "";

    /// <summary>True for procMount Default: the usual paths below /proc and /sys are masked or read-only.</summary>
    public bool MaskPaths { get; init; } = true;
    public string AppArmorProfile { get; init; } = "";
}

public enum ContainerState { Created, Running, Exited, Unknown }

public sealed record ContainerStatus
{
    public required ContainerId Id { get; init; }
    public required SandboxId Sandbox { get; init; }
    public required ContainerConfig Config { get; init; }
    public required ContainerState State { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset? StartedAt { get; init; }
    public DateTimeOffset? FinishedAt { get; init; }
    public int ExitCode { get; init; }

    /// <summary>
    /// <c>Completed</c>, <c>Error</c>, <c>OOMKilled</c>; <c>StartError</c> (code 128: it could not be started), <c>Unknown</c> (code 255: it
    /// ended with nobody to see how).
    /// </summary>
    public string Reason { get; init; } = "";
    public string Message { get; init; } = "";
    public string ImageId { get; init; } = "";

    /// <summary>Absolute path of the log.</summary>
    public string LogPath { get; init; } = "";

    /// <summary>User the first process started as.</summary>
    public long Uid { get; init; }
    public long Gid { get; init; }
    public IReadOnlyList<long> SupplementalGroups { get; init; } = [];
}

public sealed record ExecResult(int ExitCode, byte[] Stdout, byte[] Stderr);

public sealed record ExecRequest(IReadOnlyList<string> Command, bool Stdin, bool Stdout, bool Stderr, bool Tty);

public sealed record AttachRequest(bool Stdin, bool Stdout, bool Stderr, bool Tty);

public sealed record ContainerStats
{
    public required DateTimeOffset Timestamp { get; init; }
    public required long CpuUsageNanoseconds { get; init; }
    public required long MemoryUsageBytes { get; init; }

    /// <summary>Usage less inactive file cache: what <c>kubectl top</c> shows and eviction counts.</summary>
    public required long MemoryWorkingSetBytes { get; init; }
    public long MemoryRssBytes { get; init; }
    public long Pids { get; init; }

    /// <summary>Bytes of the container's writable layer.</summary>
    public long WritableLayerBytes { get; init; }
}

public enum RuntimeEventKind { Created, Started, Exited, OutOfMemory, Removed }

public sealed record RuntimeEvent(RuntimeEventKind Kind, SandboxId Sandbox, ContainerId? Container);
