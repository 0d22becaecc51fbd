using Minke.Node.Network;
using Minke.Node.Pods;
using Minke.Node.Runtime.Embedded;

namespace Minke.Node;

/// <summary>Where one node keeps its things and what they are called, for who makes them and for who removes them.</summary>
public sealed record NodeOptions
{
    public required NodePaths Paths { get; init; }

    /// <summary>Directory of the image store.</summary>
    public required string Images { get; init; }

    /// <summary>Directory of what ends with a reboot; those of the network and the runtime are below it.</summary>
    public required string RunDirectory { get; init; }

    public required NetworkOptions Network { get; init; }

    public required EmbeddedOptions Runtime { get; init; }
}
