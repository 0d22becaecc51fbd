namespace Minke.Client.Nodes;

/// <summary>
/// What the API server asks of a node on a user's behalf: the kubelet's own server. In one process it is a call; across machines,
/// HTTPS with mutual TLS. Failures are <c>StatusException</c>s.
/// </summary>
public interface INodeEndpoint
{
    /// <summary>The container's log, in the form asked for; with <see cref="LogRequest.Follow"/> until the container is gone.</summary>
    Task<Stream> LogsAsync(PodReference pod, LogRequest request, CancellationToken cancellationToken);

    Task<IProcessStreams> ExecAsync(PodReference pod, ExecStreamsRequest request, CancellationToken cancellationToken);

    Task<IProcessStreams> AttachAsync(PodReference pod, ExecStreamsRequest request, CancellationToken cancellationToken);

    /// <summary>A connection to a TCP port of the pod.</summary>
    Task<Stream> PortForwardAsync(PodReference pod, int port, CancellationToken cancellationToken);

    /// <summary>Use of CPU and memory, of the machine and of each running container.</summary>
    Task<NodeUsage> UsageAsync(CancellationToken cancellationToken);

    /// <summary>One of the pages a node has about itself: <c>/healthz</c>, <c>/pods</c>, <c>/metrics</c>, …; null when there is none at the path.</summary>
    Task<NodeDocument?> ReadAsync(string path, CancellationToken cancellationToken);
}

public sealed record NodeDocument(string ContentType, byte[] Body);

/// <summary>Finds the endpoint of a node by its name; null when the node is unknown or cannot be reached.</summary>
public interface INodeDirectory
{
    INodeEndpoint? Find(string nodeName);
}

public sealed record PodReference(string Namespace, string Name, string Uid);

public sealed record LogRequest
{
    public required string Container { get; init; }
    public bool Follow { get; init; }
    public bool Previous { get; init; }
    public bool Timestamps { get; init; }
    public DateTimeOffset? Since { get; init; }
    public long? TailLines { get; init; }
    public long? LimitBytes { get; init; }
}

/// <summary>For attach, <see cref="Command"/> is empty.</summary>
public sealed record ExecStreamsRequest
{
    public required string Container { get; init; }
    public IReadOnlyList<string> Command { get; init; } = [];
    public bool Stdin { get; init; }
    public bool Stdout { get; init; }
    public bool Stderr { get; init; }
    public bool Tty { get; init; }
}

/// <summary>Rates over <see cref="Window"/>, ending at <see cref="Timestamp"/>.</summary>
public sealed record NodeUsage(DateTimeOffset Timestamp, TimeSpan Window, ResourceUsage Machine, IReadOnlyList<ContainerUsage> Containers);

/// <summary>CPU in billionths of a core, memory as the working set in bytes.</summary>
public sealed record ResourceUsage(long CpuNanocores, long MemoryBytes);

public sealed record ContainerUsage(PodReference Pod, string Container, ResourceUsage Usage);
