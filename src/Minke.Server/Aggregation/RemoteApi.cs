using Minke.Api;
using Minke.Api.Apidiscovery.V2;
using Minke.Api.Apiregistration.V1;

namespace Minke.Server.Aggregation;

/// <summary>A group and version that another server serves, as it is known at the moment.</summary>
internal sealed record RemoteApi
{
    public required APIService Service { get; init; }

    /// <summary>Shared by all records of one spec.</summary>
    public required RemoteTransport Transport { get; init; }

    /// <summary>As was found last; at first, as its status says.</summary>
    public required bool IsAvailable { get; init; }

    /// <summary>Its resources when they were last heard of; null when they never were.</summary>
    public APIVersionDiscovery? Discovery { get; init; }

    /// <summary>Where its OpenAPI document lies, with its hash; empty when it has none.</summary>
    public string OpenApi { get; init; } = "";

    public string Group => Service.Spec.Group;
    public string Version => Service.Spec.Version;

    /// <summary>Of its discovery document.</summary>
    public string Path => Group.Length == 0 ? $"/api/{Version}" : $"/apis/{Group}/{Version}";

    /// <summary>Whether two of one spec are told in the same way.</summary>
    public bool Says(RemoteApi other) => IsAvailable == other.IsAvailable && OpenApi == other.OpenApi
        && (ReferenceEquals(Discovery, other.Discovery) || (Discovery is { } mine && other.Discovery is { } theirs && Json.Same(mine, theirs)));

    /// <summary>What discovery says of it, also while it cannot be asked.</summary>
    public APIVersionDiscovery Described => (Discovery ?? new APIVersionDiscovery { Version = Version }) with { Freshness = IsAvailable && Discovery is not null ? "Current" : "Stale" };
}
