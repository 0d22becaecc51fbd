namespace Minke.Node.Pods;

/// <summary>What a probe has found, once its threshold was reached.</summary>
public enum Verdict
{
    /// <summary>There is no such probe, or it has not begun.</summary>
    None,

    /// <summary>Startup probe: not yet.</summary>
    Unknown,
    Success,
    Failure,
}

/// <summary>The verdicts of one container instance's probes.</summary>
public sealed record ContainerHealth(Verdict Startup, Verdict Liveness, Verdict Readiness)
{
    public static ContainerHealth None { get; } = new(Verdict.None, Verdict.None, Verdict.None);
}
