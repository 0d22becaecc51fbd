using Minke.Node.Runtime;

namespace Minke.Node.Network;

/// <summary>
/// Gives sandboxes a network: a pinned network namespace with loopback, an interface, addresses and routes. Pods on the host
/// network never come here.
/// </summary>
/// <remarks>
/// Attachments outlive our process: they are found again by <see cref="ListAsync"/> after a crash. Attaching what is attached
/// returns the same attachment; detaching what is gone succeeds. Failures are <see cref="RuntimeException"/>.
/// </remarks>
public interface ISandboxNetwork
{
    Task<NetworkAttachment> AttachAsync(SandboxNetworkRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Closes the host ports, unpins the namespace and gives the address back. Processes still inside keep the namespace alive,
    /// so the address is used again only once its interface is gone.
    /// </summary>
    Task DetachAsync(SandboxId sandbox, CancellationToken cancellationToken);

    /// <summary>Every attachment there is, ordered by id; the namespaces of some may have been lost with a reboot.</summary>
    Task<IReadOnlyList<NetworkAttachment>> ListAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Called once after a start, with the sandboxes that still exist: frees whatever belongs to none of them (namespaces,
    /// interfaces, addresses, host ports).
    /// </summary>
    Task RecoverAsync(IReadOnlySet<SandboxId> known, CancellationToken cancellationToken);
}

/// <summary>What a sandbox asks of the network.</summary>
public sealed record SandboxNetworkRequest
{
    public required SandboxId Sandbox { get; init; }

    /// <summary>Namespace of the pod; with <see cref="Name"/> and <see cref="Uid"/> for messages and for CNI plugins.</summary>
    public required string Namespace { get; init; }
    public required string Name { get; init; }
    public required string Uid { get; init; }

    /// <summary>Only those with a host port matter.</summary>
    public IReadOnlyList<PortMapping> PortMappings { get; init; } = [];

    /// <summary>The pod's sysctls; only those below <c>net.</c> are applied here, in the sandbox's namespace. The rest is the runtime's.</summary>
    public IReadOnlyDictionary<string, string> Sysctls { get; init; } = new Dictionary<string, string>();
}

/// <summary>A sandbox's network, ready to be joined.</summary>
public sealed record NetworkAttachment
{
    public required SandboxId Sandbox { get; init; }

    /// <summary>A file to join the namespace by (<c>setns</c>, or a <c>path</c> in an OCI bundle): a bind mount of its nsfs inode.</summary>
    public required string NamespacePath { get; init; }

    /// <summary>The pod's addresses, the primary one first.</summary>
    public required IReadOnlyList<string> Ips { get; init; }
}
