namespace Minke.Node.Images.Registries;

/// <summary>Patience and parallelism of pulls.</summary>
public sealed record PullOptions
{
    /// <summary>A connection that brings nothing for this long is given up.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Stalls in a row, without a byte between them, before the pull fails.</summary>
    public int Stalls { get; init; } = 2;

    /// <summary>Tries of one request, or of one download without progress.</summary>
    public int Attempts { get; init; } = 5;
    public TimeSpan FirstBackoff { get; init; } = TimeSpan.FromMilliseconds(250);
    public TimeSpan LongestBackoff { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Layers of one image that arrive at the same time; containerd's default.</summary>
    public int ParallelLayers { get; init; } = 3;

    internal TimeSpan Backoff(int failures, Random random) =>
        Math.Min(LongestBackoff.TotalSeconds, FirstBackoff.TotalSeconds * Math.Pow(2, failures - 1)) * (0.75 + random.NextDouble() / 2) is var seconds
            ? TimeSpan.FromSeconds(seconds) : default;
}
