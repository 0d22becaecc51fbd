using Microsoft.Extensions.Logging;
using Minke.Cli;
using Minke.Cli.Clusters;
using Minke.Logs;
using Minke.Node;
using Minke.Node.Network;
using Minke.Node.Pods;
using Minke.Node.Runtime.Embedded;

namespace Minke;

/// <summary>How the parts make a cluster in one process: plain <c>new</c>, top to bottom.</summary>
internal sealed class Composition(TimeProvider clock) : IClusterHost
{
    public Task<IRunningCluster> StartAsync(ClusterOptions options, CancellationToken cancellationToken) =>
        throw new CliException("this build has no API server yet");

    public async Task RemovePodsAsync(DataDirectory data, TimeSpan grace, CancellationToken cancellationToken)
    {
        using var loggers = LogTo(data.LogFile);
        await new NodeRemoval(NodeOf(data), clock, loggers).RunAsync(grace, cancellationToken);
    }

    /// <summary>All names and places of a node follow from the directory, so two directories never meet.</summary>
    private static NodeOptions NodeOf(DataDirectory data) => new()
    {
        Paths = new NodePaths(data.Node),
        Images = data.Images,
        RunDirectory = data.Run,
        Network = new NetworkOptions { Instance = data.Root, StateDirectory = data.Run + "/network" },
        Runtime = new EmbeddedOptions
        {
            StateDirectory = data.Node + "/runtime",
            RunDirectory = data.Run + "/runtime",
            CgroupRoot = "minke-" + data.InstanceId,
        },
    };

    /// <summary>What the parts say goes to the file; of the HTTP server only what is wrong.</summary>
    private LoggerFactory LogTo(string file) => new([new FileLoggerProvider(file, clock)], new LoggerFilterOptions
    {
        MinLevel = LogLevel.Information,
        Rules = { new LoggerFilterRule(null, "Microsoft.AspNetCore", LogLevel.Warning, null) },
    });
}
