using System.Text.Json.Serialization;

namespace Minke.Node.Runtime.Embedded;

/// <summary>What is kept of a sandbox, in <c>sandbox.json</c>. Written once it is complete: a directory without it is garbage.</summary>
internal sealed record SandboxRecord
{
    public required SandboxId Id { get; init; }
    public required SandboxConfig Config { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public IReadOnlyList<string> Ips { get; init; } = [];

    /// <summary>The network namespace to join; empty for the machine's.</summary>
    public string NetworkNamespace { get; init; } = "";

    /// <summary>The boot of the machine it belongs to: its namespaces ended with it.</summary>
    public required string BootId { get; init; }

    /// <summary>Process number of the init of a shared PID namespace; 0 without one.</summary>
    public int InitPid { get; init; }
    public long InitStartTicks { get; init; }
    public bool IsStopped { get; init; }
}

/// <summary>What is kept of a container from its creation, in <c>container.json</c>.</summary>
internal sealed record ContainerRecord
{
    public required ContainerId Id { get; init; }
    public required SandboxId Sandbox { get; init; }
    public required ContainerConfig Config { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required string LogPath { get; init; }
    public required string BootId { get; init; }
    public required string CgroupPath { get; init; }
    public required string StopSignal { get; init; }
    public long Uid { get; init; }
    public long Gid { get; init; }
    public IReadOnlyList<long> Groups { get; init; } = [];

    /// <summary>Mount points to undo when it is removed, in the order they were made.</summary>
    public IReadOnlyList<string> Mounts { get; init; } = [];

    /// <summary>Hash of the seccomp profile, by which its compiled form is found; empty when unconfined.</summary>
    public string SeccompKey { get; init; } = "";

    /// <summary>Whether its processes end with its first one, by a PID namespace of its own.</summary>
    public bool OwnsPidNamespace { get; init; }
}

/// <summary>What changes about a container, in <c>status.json</c>. Without the file it is created.</summary>
internal sealed record ContainerProgress
{
    public ContainerState State { get; init; } = ContainerState.Created;
    public int Pid { get; init; }
    public long PidStartTicks { get; init; }
    public int ConmonPid { get; init; }
    public DateTimeOffset? StartedAt { get; init; }
    public DateTimeOffset? FinishedAt { get; init; }
    public int ExitCode { get; init; }
    public string Reason { get; init; } = "";
    public string Message { get; init; } = "";
    public LinuxResources? Resources { get; init; }
}

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SandboxRecord))]
[JsonSerializable(typeof(ContainerRecord))]
[JsonSerializable(typeof(ContainerProgress))]
[JsonSerializable(typeof(ConmonAnswer))]
internal sealed partial class EmbeddedJson : JsonSerializerContext;

/// <summary>What conmon writes to its sync pipe: the process number, or a negative number and why not.</summary>
internal sealed record ConmonAnswer
{
    [JsonPropertyName("data")]
    public int Data { get; init; }

    [JsonPropertyName("message")]
    public string? Message { get; init; }
}
