using Minke.Api.Core.V1;
using Minke.Node.Runtime;

namespace Minke.Node.Pods.Probes;

/// <summary>Asks a container once whether it is well, and runs the HTTP and TCP kinds of lifecycle hooks.</summary>
public interface IProber
{
    /// <summary>One attempt, cut off at <c>timeoutSeconds</c>; a failure to ask at all is a failed probe with its message, never an exception.</summary>
    Task<ProbeResult> ProbeAsync(ProbeTarget target, Probe probe, CancellationToken cancellationToken);
}

public enum ProbeOutcome { Success, Warning, Failure, Unknown }

/// <param name="Outcome"><see cref="ProbeOutcome.Warning"/> counts as a success and is told as an event.</param>
/// <param name="Message">Upstream's words: <c>HTTP probe failed with statuscode: 500</c>, <c>dial tcp 10.42.0.7:80: connect: connection refused</c>.</param>
public readonly record struct ProbeResult(ProbeOutcome Outcome, string Message);

/// <summary>Whom to ask. Named ports are looked up in <see cref="Container"/>.</summary>
public sealed record ProbeTarget
{
    public required Pod Pod { get; init; }
    public required Container Container { get; init; }
    public required ContainerId Id { get; init; }

    /// <summary>The pod's address; the host's for a pod on the host network.</summary>
    public required string PodIp { get; init; }
}
