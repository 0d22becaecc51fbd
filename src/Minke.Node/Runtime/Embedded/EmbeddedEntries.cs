using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Runtime.Embedded;

/// <summary>A sandbox as the running process knows it. <see cref="Gate"/> lets one verb at a time change it.</summary>
internal sealed class SandboxEntry(SandboxRecord record, OciRuntime runtime)
{
    public SemaphoreSlim Gate { get; } = new(1);
    public OciRuntime Runtime { get; } = runtime;
    public SandboxRecord Record { get; set; } = record;

    public SandboxStatus Status => new()
    {
        Id = Record.Id,
        Config = Record.Config,
        State = Record.IsStopped ? SandboxState.NotReady : SandboxState.Ready,
        CreatedAt = Record.CreatedAt,
        Ips = Record.Ips,
    };
}

/// <summary>
/// A container as the running process knows it.
/// <code>
/// Created ──start──► Running ──exit file──► Exited ──remove──► gone
///    └──────start fails (StartError)──────────┘
/// </code>
/// </summary>
/// <remarks><see cref="Gate"/> is held while it is started, recorded as ended, or removed; never while something waits for its end.</remarks>
internal sealed class ContainerEntry(ContainerRecord record, ContainerProgress progress, OciRuntime runtime)
{
    public SemaphoreSlim Gate { get; } = new(1);
    public ContainerRecord Record { get; } = record;
    public OciRuntime Runtime { get; } = runtime;
    public ContainerProgress Progress { get; set; } = progress;
    public bool IsRemoved { get; set; }
    public LayerUsage LayerUsage { get; } = new();

    /// <summary>Its first process while it runs.</summary>
    public SafeFileHandle? Process { get; set; }

    /// <summary>Waits for the end of its monitor.</summary>
    public Task Monitoring { get; set; } = Task.CompletedTask;

    /// <summary>The recording of its end.</summary>
    public Task Recording { get; set; } = Task.CompletedTask;
    public TaskCompletionSource Exited { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ContainerStatus Status => new()
    {
        Id = Record.Id,
        Sandbox = Record.Sandbox,
        Config = Progress.Resources is null ? Record.Config : Record.Config with { Resources = Progress.Resources },
        State = Progress.State,
        CreatedAt = Record.CreatedAt,
        StartedAt = Progress.StartedAt,
        FinishedAt = Progress.FinishedAt,
        ExitCode = Progress.ExitCode,
        Reason = Progress.Reason,
        Message = Progress.Message,
        ImageId = Record.Config.ImageId,
        LogPath = Record.LogPath,
        Uid = Record.Uid,
        Gid = Record.Gid,
        SupplementalGroups = Record.Groups,
    };
}
