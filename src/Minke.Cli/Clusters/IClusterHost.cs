using System.Net;
using Minke.Cli.Kubeconfigs;

namespace Minke.Cli.Clusters;

/// <summary>What the verbs need of the parts behind the API, which they otherwise do not know: the composition, or a test's double.</summary>
public interface IClusterHost
{
    /// <summary>Starts every part in this process. Returns once the API is ready.</summary>
    /// <exception cref="CliException">It cannot start; nothing of it runs.</exception>
    Task<IRunningCluster> StartAsync(ClusterOptions options, CancellationToken cancellationToken);

    /// <summary>
    /// Stops the pods of a cluster that does not run, and takes away what it put on the machine: containers, mounts, namespaces,
    /// cgroups, links, tables. The state stays. May be asked twice, and after a crash.
    /// </summary>
    /// <param name="grace">How long a container has between its stop signal and being killed.</param>
    Task RemovePodsAsync(DataDirectory data, TimeSpan grace, CancellationToken cancellationToken);

    /// <summary>The state of clusters that do not run.</summary>
    IStoppedState StoppedState { get; }
}

/// <summary>A cluster in this process. Disposing stops it; its pods run on.</summary>
public interface IRunningCluster : IAsyncDisposable
{
    /// <summary>The administrator's way in.</summary>
    Kubeconfig Admin { get; }

    string NodeName { get; }

    /// <summary>Ends only when a part cannot go on; then with the cause.</summary>
    Task Failed { get; }
}

public sealed record ClusterOptions
{
    public required DataDirectory Data { get; init; }
    public required IPEndPoint Listen { get; init; }

    /// <summary>Mirrors and credentials in k3s's format; null for none.</summary>
    public string? RegistriesFile { get; init; }

    /// <summary>A container's log is put aside when it is this long; null for Kubernetes' ten MiB.</summary>
    public long? ContainerLogMaxBytes { get; init; }

    public AccessOptions Access { get; init; } = new();
}
