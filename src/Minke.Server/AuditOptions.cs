namespace Minke.Server;

/// <summary>Which requests are recorded, and where.</summary>
public sealed record AuditOptions
{
    /// <summary>A <c>Policy</c> of <c>audit.k8s.io/v1</c>, YAML or JSON.</summary>
    public required string PolicyFile { get; init; }
    public required string LogPath { get; init; }

    /// <summary>When the file is renamed and a new one begins.</summary>
    public long MaxBytes { get; init; } = 100 << 20;

    /// <summary>Renamed files that are kept; 0 for all.</summary>
    public int MaxBackups { get; init; }
}
