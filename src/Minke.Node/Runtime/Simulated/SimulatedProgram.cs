namespace Minke.Node.Runtime.Simulated;

/// <summary>What a simulated container's first process does once it is started.</summary>
public sealed record SimulatedProgram
{
    /// <summary>Runs until it is stopped, and then ends at once with code 143 (SIGTERM's default action).</summary>
    public static SimulatedProgram RunsForever { get; } = new();

    /// <summary>How long it runs by itself; null for ever.</summary>
    public TimeSpan? RunsFor { get; init; }

    /// <summary>Exit code when it ends by itself.</summary>
    public int ExitCode { get; init; }

    /// <summary>It ends because the kernel killed it for its memory: code 137, reason <c>OOMKilled</c>.</summary>
    public bool RunsOutOfMemory { get; init; }

    /// <summary>The stop signal does nothing: only the kill after the grace period ends it (code 137).</summary>
    public bool IgnoresStopSignal { get; init; }

    /// <summary>How long it goes on after the stop signal.</summary>
    public TimeSpan StopsAfter { get; init; }

    /// <summary>Exit code after the stop signal.</summary>
    public int StopExitCode { get; init; } = 143;

    /// <summary>Not null: it cannot be started, with this message; the container ends with code 128 and reason <c>StartError</c>.</summary>
    public string? StartError { get; init; }

    /// <summary>Lines it writes to standard output as it starts.</summary>
    public IReadOnlyList<string> Output { get; init; } = [];

    /// <summary>A program that runs for a time and ends with a code.</summary>
    public static SimulatedProgram Exits(int exitCode, TimeSpan after = default) => new() { RunsFor = after, ExitCode = exitCode };
}

/// <summary>What a command executed in a simulated container does.</summary>
public sealed record SimulatedCommand(int ExitCode, string Stdout = "", string Stderr = "")
{
    /// <summary>How long it takes.</summary>
    public TimeSpan Takes { get; init; }
}

/// <summary>The verbs of the runtime, for delays, faults and the journal of calls.</summary>
public enum RuntimeVerb
{
    RunSandbox,
    StopSandbox,
    RemoveSandbox,
    CreateContainer,
    StartContainer,
    StopContainer,
    RemoveContainer,
    Status,
    List,
    UpdateResources,
    ReopenLog,
    Exec,
    Attach,
    PortForward,
    Stats,
}

/// <summary>One call of the runtime: the verb and on what: a pod as <c>namespace/name</c>, or a pod and a container as <c>namespace/name/container</c>.</summary>
public sealed record RuntimeCall(RuntimeVerb Verb, string Subject);
