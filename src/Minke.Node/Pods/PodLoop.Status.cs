using System.Globalization;
using Minke.Api;
using Minke.Api.Core.V1;
using ContainerState = Minke.Node.Runtime.ContainerState;
using ContainerStatus = Minke.Node.Runtime.ContainerStatus;

namespace Minke.Node.Pods;

/// <summary>Telling the API how the pod is: built anew after each step, written only when it differs, one write at a time.</summary>
internal sealed partial class PodLoop
{
    private const string StatusWork = "status";

    /// <summary>
    /// A pod that only goes on being prepared waits this long with saying so: most are running by then, and one write tells all.
    /// </summary>
    private static readonly TimeSpan PreparationShows = TimeSpan.FromMilliseconds(150);

    private PodStatus _published;
    private DateTimeOffset? _unpublishedSince;

    /// <summary>The newest object to write a status on: from the watch or from our own last write.</summary>
    private Pod _base;

    private PodStatus BuildStatus()
    {
        if (_rejection is not null)
            return PodStatusBuilder.Rejected(_pod, _rejection);
        // It had ended before we came: what is written about it is the last word.
        if (_wasTerminal)
            return _pod.Status;
        var view = _inStart is not { } start ? View : new PodView(View.Sandboxes,
            [.. View.Containers.Where(container => container.Config.Name != start.Name || container.Config.Attempt != start.Attempt)]);
        return PodStatusBuilder.Build(new PodStatusInput
        {
            Pod = _pod,
            Old = Status,
            View = view,
            Place = Place,
            Now = _time.GetUtcNow(),
            Health = _health,
            Waiting = _waiting,
            IsTerminal = _stage is Stage.Ended || (_stage is Stage.Ending && !View.HasRunningContainers),
            IsReadyToStartContainers = IsSandboxReady && (_areVolumesReady || View.Containers.Count > 0),
            Verdict = _verdict,
        });
    }

    private void Publish()
    {
        if (_stage == Stage.Gone)
            return;
        Status = BuildStatus();
        if (_isRemoved || IsOnlyHere || IsStatusWritten())
        {
            _unpublishedSince = null;
            return;
        }
        var now = _time.GetUtcNow();
        _unpublishedSince ??= now;
        var due = _unpublishedSince.Value + PreparationShows;
        if (IsStillPreparing(Status) && due > now)
        {
            WakeAt(due);
            return;
        }
        BeginWrite();
    }

    private bool IsStatusWritten() => !_work.ContainsKey(StatusWork) && Json.Same(Status, _published);

    private static bool IsStillPreparing(PodStatus status) =>
        status.Phase == PodPhase.Pending && status.Reason.Length == 0
        && status.InitContainerStatuses.Concat(status.ContainerStatuses)
            .All(container => container.State.Waiting is null or { Reason: "ContainerCreating" or "PodInitializing" });

    private void BeginWrite()
    {
        var (status, on) = (Status, _mirror ?? _base);
        Begin(StatusWork, async cancellationToken =>
        {
            for (var attempt = 0; ; attempt++)
            {
                try
                {
                    var written = await _api.UpdateStatusAsync(on with { Status = PodStatusBuilder.Merge(on.Status, status) }, cancellationToken);
                    return () => Wrote(status, on, written);
                }
                catch (StatusException e) when (e.Code == 409 && attempt < 5)
                {
                    // Somebody else wrote meanwhile: our part goes on top of theirs.
                    var current = await _api.TryGetAsync<Pod>(on.Metadata.Namespace, on.Metadata.Name, cancellationToken);
                    if (current is null || current.Metadata.Uid != on.Metadata.Uid)
                        return () => Wrote(status, on, null);
                    on = current;
                }
                catch (StatusException e) when (e.Code == 404)
                {
                    return () => Wrote(status, on, null);
                }
            }
        }, _lifetime);
    }

    private void Wrote(PodStatus status, Pod on, Pod? written)
    {
        Succeeded(StatusWork);
        _unpublishedSince = null;
        if (_pod.IsStatic)
        {
            WroteMirror(status, on, written);
            return;
        }
        _published = status;
        if (written is not null && IsNewer(written, _base))
            _base = written;
    }

    /// <summary>Resource versions are opaque to clients; where they are numbers, as in every store there is, the greater is the newer.</summary>
    private static bool IsNewer(Pod pod, Pod than) =>
        !ulong.TryParse(pod.Metadata.ResourceVersion, NumberStyles.None, CultureInfo.InvariantCulture, out var mine)
        || !ulong.TryParse(than.Metadata.ResourceVersion, NumberStyles.None, CultureInfo.InvariantCulture, out var other)
        || mine > other;

    /// <summary>What the container left as its last words, or, when asked for, the end of its log (kuberuntime: getTerminationMessage).</summary>
    private ContainerStatus WithTerminationMessage(ContainerStatus container)
    {
        if (container.State != ContainerState.Exited)
            return container;
        const int MaxBytes = 4096;
        const int MaxPodBytes = 12 * 1024;
        const int MaxLogBytes = 2048;
        const int MaxLogLines = 80;
        try
        {
            var limit = Math.Min(MaxBytes, MaxPodBytes / Math.Max(_pod.Spec.Containers.Count + _pod.Spec.InitContainers.Count, 1));
            var file = _node.Paths.TerminationMessage(Uid, container.Config.Name, container.Config.Attempt);
            var message = File.Exists(file) ? Logs.LogFiles.ReadEnd(file, limit) : "";
            if (message.Length == 0 && container.ExitCode != 0 && File.Exists(container.LogPath)
                && container.Config.Annotations.GetValueOrDefault(PodLabels.TerminationMessagePolicy) == TerminationMessagePolicy.FallbackToLogsOnError)
                message = Logs.LogFiles.LastLines(container.LogPath, MaxLogLines, MaxLogBytes);
            if (message.Length == 0)
                return container;
            return container with { Message = container.Message.Length == 0 ? message : container.Message + ": " + message };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return container with { Message = $"Error on reading termination message from logs: {e.Message}" };
        }
    }
}
