using Minke.Api;

namespace Minke.Node.Pods;

/// <summary>Where a pod is: what its environment, its volumes and its status say about the node and its addresses.</summary>
public sealed record PodPlace
{
    public required string NodeName { get; init; }

    /// <summary>Addresses of the node, the primary one first.</summary>
    public IReadOnlyList<string> HostIps { get; init; } = [];

    /// <summary>Addresses of the pod, the primary one first; empty until its sandbox runs.</summary>
    public IReadOnlyList<string> PodIps { get; init; } = [];

    /// <summary>The primary address of the pod, empty until there is one.</summary>
    public string PodIp => PodIps.Count > 0 ? PodIps[0] : "";

    /// <summary>The primary address of the node.</summary>
    public string HostIp => HostIps.Count > 0 ? HostIps[0] : "";

    /// <summary>What the node has for pods (<c>cpu</c>, <c>memory</c>, <c>ephemeral-storage</c>): the limit of a container that has none.</summary>
    public ApiMap<Quantity> NodeAllocatable { get; init; }

    /// <summary>Host name the pod sees.</summary>
    public string Hostname { get; init; } = "";
}

/// <summary>
/// A container that cannot be made as its spec says, until something outside changes: a missing ConfigMap or key, a user that may not
/// be root. The message is upstream's and is shown by the waiting container.
/// </summary>
public sealed class ContainerConfigException : Exception
{
    public ContainerConfigException(string message) : base(message) { }
    public ContainerConfigException(string message, Exception inner) : base(message, inner) { }

    /// <summary><c>CreateContainerConfigError</c>, or <c>CreateContainerError</c> where upstream says so (a sub path).</summary>
    public string Reason { get; init; } = "CreateContainerConfigError";

    /// <summary>The ConfigMap or Secret that is missing, or lacks a key: once it changes it is worth trying again, and not before.</summary>
    public (KindInfo Kind, string Name)? Missing { get; init; }
}
