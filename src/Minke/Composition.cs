using Minke.Cli;
using Minke.Cli.Clusters;

namespace Minke;

/// <summary>How the parts make a cluster in one process: plain <c>new</c>, top to bottom.</summary>
internal sealed class Composition(TimeProvider clock) : IClusterHost
{
    public Task<IRunningCluster> StartAsync(ClusterOptions options, CancellationToken cancellationToken)
    {
        _ = clock;
        throw new CliException("this build has no API server yet");
    }

    public Task RemovePodsAsync(DataDirectory data, TimeSpan grace, CancellationToken cancellationToken) => Task.CompletedTask;
}
