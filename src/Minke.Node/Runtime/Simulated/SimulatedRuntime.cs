using System.Security.Cryptography;
using System.Text;

namespace Minke.Node.Runtime.Simulated;

/// <summary>
/// Pods that exist only in memory: for simulations of many nodes and for tests of whatever drives a runtime. It keeps the same
/// contract as the real ones; time passes as <paramref name="time"/> says, and delays, exits and failures happen as told.
/// </summary>
/// <remarks>
/// Without being told anything every verb succeeds at once, every container runs until stopped and every command returns 0.
/// The object stands for the machine: a restarted node agent goes on with the same instance.
/// </remarks>
public sealed class SimulatedRuntime(TimeProvider time, string nodeName = "node") : IContainerRuntime
{
    private readonly Lock _gate = new(); // guards every field below
    private readonly SortedDictionary<string, Sandbox> _sandboxes = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, Container> _containers = new(StringComparer.Ordinal);
    private readonly Dictionary<RuntimeVerb, TimeSpan> _delays = [];
    private readonly List<Fault> _faults = [];
    private readonly List<RuntimeCall> _calls = [];
    private readonly RuntimeEventHub _events = new();
    private int _lastId;
    private int _lastAddress;

    /// <summary>What a container does when it is started. By default it runs until it is stopped.</summary>
    public Func<SandboxConfig, ContainerConfig, SimulatedProgram> Programs { get; set; } = (_, _) => SimulatedProgram.RunsForever;

    /// <summary>What an executed command does. By default it succeeds silently.</summary>
    public Func<ContainerStatus, IReadOnlyList<string>, SimulatedCommand> Commands { get; set; } = (_, _) => new SimulatedCommand(0);

    /// <summary>Who answers on a pod's port. By default nobody listens.</summary>
    public Func<SandboxStatus, int, Stream?> Listeners { get; set; } = (_, _) => null;

    /// <summary>Use of resources, by container.</summary>
    public Func<ContainerStatus, ContainerStats>? Usage { get; set; }

    /// <summary>Writes each container's output to its log file, in CRI's format. Off: nothing touches the disk.</summary>
    public bool WritesLogs { get; set; }

    /// <summary>Every call so far, in order.</summary>
    public IReadOnlyList<RuntimeCall> Calls
    {
        get
        {
            lock (_gate)
                return [.. _calls];
        }
    }

    /// <summary>From now on the verb takes this long.</summary>
    public void Delay(RuntimeVerb verb, TimeSpan delay)
    {
        lock (_gate)
            _delays[verb] = delay;
    }

    /// <summary>
    /// Makes the verb fail with <paramref name="error"/> the next <paramref name="times"/> times, before it has done anything.
    /// <paramref name="subject"/> narrows it to one pod or container (see <see cref="RuntimeCall"/>).
    /// </summary>
    public void Fail(RuntimeVerb verb, Exception error, int times = 1, string? subject = null)
    {
        lock (_gate)
            _faults.Add(new Fault(verb, error, subject) { Left = times });
    }

    /// <summary>Ends a running container's first process by itself.</summary>
    public void Exit(ContainerId container, int exitCode)
    {
        lock (_gate)
            End(Require(container), exitCode, exitCode == 0 ? "Completed" : "Error");
    }

    /// <summary>Lets the kernel kill a running container for its memory.</summary>
    public void RunOutOfMemory(ContainerId container)
    {
        lock (_gate)
            EndByMemory(Require(container));
    }

    /// <summary>What a reboot leaves: sandboxes not ready, containers ended with an unknown status.</summary>
    public void Reboot()
    {
        lock (_gate)
        {
            foreach (var container in _containers.Values)
                End(container, 255, "Unknown");
            foreach (var sandbox in _sandboxes.Values)
                sandbox.Status = sandbox.Status with { State = SandboxState.NotReady };
        }
    }

    /// <summary>Appends a line to a container's log file, in CRI's format.</summary>
    public void Log(ContainerId container, string line, string stream = "stdout")
    {
        string path;
        lock (_gate)
            path = Require(container).Status.LogPath;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.AppendAllText(path, $"{time.GetUtcNow():yyyy-MM-dd'T'HH:mm:ss.fffffff'00Z'} {stream} F {line}\n");
    }

    public Task<RuntimeVersion> VersionAsync(CancellationToken cancellationToken) =>
        Task.FromResult(new RuntimeVersion("simulated", "1"));

    public async Task<SandboxId> RunSandboxAsync(SandboxConfig config, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.RunSandbox, $"{config.Namespace}/{config.Name}", cancellationToken);
        lock (_gate)
        {
            if (_sandboxes.Values.Any(other => other.Status.Config.Uid == config.Uid && other.Status.Config.Attempt == config.Attempt))
                throw new RuntimeException(
                    $"run sandbox of pod {config.Namespace}/{config.Name}: attempt {config.Attempt} of {config.Uid} exists already");
            var id = new SandboxId(NextId());
            _sandboxes.Add(id.Value, new Sandbox(new SandboxStatus
            {
                Id = id,
                Config = config,
                State = SandboxState.Ready,
                CreatedAt = time.GetUtcNow(),
                Ips = config.Network == NamespaceMode.Node ? [] : [NextAddress()],
            }));
            _events.Publish(new RuntimeEvent(RuntimeEventKind.Created, id, null));
            _events.Publish(new RuntimeEvent(RuntimeEventKind.Started, id, null));
            return id;
        }
    }

    public async Task StopSandboxAsync(SandboxId sandbox, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.StopSandbox, Subject(sandbox), cancellationToken);
        lock (_gate)
        {
            if (_sandboxes.TryGetValue(sandbox.Value, out var found))
                Stop(found);
        }
    }

    public async Task RemoveSandboxAsync(SandboxId sandbox, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.RemoveSandbox, Subject(sandbox), cancellationToken);
        lock (_gate)
        {
            if (!_sandboxes.TryGetValue(sandbox.Value, out var found))
                return;
            Stop(found);
            foreach (var container in _containers.Values.Where(container => container.Status.Sandbox == sandbox).ToList())
                Remove(container);
            _sandboxes.Remove(sandbox.Value);
            _events.Publish(new RuntimeEvent(RuntimeEventKind.Removed, sandbox, null));
        }
    }

    public async Task<SandboxStatus?> SandboxStatusAsync(SandboxId sandbox, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.Status, Subject(sandbox), cancellationToken);
        lock (_gate)
            return _sandboxes.GetValueOrDefault(sandbox.Value)?.Status;
    }

    public async Task<IReadOnlyList<SandboxStatus>> ListSandboxesAsync(CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.List, "", cancellationToken);
        lock (_gate)
            return [.. _sandboxes.Values.Select(sandbox => sandbox.Status)];
    }

    public async Task<ContainerId> CreateContainerAsync(SandboxId sandbox, ContainerConfig config, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.CreateContainer, $"{Subject(sandbox)}/{config.Name}", cancellationToken);
        lock (_gate)
        {
            if (!_sandboxes.TryGetValue(sandbox.Value, out var home))
                throw new RuntimeException($"create container {config.Name}: sandbox {sandbox} does not exist");
            if (home.Status.State != SandboxState.Ready)
                throw new RuntimeException($"create container {config.Name}: sandbox {sandbox} is not ready");
            if (_containers.Values.Any(other => other.Status.Sandbox == sandbox
                && other.Status.Config.Name == config.Name && other.Status.Config.Attempt == config.Attempt))
                throw new RuntimeException($"create container {config.Name}: attempt {config.Attempt} exists already in sandbox {sandbox}");
            var id = new ContainerId(NextId());
            _containers.Add(id.Value, new Container(new ContainerStatus
            {
                Id = id,
                Sandbox = sandbox,
                Config = config,
                State = ContainerState.Created,
                CreatedAt = time.GetUtcNow(),
                ImageId = config.ImageId,
                LogPath = Path.Combine(home.Status.Config.LogDirectory, config.LogPath),
                Uid = config.Security.RunAsUser ?? 0,
                Gid = config.Security.RunAsGroup ?? 0,
                SupplementalGroups = config.Security.SupplementalGroups,
            }, Programs(home.Status.Config, config)));
            _events.Publish(new RuntimeEvent(RuntimeEventKind.Created, sandbox, id));
            return id;
        }
    }

    public async Task StartContainerAsync(ContainerId container, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.StartContainer, Subject(container), cancellationToken);
        lock (_gate)
        {
            var found = Require(container);
            if (found.Status.State != ContainerState.Created)
                throw new RuntimeException($"start container {container}: it is in state {found.Status.State}, not Created");
            if (found.Program.StartError is { } error)
            {
                found.Status = found.Status with { StartedAt = DateTimeOffset.UnixEpoch };
                Finish(found, 128, "StartError", error);
                throw new RuntimeException(error) { Reason = "RunContainerError" };
            }
            found.Status = found.Status with { State = ContainerState.Running, StartedAt = time.GetUtcNow() };
            _events.Publish(new RuntimeEvent(RuntimeEventKind.Started, found.Status.Sandbox, container));
            if (WritesLogs)
            {
                foreach (var line in found.Program.Output)
                    Log(container, line);
            }
            if (found.Program.RunsFor is { } life)
                EndAfter(found, life, () =>
                {
                    if (found.Program.RunsOutOfMemory)
                        EndByMemory(found);
                    else
                        End(found, found.Program.ExitCode, found.Program.ExitCode == 0 ? "Completed" : "Error");
                });
        }
    }

    public async Task StopContainerAsync(ContainerId container, TimeSpan grace, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.StopContainer, Subject(container), cancellationToken);
        Task exited;
        lock (_gate)
        {
            if (!_containers.TryGetValue(container.Value, out var found) || found.Status.State == ContainerState.Exited)
                return;
            exited = found.Exited.Task;
            if (found.Status.State == ContainerState.Created)
            {
                End(found, 137, "Error");
                return;
            }
            if (found.Program.IgnoresStopSignal || found.Program.StopsAfter > grace || grace <= TimeSpan.Zero)
                EndAfter(found, grace, () => End(found, 137, "Error"));
            else
                EndAfter(found, found.Program.StopsAfter,
                    () => End(found, found.Program.StopExitCode, found.Program.StopExitCode == 0 ? "Completed" : "Error"));
        }
        await exited.WaitAsync(cancellationToken);
    }

    public async Task RemoveContainerAsync(ContainerId container, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.RemoveContainer, Subject(container), cancellationToken);
        lock (_gate)
        {
            if (!_containers.TryGetValue(container.Value, out var found))
                return;
            End(found, 137, "Error");
            Remove(found);
        }
    }

    public async Task<ContainerStatus?> ContainerStatusAsync(ContainerId container, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.Status, Subject(container), cancellationToken);
        lock (_gate)
            return _containers.GetValueOrDefault(container.Value)?.Status;
    }

    public async Task<IReadOnlyList<ContainerStatus>> ListContainersAsync(CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.List, "", cancellationToken);
        lock (_gate)
            return [.. _containers.Values.Select(container => container.Status)];
    }

    public async Task UpdateContainerResourcesAsync(
        ContainerId container, LinuxResources resources, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.UpdateResources, Subject(container), cancellationToken);
        lock (_gate)
        {
            var found = Require(container);
            found.Status = found.Status with { Config = found.Status.Config with { Resources = resources } };
        }
    }

    public async Task ReopenLogAsync(ContainerId container, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.ReopenLog, Subject(container), cancellationToken);
        lock (_gate)
            RequireRunning(container, "reopen the log of");
    }

    public async Task<ExecResult> ExecSyncAsync(
        ContainerId container, IReadOnlyList<string> command, TimeSpan timeout, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.Exec, Subject(container), cancellationToken);
        ContainerStatus status;
        lock (_gate)
            status = RequireRunning(container, "execute in").Status;
        var result = Commands(status, command);
        if (timeout > TimeSpan.Zero && result.Takes > timeout)
        {
            await Task.Delay(timeout, time, cancellationToken);
            throw new TimeoutException($"command {command[0]} timed out after {timeout.TotalSeconds:0.###}s");
        }
        if (result.Takes > TimeSpan.Zero)
            await Task.Delay(result.Takes, time, cancellationToken);
        return new ExecResult(result.ExitCode, Encoding.UTF8.GetBytes(result.Stdout), Encoding.UTF8.GetBytes(result.Stderr));
    }

    public async Task<IProcessStreams> ExecAsync(ContainerId container, ExecRequest request, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.Exec, Subject(container), cancellationToken);
        ContainerStatus status;
        lock (_gate)
            status = RequireRunning(container, "execute in").Status;
        return new SimulatedStreams(Commands(status, request.Command), request.Stdin, request.Stdout, request.Stderr && !request.Tty, time);
    }

    public async Task<IProcessStreams> AttachAsync(ContainerId container, AttachRequest request, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.Attach, Subject(container), cancellationToken);
        lock (_gate)
        {
            var found = RequireRunning(container, "attach to");
            return new SimulatedStreams(found.ExitCode.Task, request.Stdin && found.Status.Config.Stdin, request.Stdout,
                request.Stderr && !found.Status.Config.Tty);
        }
    }

    public async Task<Stream> PortForwardAsync(SandboxId sandbox, int port, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.PortForward, Subject(sandbox), cancellationToken);
        SandboxStatus status;
        lock (_gate)
        {
            if (!_sandboxes.TryGetValue(sandbox.Value, out var found) || found.Status.State != SandboxState.Ready)
                throw new RuntimeException($"forward port {port}: sandbox {sandbox} is not running");
            status = found.Status;
        }
        return Listeners(status, port)
            ?? throw new RuntimeException($"forward port {port} of pod {status.Config.Namespace}/{status.Config.Name}: connection refused");
    }

    public async Task<ContainerStats?> ContainerStatsAsync(ContainerId container, CancellationToken cancellationToken)
    {
        await EnterAsync(RuntimeVerb.Stats, Subject(container), cancellationToken);
        lock (_gate)
        {
            if (!_containers.TryGetValue(container.Value, out var found) || found.Status.State != ContainerState.Running)
                return null;
            return Usage?.Invoke(found.Status) ?? new ContainerStats
            {
                Timestamp = time.GetUtcNow(),
                CpuUsageNanoseconds = 0,
                MemoryUsageBytes = 0,
                MemoryWorkingSetBytes = 0,
            };
        }
    }

    public IAsyncEnumerable<RuntimeEvent> EventsAsync(CancellationToken cancellationToken) => _events.SubscribeAsync(cancellationToken);

    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            foreach (var container in _containers.Values)
                container.Timer?.Dispose();
        }
        _events.Complete();
        return ValueTask.CompletedTask;
    }

    private async Task EnterAsync(RuntimeVerb verb, string subject, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        TimeSpan delay;
        lock (_gate)
        {
            _calls.Add(new RuntimeCall(verb, subject));
            delay = _delays.GetValueOrDefault(verb);
        }
        if (delay > TimeSpan.Zero)
            await Task.Delay(delay, time, cancellationToken);
        lock (_gate)
        {
            var fault = _faults.Find(fault => fault.Verb == verb && (fault.Subject is null || fault.Subject == subject));
            if (fault is null)
                return;
            if (--fault.Left <= 0)
                _faults.Remove(fault);
            throw fault.Error;
        }
    }

    private string Subject(SandboxId sandbox)
    {
        lock (_gate)
            return _sandboxes.TryGetValue(sandbox.Value, out var found)
                ? $"{found.Status.Config.Namespace}/{found.Status.Config.Name}" : sandbox.Value;
    }

    private string Subject(ContainerId container)
    {
        lock (_gate)
            return _containers.TryGetValue(container.Value, out var found)
                ? $"{Subject(found.Status.Sandbox)}/{found.Status.Config.Name}" : container.Value;
    }

    private Container Require(ContainerId container) =>
        _containers.TryGetValue(container.Value, out var found)
            ? found : throw new RuntimeException($"container {container} does not exist");

    private Container RequireRunning(ContainerId container, string attempt) =>
        Require(container) is { Status.State: ContainerState.Running } found
            ? found : throw new RuntimeException($"{attempt} container {container}: it is not running");

    private void Stop(Sandbox sandbox)
    {
        foreach (var container in _containers.Values.Where(container => container.Status.Sandbox == sandbox.Status.Id).ToList())
            End(container, 137, "Error");
        if (sandbox.Status.State == SandboxState.NotReady)
            return;
        sandbox.Status = sandbox.Status with { State = SandboxState.NotReady };
        _events.Publish(new RuntimeEvent(RuntimeEventKind.Exited, sandbox.Status.Id, null));
    }

    private void Remove(Container container)
    {
        _containers.Remove(container.Status.Id.Value);
        _events.Publish(new RuntimeEvent(RuntimeEventKind.Removed, container.Status.Sandbox, container.Status.Id));
    }

    /// <summary>Whichever timer is due first ends the container: its own end, or the stop's.</summary>
    private void EndAfter(Container container, TimeSpan delay, Action end)
    {
        if (delay <= TimeSpan.Zero)
        {
            end();
            return;
        }
        var due = time.GetUtcNow() + delay;
        if (container.Timer is not null && container.DueAt <= due)
            return;
        container.Timer?.Dispose();
        container.DueAt = due;
        container.Timer = time.CreateTimer(_ =>
        {
            lock (_gate)
                end();
        }, null, delay, Timeout.InfiniteTimeSpan);
    }

    private void EndByMemory(Container container)
    {
        if (container.Status.State != ContainerState.Running)
            return;
        _events.Publish(new RuntimeEvent(RuntimeEventKind.OutOfMemory, container.Status.Sandbox, container.Status.Id));
        End(container, 137, "OOMKilled");
    }

    private void End(Container container, int exitCode, string reason)
    {
        if (container.Status.State is ContainerState.Running or ContainerState.Created)
            Finish(container, exitCode, reason, "");
    }

    private void Finish(Container container, int exitCode, string reason, string message)
    {
        container.Timer?.Dispose();
        container.Timer = null;
        container.Status = container.Status with
        {
            State = ContainerState.Exited,
            ExitCode = exitCode,
            Reason = reason,
            Message = message,
            FinishedAt = time.GetUtcNow(),
        };
        container.Exited.TrySetResult();
        container.ExitCode.TrySetResult(exitCode);
        _events.Publish(new RuntimeEvent(RuntimeEventKind.Exited, container.Status.Sandbox, container.Status.Id));
    }

    private string NextId() => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{nodeName}/{++_lastId}")));

    private string NextAddress()
    {
        var n = ++_lastAddress;
        return $"10.{42 + (n >> 16 & 0x3f)}.{n >> 8 & 0xff}.{n & 0xff}";
    }

    private sealed class Sandbox(SandboxStatus status)
    {
        public SandboxStatus Status { get; set; } = status;
    }

    private sealed class Container(ContainerStatus status, SimulatedProgram program)
    {
        public ContainerStatus Status { get; set; } = status;
        public SimulatedProgram Program { get; } = program;
        public ITimer? Timer { get; set; }
        public DateTimeOffset DueAt { get; set; }
        public TaskCompletionSource Exited { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public TaskCompletionSource<int> ExitCode { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed record Fault(RuntimeVerb Verb, Exception Error, string? Subject)
    {
        public int Left { get; set; }
    }
}
