using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <content>Commands in containers, attaching, port forwarding, resources and statistics.</content>
public sealed partial class EmbeddedRuntime
{
    /// <summary>What a command's output is cut to.</summary>
    private const int MaxOutputBytes = 16 * 1024;

    public async Task UpdateContainerResourcesAsync(ContainerId container, LinuxResources resources, CancellationToken cancellationToken)
    {
        var entry = Require(container);
        await entry.Gate.WaitAsync(cancellationToken);
        try
        {
            if (entry.Progress.State != ContainerState.Running)
                throw new RuntimeException($"update resources of container {container}: it is not running");
            await _lanes.RunAsync(() =>
            {
                _cgroups.Update(entry.Record.CgroupPath, HasHugePages(resources) ? resources : resources with { HugepageLimits = new Dictionary<string, long>() });
                Save(entry, entry.Progress with { Resources = resources });
            });
        }
        finally
        {
            entry.Gate.Release();
        }
    }

    public Task ReopenLogAsync(ContainerId container, CancellationToken cancellationToken)
    {
        RequireRunning(container, "reopen the log of");
        return _lanes.RunAsync(() => _conmon.ReopenLog(container));
    }

    public async Task<ExecResult> ExecSyncAsync(
        ContainerId container, IReadOnlyList<string> command, TimeSpan timeout, CancellationToken cancellationToken)
    {
        await using var session = await ExecAsync(container, new ExecRequest(command, false, true, true, false), cancellationToken);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = timeout > TimeSpan.Zero ? new CancellationTokenSource(timeout, _time) : new CancellationTokenSource();
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, timer.Token);
        try
        {
            var stdout = ReadCutAsync(session.Stdout!, both.Token);
            var stderr = ReadCutAsync(session.Stderr!, both.Token);
            var code = await session.WaitAsync(both.Token);
            return new ExecResult(code, await stdout, await stderr);
        }
        catch (OperationCanceledException) when (timer.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"command {string.Join(' ', command)} timed out after {timeout.TotalSeconds:0.###}s");
        }
    }

    public async Task<IProcessStreams> ExecAsync(ContainerId container, ExecRequest request, CancellationToken cancellationToken)
    {
        var entry = RequireRunning(container, "execute in");
        if (request.Command.Count == 0)
            throw new RuntimeException($"execute in container {container}: no command");
        try
        {
            return await _lanes.RunAsync(() => ExecSession.Start(entry.Runtime, container, request, _files, _poller));
        }
        catch (IOException e)
        {
            throw new RuntimeException($"execute {request.Command[0]} in container {container}: {e.Message}", e);
        }
    }

    public async Task<IProcessStreams> AttachAsync(ContainerId container, AttachRequest request, CancellationToken cancellationToken)
    {
        var entry = RequireRunning(container, "attach to");
        try
        {
            return await _lanes.RunAsync(() => new AttachSession(
                _conmon.ConnectAttach(container), _poller, entry.Record.Config, request, entry.Exited.Task, () => entry.Progress.ExitCode,
                (width, height) => _lanes.RunAsync(() => ResizeTerminal(entry.Progress.Pid, container, width, height))));
        }
        catch (IOException e)
        {
            throw new RuntimeException($"attach to container {container}: {e.Message}", e);
        }
    }

    /// <summary>
    /// Tells the terminal itself, by the descriptor the container's process has it open with: of two sizes that reach conmon together it was
    /// seen to lose one. conmon is told only when the process has closed its terminal.
    /// </summary>
    private void ResizeTerminal(int pid, ContainerId container, int width, int height)
    {
        try
        {
            using var terminal = Descriptors.OpenTerminal($"/proc/{pid}/fd/0");
            Terminals.Resize(terminal, width, height);
        }
        catch (Exception e) when (e is IOException or LinuxException)
        {
            _conmon.Resize(container, width, height);
        }
    }

    public async Task<Stream> PortForwardAsync(SandboxId sandbox, int port, CancellationToken cancellationToken)
    {
        if (Find(sandbox) is not { Record.IsStopped: false } entry)
            throw new RuntimeException($"forward port {port}: sandbox {sandbox} is not running");
        return await PortForward.ConnectAsync(entry.Record, port, cancellationToken);
    }

    public async Task<ContainerStats?> ContainerStatsAsync(ContainerId container, CancellationToken cancellationToken)
    {
        if (Find(container) is not { Progress.State: ContainerState.Running } entry)
            return null;
        return await _lanes.RunAsync(() =>
        {
            if (_cgroups.Usage(entry.Record.CgroupPath) is not { } usage)
                return null;
            return new ContainerStats
            {
                Timestamp = _time.GetUtcNow(),
                CpuUsageNanoseconds = usage.CpuNanoseconds,
                MemoryUsageBytes = usage.MemoryBytes,
                MemoryWorkingSetBytes = Math.Max(0, usage.MemoryBytes - usage.InactiveFileBytes),
                MemoryRssBytes = usage.RssBytes,
                Pids = usage.Pids,
                WritableLayerBytes = entry.LayerUsage.Read(_files.Container(container, "upper"), _time),
            };
        });
    }

    private static async Task<byte[]> ReadCutAsync(Stream stream, CancellationToken cancellationToken)
    {
        using var kept = new MemoryStream();
        var buffer = new byte[8192];
        int read;
        while ((read = await stream.ReadAsync(buffer, cancellationToken)) > 0)
            kept.Write(buffer.AsSpan(0, (int)Math.Min(read, MaxOutputBytes - kept.Length)));
        return kept.ToArray();
    }
}
