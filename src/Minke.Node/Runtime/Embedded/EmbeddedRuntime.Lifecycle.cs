using System.Globalization;
using Microsoft.Extensions.Logging;
using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <content>From started to removed: the start, the end as conmon tells it, stopping, and taking everything away.</content>
public sealed partial class EmbeddedRuntime
{
    private const int StartErrorCode = 128;
    private const int UnknownExitCode = 255;

    /// <summary>A killed process that has not gone by then hangs in the kernel, and waiting longer helps nobody.</summary>
    private static readonly TimeSpan KillLimit = TimeSpan.FromSeconds(30);

    public async Task StartContainerAsync(ContainerId container, CancellationToken cancellationToken)
    {
        var entry = Require(container);
        await entry.Gate.WaitAsync(cancellationToken);
        try
        {
            if (entry.IsRemoved || entry.Progress.State != ContainerState.Created)
                throw new RuntimeException($"start container {container}: it is in state {entry.Progress.State}, not Created");
            if (Find(entry.Record.Sandbox) is not { Record.IsStopped: false })
                throw new RuntimeException($"start container {container}: its sandbox is not ready");
            await _lanes.RunAsync(() => Start(entry));
        }
        finally
        {
            entry.Gate.Release();
        }
        _events.Publish(new RuntimeEvent(RuntimeEventKind.Started, entry.Record.Sandbox, container));
        entry.Monitoring = MonitorAsync(entry);
    }

    public async Task StopContainerAsync(ContainerId container, TimeSpan grace, CancellationToken cancellationToken)
    {
        if (Find(container) is not { } entry || entry.Progress.State == ContainerState.Exited)
            return;
        if (grace > TimeSpan.Zero && entry.Process is { } process)
        {
            var signal = Processes.SignalNumber(entry.Record.StopSignal.Length > 0 ? entry.Record.StopSignal : "SIGTERM") ?? Processes.SIGTERM;
            try
            {
                Processes.Signal(process, signal);
                await entry.Exited.Task.WaitAsync(grace, _time, cancellationToken);
                return;
            }
            catch (TimeoutException)
            {
            }
            catch (ObjectDisposedException)
            {
                // It ended just now.
            }
        }
        await KillAsync(entry, cancellationToken);
    }

    public async Task RemoveContainerAsync(ContainerId container, CancellationToken cancellationToken)
    {
        if (Find(container) is not { } entry)
            return;
        await KillAsync(entry, cancellationToken);
        await entry.Gate.WaitAsync(cancellationToken);
        try
        {
            if (entry.IsRemoved)
                return;
            await _lanes.RunAsync(() => UnmakeContainer(entry.Record, entry.Runtime));
            entry.IsRemoved = true;
            lock (_gate)
                _containers.Remove(container);
        }
        finally
        {
            entry.Gate.Release();
        }
        _events.Publish(new RuntimeEvent(RuntimeEventKind.Removed, entry.Record.Sandbox, container));
    }

    public Task<ContainerStatus?> ContainerStatusAsync(ContainerId container, CancellationToken cancellationToken) =>
        Task.FromResult(Find(container)?.Status);

    public Task<IReadOnlyList<ContainerStatus>> ListContainersAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
            return Task.FromResult<IReadOnlyList<ContainerStatus>>(
                [.. _containers.Values.Select(entry => entry.Status).OrderBy(status => status.Id.Value, StringComparer.Ordinal)]);
    }

    private void Start(ContainerEntry entry)
    {
        var (record, runtime) = (entry.Record, entry.Runtime);
        int pid;
        try
        {
            pid = _conmon.Create(runtime, record.Id, record.Config, record.LogPath);
        }
        catch (Exception e) when (e is RuntimeException or IOException or TimeoutException)
        {
            throw FailStart(entry, e);
        }
        try
        {
            _seccomp.Learn(record.SeccompKey, $"{runtime.StateOf(record.Id)}/seccomp.bpf");
            var progress = new ContainerProgress
            {
                State = ContainerState.Running,
                Pid = pid,
                PidStartTicks = Processes.StartTicks(pid) ?? 0,
                ConmonPid = _conmon.MonitorPid(record.Id),
                StartedAt = _time.GetUtcNow(),
            };
            entry.Process = Processes.OpenPidFd(pid);
            // Recorded as running before it runs: a crash between the two finds it waiting, and ends it.
            Save(entry, progress);
            runtime.Start(record.Id);
        }
        catch (Exception e) when (e is RuntimeException or IOException)
        {
            throw FailStart(entry, e);
        }
    }

    private RuntimeException FailStart(ContainerEntry entry, Exception error)
    {
        var message = StartErrors.Explain(entry.Runtime, error.Message);
        try
        {
            Each($"undo the start of container {entry.Record.Id}",
                () => _cgroups.Kill(entry.Record.CgroupPath),
                () => _cgroups.Remove(entry.Record.CgroupPath),
                () => entry.Runtime.Delete(entry.Record.Id),
                () => File.Delete(_files.Exit(entry.Record.Id)));
        }
        catch (RuntimeException e)
        {
            LogUndoFailed(entry.Record.Id, e);
        }
        entry.Process?.Dispose();
        entry.Process = null;
        // containerd's values, which users of kubectl know: code 128, and a start in 1970.
        Save(entry, new ContainerProgress
        {
            State = ContainerState.Exited,
            StartedAt = DateTimeOffset.UnixEpoch,
            FinishedAt = _time.GetUtcNow(),
            ExitCode = StartErrorCode,
            Reason = "StartError",
            Message = message,
        });
        entry.Exited.TrySetResult();
        _events.Publish(new RuntimeEvent(RuntimeEventKind.Exited, entry.Record.Sandbox, entry.Record.Id));
        return new RuntimeException(message, error) { Reason = "RunContainerError" };
    }

    private async Task KillAsync(ContainerEntry entry, CancellationToken cancellationToken)
    {
        if (entry.Progress.State == ContainerState.Created)
        {
            await entry.Gate.WaitAsync(cancellationToken);
            try
            {
                if (entry.Progress.State == ContainerState.Created)
                {
                    Finish(entry, new ContainerProgress
                    {
                        State = ContainerState.Exited,
                        FinishedAt = _time.GetUtcNow(),
                        ExitCode = 128 + Processes.SIGKILL,
                        Reason = "Error",
                    });
                    return;
                }
            }
            finally
            {
                entry.Gate.Release();
            }
        }
        if (entry.Progress.State == ContainerState.Exited)
            return;
        try
        {
            if (entry.Process is { } process)
                Processes.Signal(process, Processes.SIGKILL);
        }
        catch (ObjectDisposedException)
        {
            // It ended just now.
        }
        if (!entry.Record.OwnsPidNamespace)
            await _lanes.RunAsync(() => _cgroups.Kill(entry.Record.CgroupPath));
        try
        {
            await entry.Exited.Task.WaitAsync(KillLimit, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw new RuntimeException($"kill container {entry.Record.Id}: it has not ended within {KillLimit.TotalSeconds}s");
        }
    }

    /// <summary>Reads names of ended containers until the runtime stops.</summary>
    private async Task WatchExitsAsync(Inotify exits)
    {
        try
        {
            await foreach (var name in exits.NamesAsync(_stopping.Token))
            {
                // Not one after the other: a container that is just being started would hold up everybody else's end.
                foreach (var ended in name is null ? Directory.EnumerateFiles(_files.Exits).Select(Path.GetFileName) : [name])
                {
                    if (Find(new ContainerId(ended!)) is { Recording.IsCompleted: true } entry)
                        entry.Recording = RecordExitAsync(entry.Record.Id);
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>Waits for the end of a container's monitor. When it ends without leaving an exit code, nobody else will.</summary>
    private async Task MonitorAsync(ContainerEntry entry)
    {
        try
        {
            using var process = Processes.OpenPidFd(entry.Progress.ConmonPid);
            if (process is not null && entry.Progress.ConmonPid > 0)
            {
                using var watch = _poller.Add(process);
                await watch.ReadableAsync().WaitAsync(_stopping.Token);
            }
            if (File.Exists(_files.Exit(entry.Record.Id)))
                await RecordExitAsync(entry.Record.Id);
            else
                await RecordLostAsync(entry);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
        }
    }

    private async Task RecordExitAsync(ContainerId container)
    {
        if (Find(container) is not { } entry || entry.Progress.State == ContainerState.Exited)
            return;
        try
        {
            await entry.Gate.WaitAsync(_stopping.Token);
        }
        catch (OperationCanceledException)
        {
            return; // The next process finds the exit code.
        }
        try
        {
            if (entry.Progress.State != ContainerState.Running)
                return;
            await _lanes.RunAsync(() => RecordExit(entry));
        }
        catch (Exception e) when (e is IOException or RuntimeException)
        {
            LogExitFailed(container, e);
        }
        finally
        {
            entry.Gate.Release();
        }
    }

    private void RecordExit(ContainerEntry entry)
    {
        var file = _files.Exit(entry.Record.Id);
        var code = int.TryParse(File.ReadAllText(file), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var parsed) ? parsed : UnknownExitCode;
        var outOfMemory = code != 0 && _cgroups.OutOfMemoryKills(entry.Record.CgroupPath) > 0;
        if (outOfMemory)
            _events.Publish(new RuntimeEvent(RuntimeEventKind.OutOfMemory, entry.Record.Sandbox, entry.Record.Id));
        Finish(entry, entry.Progress with
        {
            State = ContainerState.Exited,
            FinishedAt = File.GetLastWriteTimeUtc(file),
            ExitCode = code,
            Reason = outOfMemory ? "OOMKilled" : code == 0 ? "Completed" : "Error",
        });
        CleanUpAfterExit(entry);
    }

    private async Task RecordLostAsync(ContainerEntry entry)
    {
        await entry.Gate.WaitAsync(_stopping.Token);
        try
        {
            if (entry.Progress.State != ContainerState.Running)
                return;
            await _lanes.RunAsync(() =>
            {
                _cgroups.Kill(entry.Record.CgroupPath);
                Finish(entry, entry.Progress with
                {
                    State = ContainerState.Exited,
                    FinishedAt = _time.GetUtcNow(),
                    ExitCode = UnknownExitCode,
                    Reason = "Unknown",
                    Message = "the container's monitor (conmon) ended before it: its exit code is lost",
                });
                CleanUpAfterExit(entry);
            });
        }
        finally
        {
            entry.Gate.Release();
        }
    }

    private void Finish(ContainerEntry entry, ContainerProgress progress)
    {
        Save(entry, progress);
        entry.Process?.Dispose();
        entry.Process = null;
        entry.Exited.TrySetResult();
        _events.Publish(new RuntimeEvent(RuntimeEventKind.Exited, entry.Record.Sandbox, entry.Record.Id));
    }

    /// <summary>What an ended container no longer needs: its remaining processes, its cgroup, the OCI runtime's state.</summary>
    private void CleanUpAfterExit(ContainerEntry entry)
    {
        try
        {
            Each($"clean up after container {entry.Record.Id}",
                () => _cgroups.Kill(entry.Record.CgroupPath),
                () => _cgroups.Remove(entry.Record.CgroupPath),
                () => entry.Runtime.Delete(entry.Record.Id));
        }
        catch (RuntimeException e)
        {
            LogUndoFailed(entry.Record.Id, e);
        }
    }

    private void UnmakeContainer(ContainerRecord record, OciRuntime runtime) => Each($"remove container {record.Id}",
        () => _cgroups.Kill(record.CgroupPath),
        () => _cgroups.Remove(record.CgroupPath),
        () => runtime.Delete(record.Id),
        () => Unmount(record.Mounts),
        () => DeleteBundle(record.Id),
        () => Discard(_files.Container(record.Id)),
        () => File.Delete(_files.Exit(record.Id)));

    /// <summary>Deletes a bundle; never what is mounted in it.</summary>
    private void DeleteBundle(ContainerId container)
    {
        var bundle = _files.Bundle(container);
        if (!Directory.Exists(bundle))
            return;
        // A mount point cannot be removed, so a mount that is still there stops this before anything below it is touched.
        foreach (var mountPoint in Directory.EnumerateDirectories(bundle))
            Directory.Delete(mountPoint);
        Directory.Delete(bundle, recursive: true);
    }

    [LoggerMessage(LogLevel.Warning, "Could not clean up after container {Container}; removing it tries again")]
    private partial void LogUndoFailed(ContainerId container, Exception error);

    [LoggerMessage(LogLevel.Error, "Could not record the end of container {Container}")]
    private partial void LogExitFailed(ContainerId container, Exception error);
}
