using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.Logging;
using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <content>The start of a process after another: what is recorded is taken up, what is not complete is removed.</content>
public sealed partial class EmbeddedRuntime
{
    private async Task RecoverAsync(CancellationToken cancellationToken)
    {
        await _lanes.RunAsync(() =>
        {
            _hybrid?.Claim();
            _runtimes.Get("");
            _cgroups.Prepare();
        });
        // Watch first, list afterwards: an exit between the two is seen twice, never missed.
        _exits = new Inotify(_poller, _files.Exits);
        await _lanes.RunAsync(() =>
        {
            ReadSandboxes();
            ReadContainers();
            RemoveStrays();
        });
        await _network.RecoverAsync(_sandboxes.Values.Where(entry => entry.Record is { IsStopped: false, NetworkNamespace.Length: > 0 })
            .Select(entry => entry.Record.Id).ToHashSet(), cancellationToken);
        _exitLoop = WatchExitsAsync(_exits);
        foreach (var entry in _containers.Values.Where(entry => entry.Progress.State == ContainerState.Running))
        {
            if (File.Exists(_files.Exit(entry.Record.Id)))
                await RecordExitAsync(entry.Record.Id);
            else
                entry.Monitoring = MonitorAsync(entry);
        }
        LogRecovered(_sandboxes.Count, _containers.Count);
    }

    private void ReadSandboxes()
    {
        foreach (var directory in Directory.EnumerateDirectories(_files.Sandboxes))
        {
            var id = new SandboxId(Path.GetFileName(directory));
            if (TryRead($"{directory}/sandbox.json", EmbeddedJson.Default.SandboxRecord) is not { } record)
            {
                LogHalfMade(directory);
                DeleteDirectory(directory);
                DeleteDirectory(_files.Shared(id));
                continue;
            }
            var entry = new SandboxEntry(record, _runtimes.Get(record.Config.RuntimeHandler));
            var isLost = record.BootId != _bootId || (record.Config.Pid == NamespaceMode.Pod && !IsInitAlive(record));
            if (isLost && !record.IsStopped)
            {
                entry.Record = record with { IsStopped = true };
                Save(entry.Record);
            }
            _sandboxes.Add(id, entry);
        }
        foreach (var directory in Directory.EnumerateDirectories(_files.Namespaces))
        {
            var id = new SandboxId(Path.GetFileName(directory));
            if (!_sandboxes.ContainsKey(id))
                UnpinSandbox(id);
        }
    }

    private void ReadContainers()
    {
        foreach (var directory in Directory.EnumerateDirectories(_files.Containers))
        {
            var id = new ContainerId(Path.GetFileName(directory));
            var record = TryRead($"{directory}/container.json", EmbeddedJson.Default.ContainerRecord);
            if (record is null || !_sandboxes.TryGetValue(record.Sandbox, out var home))
            {
                LogHalfMade(directory);
                if (record is not null)
                    _cgroups.Kill(record.CgroupPath);
                RemoveStrayBundle(id);
                DeleteDirectory(directory);
                continue;
            }
            var progress = TryRead(StatusFile(id, ContainerState.Exited), EmbeddedJson.Default.ContainerProgress)
                ?? TryRead(StatusFile(id, ContainerState.Running), EmbeddedJson.Default.ContainerProgress)
                ?? new ContainerProgress();
            var entry = new ContainerEntry(record, progress, home.Runtime);
            _containers.Add(id, entry);
            TakeUp(entry);
        }
        foreach (var directory in Directory.EnumerateDirectories(_files.Bundles))
        {
            var id = new ContainerId(Path.GetFileName(directory));
            if (!_containers.ContainsKey(id))
                RemoveStrayBundle(id);
        }
    }

    private void RemoveStrayBundle(ContainerId id)
    {
        if (!Directory.Exists(_files.Bundle(id)))
            return;
        foreach (var mountPoint in Directory.EnumerateDirectories(_files.Bundle(id)))
            Mounts.Unmount(mountPoint);
        DeleteBundle(id);
    }

    private void TakeUp(ContainerEntry entry)
    {
        var progress = entry.Progress;
        switch (progress.State)
        {
            case ContainerState.Exited:
                entry.Exited.TrySetResult();
                break;

            case ContainerState.Created when entry.Record.BootId != _bootId || Directory.Exists(entry.Runtime.StateOf(entry.Record.Id)):
                // Its root file system went with the reboot, or the process before us ended within the start.
                GiveUp(entry, "the start was interrupted");
                break;

            case ContainerState.Running when entry.Record.BootId != _bootId:
                GiveUp(entry, "the machine was started anew");
                break;

            case ContainerState.Running when entry.Runtime.IsCrun && entry.Runtime.IsWaiting(entry.Record.Id):
                GiveUp(entry, "the start was interrupted");
                break;

            case ContainerState.Running when Processes.StartTicks(progress.Pid) == progress.PidStartTicks:
                entry.Process = Processes.OpenPidFd(progress.Pid);
                break;
        }
        // Anything else: it has ended, and its monitor has left an exit code, is about to, or is gone too.
    }

    private void GiveUp(ContainerEntry entry, string why)
    {
        _cgroups.Kill(entry.Record.CgroupPath);
        Finish(entry, entry.Progress with
        {
            State = ContainerState.Exited,
            FinishedAt = _time.GetUtcNow(),
            ExitCode = UnknownExitCode,
            Reason = "Unknown",
            Message = why,
        });
        CleanUpAfterExit(entry);
    }

    /// <summary>Cgroups of pods that no record knows, exit codes of containers nobody knows, and what was being deleted.</summary>
    private void RemoveStrays()
    {
        _discarding = _sweeper.RunAsync(() =>
        {
            foreach (var left in Directory.EnumerateDirectories(_files.Trash))
                DeleteDirectory(left);
        });
        var known = _sandboxes.Values.Select(entry => PodCgroup(entry.Record.Config)).ToHashSet(StringComparer.Ordinal);
        foreach (var pod in _cgroups.ListPods().Where(pod => !known.Contains(pod)))
        {
            LogHalfMade(pod);
            _cgroups.Kill(pod);
            _cgroups.Remove(pod);
        }
        foreach (var exit in Directory.EnumerateFiles(_files.Exits))
        {
            if (!_containers.ContainsKey(new ContainerId(Path.GetFileName(exit))))
                File.Delete(exit);
        }
    }

    private static T? TryRead<T>(string path, JsonTypeInfo<T> type) where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return null;
        }
    }

    [LoggerMessage(LogLevel.Information, "Took up {Sandboxes} sandboxes and {Containers} containers")]
    private partial void LogRecovered(int sandboxes, int containers);

    [LoggerMessage(LogLevel.Warning, "Removing {What}: it was never completed")]
    private partial void LogHalfMade(string what);
}
