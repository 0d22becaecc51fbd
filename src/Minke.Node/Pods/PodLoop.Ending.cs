using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Node.Runtime;
using ContainerState = Minke.Node.Runtime.ContainerState;
using ContainerStatus = Minke.Node.Runtime.ContainerStatus;

namespace Minke.Node.Pods;

/// <summary>Stopping containers, one of them or all in order, and taking away what a pod leaves.</summary>
internal sealed partial class PodLoop
{
    private const string KillPodWork = "killpod";
    private const string TearDownWork = "teardown";
    private const string DeleteWork = "delete";
    private const string CleanUpWork = "cleanup";

    /// <summary>Every container gets at least this long between the signal and the kill (kuberuntime: minimumGracePeriodInSeconds).</summary>
    private const long MinGraceSeconds = 2;

    private CancellationTokenSource? _killing;
    private bool _isTornDown;
    private bool _isDeleteSent;

    private void BeginEnding()
    {
        _stage = Stage.Ending;
        _starting.Cancel();
        StepEnding();
    }

    private void StepEnding()
    {
        // A start under way has been told to stop; only what it made is known by then.
        if (IsWorking(StartWork) || IsWorking(SandboxWork) || IsWorking(VolumesWork))
            return;
        if (View.HasRunningContainers || View.NewestSandbox is { State: SandboxState.Ready })
        {
            BeginKillPod();
            return;
        }
        if (_work.ContainsKey(KillPodWork))
            return;
        _stage = Stage.Ended;
        StepEnded();
    }

    private void StepEnded()
    {
        if (!_isTornDown)
        {
            Begin(TearDownWork, async cancellationToken =>
            {
                await _volumes.TearDownAsync(Uid, cancellationToken);
                return () =>
                {
                    _isTornDown = true;
                    Succeeded(TearDownWork);
                };
            }, _lifetime);
            return;
        }
        // A mirror that is being made has to be known before it can be deleted.
        if (_work.ContainsKey(MirrorWork))
            return;
        if (_isRemoved && _mirror is not null && !_isDeleteSent)
            BeginDelete();
        else if (_isRemoved)
            BeginCleanUp();
        else if (_pod.IsDeleting && !_isDeleteSent && IsStatusWritten())
            BeginDelete();
    }

    /// <summary>The object may go now: nothing of the pod is left that it could stand for.</summary>
    private void BeginDelete() => Begin(DeleteWork, async cancellationToken =>
    {
        try
        {
            await _api.DeleteAsync<Pod>(_pod.Metadata.Namespace, _pod.Metadata.Name, new Minke.Api.Meta.V1.DeleteOptions
            {
                GracePeriodSeconds = 0,
                Preconditions = new Minke.Api.Meta.V1.Preconditions { Uid = ApiUid },
            }, cancellationToken);
        }
        catch (StatusException e) when (e.Code is 404 or 409)
        {
            // Gone already, or another pod of this name: either way not ours to delete.
        }
        return () =>
        {
            _isDeleteSent = true;
            Succeeded(DeleteWork);
        };
    }, _lifetime);

    private void BeginCleanUp() => Begin(CleanUpWork, async cancellationToken =>
    {
        foreach (var sandbox in _sandboxes.Values.ToList())
        {
            await _runtime.StopSandboxAsync(sandbox.Id, cancellationToken);
            await _runtime.RemoveSandboxAsync(sandbox.Id, cancellationToken);
        }
        NodePaths.RemoveTree(_node.Paths.Logs(_pod.Metadata.Namespace, _pod.Metadata.Name, Uid));
        NodePaths.RemoveTree(_node.Paths.Pod(Uid));
        return () =>
        {
            _images.Forget(_pod);
            _stage = Stage.Gone;
        };
    }, _lifetime);

    private void ShortenGrace() => _killing?.Cancel();

    private void BeginKillPod()
    {
        if (_work.ContainsKey(KillPodWork))
            return;
        _killing?.Dispose();
        _killing = CancellationTokenSource.CreateLinkedTokenSource(_lifetime);
        var running = View.Containers.Where(container => container.State == ContainerState.Running).ToList();
        var sandboxes = View.Sandboxes.Where(sandbox => sandbox.State == SandboxState.Ready).ToList();
        var order = new TerminationOrder(_pod, running, _time);
        var pod = _pod;
        Begin(KillPodWork, async cancellationToken =>
        {
            try
            {
                await Task.WhenAll(running.Select(container =>
                    KillAsync(pod, container, $"Stopping container {container.Config.Name}", KillReason.Other, order, cancellationToken)));
                foreach (var sandbox in sandboxes)
                    await _runtime.StopSandboxAsync(sandbox.Id, cancellationToken);
            }
            catch (RuntimeException e)
            {
                _events.Record(pod, "Warning", "FailedKillPod", $"error killing pod: {e.Message}");
                return () => RetryLater(KillPodWork);
            }
            finally
            {
                Post(() =>
                {
                    _staleContainers.UnionWith(running.Select(container => container.Id.Value));
                    _staleSandboxes.UnionWith(sandboxes.Select(sandbox => sandbox.Id.Value));
                });
            }
            return () => Succeeded(KillPodWork);
        }, _killing.Token);
    }

    private void BeginKill(ContainerKill kill)
    {
        if (_work.ContainsKey(KillPodWork) || !_containers.TryGetValue(kill.Id.Value, out var container))
            return;
        var pod = _pod;
        Begin(KillKey(kill.Id), async cancellationToken =>
        {
            await KillAsync(pod, container, kill.Message, kill.Reason, null, cancellationToken);
            var status = await _runtime.ContainerStatusAsync(kill.Id, cancellationToken);
            return () => Learn(kill.Id, status);
        }, _lifetime);
    }

    /// <summary>preStop, this container's turn, the stop signal: all within one grace period.</summary>
    private async Task KillAsync(
        Pod pod, ContainerStatus container, string message, KillReason reason, TerminationOrder? order, CancellationToken cancellationToken)
    {
        var name = container.Config.Name;
        var known = pod.FindContainer(name);
        var fieldPath = FieldPath(name, known?.Kind ?? ContainerKind.Main);
        _events.Record(pod, "Normal", "Killing", message, fieldPath);
        var grace = TimeSpan.FromSeconds(GraceSeconds(pod, known?.Container, reason));
        try
        {
            if (known is { Container.Lifecycle.PreStop: { } hook } && grace > TimeSpan.Zero && _preStopped.TryAdd(container.Id.Value, true))
                grace -= await RunPreStopAsync(pod, known.Value.Container, container.Id, hook, grace, fieldPath, cancellationToken);
            if (order is not null && grace > TimeSpan.Zero)
                grace -= await order.WaitForTurnAsync(name, grace, cancellationToken);
            if (grace < TimeSpan.FromSeconds(MinGraceSeconds))
                grace = TimeSpan.FromSeconds(MinGraceSeconds);
            await _runtime.StopContainerAsync(container.Id, grace, cancellationToken);
        }
        finally
        {
            order?.Ended(name);
        }
    }

    // Written by kills side by side. A hook runs once, however often the kill is begun anew with a shorter grace period.
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, bool> _preStopped = new(StringComparer.Ordinal);

    private async Task<TimeSpan> RunPreStopAsync(
        Pod pod, Container container, ContainerId id, LifecycleHandler hook, TimeSpan grace, string fieldPath, CancellationToken cancellationToken)
    {
        var startedAt = _time.GetTimestamp();
        using var deadline = new CancellationTokenSource(grace, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            if (await _hooks.RunAsync(pod, container, id, Place.PodIp, hook, linked.Token) is not null)
                _events.Record(pod, "Warning", "FailedPreStopHook", "PreStopHook failed", fieldPath);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            // The hook has used up the grace period.
        }
        return _time.GetElapsedTime(startedAt);
    }

    private static long GraceSeconds(Pod pod, Container? container, KillReason reason)
    {
        // A force delete still gives the kernel a moment (pod_workers.go: never less than 1).
        if (pod.Metadata.DeletionGracePeriodSeconds is { } deletion)
            return Math.Max(deletion, 1);
        if (pod.Spec.TerminationGracePeriodSeconds is not { } grace)
            return MinGraceSeconds;
        return reason switch
        {
            KillReason.StartupProbe => container?.StartupProbe?.TerminationGracePeriodSeconds ?? grace,
            KillReason.LivenessProbe => container?.LivenessProbe?.TerminationGracePeriodSeconds ?? grace,
            _ => grace,
        };
    }
}

/// <summary>
/// Who may be stopped when: the main containers at once; a sidecar after all of them and after the sidecars that were started after
/// it (kuberuntime_termination_order.go).
/// </summary>
internal sealed class TerminationOrder
{
    private readonly Dictionary<string, TaskCompletionSource> _ended = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<string>> _waitsFor = new(StringComparer.Ordinal);
    private readonly TimeProvider _time;

    public TerminationOrder(Pod pod, IReadOnlyList<ContainerStatus> running, TimeProvider time)
    {
        _time = time;
        foreach (var container in running)
            _ended[container.Config.Name] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var before = pod.Spec.Containers.Select(container => container.Name).Where(_ended.ContainsKey).ToList();
        for (var i = pod.Spec.InitContainers.Count - 1; i >= 0; i--)
        {
            var container = pod.Spec.InitContainers[i];
            if (!container.IsSidecar || !_ended.ContainsKey(container.Name))
                continue;
            _waitsFor[container.Name] = [.. before];
            before.Add(container.Name);
        }
    }

    /// <summary>Waits for those before it, at most <paramref name="grace"/>; gives the time it took.</summary>
    public async Task<TimeSpan> WaitForTurnAsync(string name, TimeSpan grace, CancellationToken cancellationToken)
    {
        if (!_waitsFor.TryGetValue(name, out var others))
            return TimeSpan.Zero;
        var startedAt = _time.GetTimestamp();
        try
        {
            await Task.WhenAll(others.Select(other => _ended[other].Task)).WaitAsync(grace, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            return grace;
        }
        return _time.GetElapsedTime(startedAt);
    }

    public void Ended(string name)
    {
        if (_ended.TryGetValue(name, out var ended))
            ended.TrySetResult();
    }
}
