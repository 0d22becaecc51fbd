using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client;
using Minke.Node.Pods.Environment;
using Minke.Node.Pods.Probes;
using Minke.Node.Runtime;
using Minke.Node.Volumes;
using ContainerState = Minke.Node.Runtime.ContainerState;
using ContainerStatus = Minke.Node.Runtime.ContainerStatus;

namespace Minke.Node.Pods;

/// <summary>
/// One pod on this node, from its first sight to its last trace: the kubelet's pod worker as one loop that is woken by what happens
/// and by nothing else.
/// </summary>
/// <remarks>
/// <code>
///            deleted · gone from the API · finished · past its deadline · evicted
///  Running ───────────────────────────────────────────────────────────────────────▶ Ending
///  volumes ∥ sandbox ∥ images, then containers as PodPlan says          containers stopped in order, sandbox stopped
///                                                                                     │
///  Gone ◀──── gone from the API: sandboxes, logs and files removed ──── Ended ◀───────┘
///                                                        volumes gone, last status written, then deleted from the API
/// </code>
/// All fields are owned by the loop: others post to its mailbox and read <see cref="View"/> and <see cref="Status"/>. Long work runs
/// beside the loop, by key, one of a key at a time, and posts what it found.
/// </remarks>
internal sealed partial class PodLoop : IDisposable
{
    private enum Stage { Running, Ending, Ended, Gone }

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(10);

    private readonly NodeSettings _node;
    private readonly Func<PodPlace> _place;
    private readonly IContainerRuntime _runtime;
    private readonly PodImages _images;
    private readonly IPodVolumes _volumes;
    private readonly ContainerEnvironment _environment;
    private readonly SourceWatches _sources;
    private readonly IProber _prober;
    private readonly LifecycleHooks _hooks;
    private readonly IApiClient _api;
    private readonly EventRecorder _events;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Action<SandboxId, PodLoop> _registerSandbox;

    private readonly Channel<Action> _mail = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Dictionary<string, Task> _work = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (int Failures, DateTimeOffset At)> _retries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SandboxStatus> _sandboxes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ContainerStatus> _containers = new(StringComparer.Ordinal);
    private readonly HashSet<string> _staleSandboxes = new(StringComparer.Ordinal);
    private readonly HashSet<string> _staleContainers = new(StringComparer.Ordinal);
    private readonly Dictionary<ContainerId, ContainerHealth> _health = [];
    private readonly Dictionary<string, WaitingReason> _waiting = new(StringComparer.Ordinal);
    private readonly Backoff _crashes;
    private readonly ITimer _alarm;

    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Pod _pod;
    private Stage _stage;
    private bool _isRemoved;
    private PodVerdict? _verdict;
    private readonly PodVerdict? _rejection;
    private readonly bool _wasTerminal;
    private DateTimeOffset? _wakeAt;

    /// <summary>Cancelled when the pod begins to end: pulls, preparations and hooks of starts stop.</summary>
    private readonly CancellationTokenSource _starting = new();

    /// <summary>Cancelled when the node stops: the containers go on.</summary>
    private CancellationToken _lifetime;

    public PodLoop(
        Pod pod, PodView adopted, NodeSettings node, Func<PodPlace> place, IContainerRuntime runtime, PodImages images, IPodVolumes volumes,
        ContainerEnvironment environment, SourceWatches sources, IProber prober, IApiClient api, EventRecorder events, TimeProvider time, ILogger logger,
        Action<SandboxId, PodLoop> registerSandbox, PodVerdict? rejection = null)
    {
        _rejection = rejection;
        (_pod, _node, _place, _runtime, _images, _volumes, _environment) = (pod, node, place, runtime, images, volumes, environment);
        (_sources, _prober, _api, _events, _time, _logger, _registerSandbox) = (sources, prober, api, events, time, logger, registerSandbox);
        _hooks = new LifecycleHooks(runtime, prober, time);
        _crashes = Backoff.ForContainers(time);
        _alarm = time.CreateTimer(_ => Post(() => { }), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _published = pod.Status;
        _base = pod;
        Status = pod.Status;
        foreach (var sandbox in adopted.Sandboxes)
        {
            _sandboxes[sandbox.Id.Value] = sandbox;
            registerSandbox(sandbox.Id, this);
        }
        foreach (var container in adopted.Containers)
        {
            _containers[container.Id.Value] = WithTerminationMessage(container);
            Adopt(container);
        }
        View = PodView.Of(_sandboxes.Values, _containers.Values);
        _wasTerminal = pod.IsTerminal && !View.HasRunningContainers && View.NewestSandbox is not { State: SandboxState.Ready };
        _stage = rejection is not null || _wasTerminal ? Stage.Ended : Stage.Running;
    }

    public string Uid => _pod.Uid;

    /// <summary>The pod as last seen. Replaced as a whole.</summary>
    public Pod Pod => _pod;

    /// <summary>What the runtime has of it. Replaced as a whole.</summary>
    public PodView View { get; private set; }

    /// <summary>The status last built. Replaced as a whole.</summary>
    public PodStatus Status { get; private set; }

    /// <summary>Completes at the next change of <see cref="View"/> or <see cref="Status"/>.</summary>
    public Task NextChange => _changed.Task;

    /// <summary>Nothing of it uses the node's resources any more.</summary>
    public bool HasEnded => _stage is Stage.Ended or Stage.Gone;

    /// <summary>The pod's object changed.</summary>
    public void Update(Pod pod) => Post(() =>
    {
        var isNewer = IsNewer(pod, _base);
        if (isNewer)
        {
            _base = pod;
            _published = pod.Status;
        }
        var graceShrank = pod.Metadata.DeletionGracePeriodSeconds < (_pod.Metadata.DeletionGracePeriodSeconds ?? long.MaxValue);
        _pod = pod;
        if (graceShrank && _stage == Stage.Ending)
            ShortenGrace();
        if (_stage == Stage.Running && _areVolumesReady)
            _volumes.Changed(pod, _place());
    });

    /// <summary>The pod's object is gone: whatever still runs is stopped, and then everything is removed.</summary>
    public void Remove() => Post(() => _isRemoved = true);

    /// <summary>Something happened to one of its sandboxes or containers.</summary>
    public void Notice(RuntimeEvent happened) => Post(() =>
    {
        if (happened.Container is { } container)
            _staleContainers.Add(container.Value);
        else
            _staleSandboxes.Add(happened.Sandbox.Value);
    });

    /// <summary>It is ended because of something outside of it: eviction.</summary>
    public void Evict(PodVerdict verdict) => Post(() =>
    {
        if (_stage != Stage.Running)
            return;
        _verdict = verdict;
        _events.Record(_pod, "Warning", verdict.Reason, verdict.Message);
    });

    /// <summary>A ConfigMap or Secret it waits for has come or changed: what failed for want of it is tried again at once.</summary>
    public void SourceChanged() => Post(_missingSources.Clear);

    /// <summary>Runs until the last trace of the pod is gone, or the node stops.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _lifetime = cancellationToken;
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            Step();
            while (_stage != Stage.Gone && await _mail.Reader.WaitToReadAsync(cancellationToken))
            {
                while (_mail.Reader.TryRead(out var letter))
                    letter();
                if (_staleContainers.Count > 0 || _staleSandboxes.Count > 0)
                    await RefreshAsync(cancellationToken);
                Step();
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
        finally
        {
            await _alarm.DisposeAsync();
            await _starting.CancelAsync();
            await StopProbesAsync();
            _sources.Set(Uid, []);
            await Task.WhenAll(_work.Values).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _mail.Writer.TryComplete();
            TellChange();
            Dispose();
        }
    }

    public void Dispose()
    {
        _starting.Dispose();
        _killing?.Dispose();
        _alarm.Dispose();
    }

    private void Post(Action letter) => _mail.Writer.TryWrite(letter);

    private void Step()
    {
        _wakeAt = _staleContainers.Count > 0 || _staleSandboxes.Count > 0 ? _time.GetUtcNow() + FirstRetry : null;
        View = PodView.Of(_sandboxes.Values, _containers.Values);
        try
        {
            SyncMirror();
            switch (_stage)
            {
                case Stage.Running:
                    StepRunning();
                    break;
                case Stage.Ending:
                    StepEnding();
                    break;
                case Stage.Ended:
                    StepEnded();
                    break;
                default:
                    break;
            }
            SyncProbes();
            Publish();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // One pod's mistake is not the node's end; it is tried again, and again seen.
            LogStepFailed(e, _pod.Described);
            WakeAt(_time.GetUtcNow() + LastRetry);
        }
        SetAlarm();
        TellChange();
    }

    private void TellChange()
    {
        var changed = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.TrySetResult();
    }

    private void StepRunning()
    {
        if (_isRemoved || _pod.IsDeleting || _verdict is not null)
        {
            BeginEnding();
            return;
        }
        if (_pod.Spec.ActiveDeadlineSeconds is { } seconds && Status.StartTime is { } since)
        {
            var deadline = since.ToDateTimeOffset() + TimeSpan.FromSeconds(seconds);
            if (deadline <= _time.GetUtcNow())
            {
                _verdict = new("DeadlineExceeded", "Pod was active on the node longer than the specified deadline");
                _events.Record(_pod, "Normal", _verdict.Reason, _verdict.Message);
                BeginEnding();
                return;
            }
            WakeAt(deadline);
        }
        Status = BuildStatus();
        if (Status.Phase is PodPhase.Failed or PodPhase.Succeeded)
        {
            BeginEnding();
            return;
        }

        if (!_areVolumesReady)
            BeginVolumes();
        var plan = PodPlan.For(_pod, View, _health);
        if (plan.KillsPod && (View.HasRunningContainers || View.NewestSandbox is { State: SandboxState.Ready }))
        {
            BeginKillPod();
            return;
        }
        foreach (var kill in plan.ContainersToKill)
            BeginKill(kill);
        if (plan.CreatesSandbox)
            BeginSandbox(plan);
        StartContainers(plan);
    }

    /// <summary>Begins work unless the same is under way or waits for its next try. What it returns runs on the loop.</summary>
    private bool Begin(string key, Func<CancellationToken, Task<Action>> work, CancellationToken cancellationToken)
    {
        if (_work.ContainsKey(key))
            return false;
        if (_retries.TryGetValue(key, out var retry) && retry.At > _time.GetUtcNow())
        {
            WakeAt(retry.At);
            return false;
        }
        _work[key] = RunWorkAsync(key, work, cancellationToken);
        return true;
    }

    private async Task RunWorkAsync(string key, Func<CancellationToken, Task<Action>> work, CancellationToken cancellationToken)
    {
        Action done;
        try
        {
            done = await work(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested || _lifetime.IsCancellationRequested)
        {
            done = () => { };
        }
        catch (Exception e)
        {
            if (e is not (RuntimeException or StatusException or IOException or TimeoutException))
                LogWorkFailed(e, key, _pod.Described);
            else
                LogWorkRetried(key, _pod.Described, e.Message);
            done = () => RetryLater(key);
        }
        Post(() =>
        {
            _work.Remove(key);
            if (key == StartWork)
                _inStart = null;
            done();
        });
    }

    private void RetryLater(string key) => RetryLater(key, FirstRetry, LastRetry);

    private void RetryLater(string key, TimeSpan first, TimeSpan last)
    {
        var failures = _retries.GetValueOrDefault(key).Failures + 1;
        var delay = first * Math.Pow(2, Math.Min(failures - 1, 16));
        _retries[key] = (failures, _time.GetUtcNow() + (delay < last ? delay : last));
    }

    private void Succeeded(string key) => _retries.Remove(key);

    private void WakeAt(DateTimeOffset at)
    {
        if (_wakeAt is null || at < _wakeAt)
            _wakeAt = at;
    }

    private void SetAlarm()
    {
        if (_wakeAt is not { } at)
        {
            _alarm.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            return;
        }
        var delay = at - _time.GetUtcNow();
        // A timer may fire a moment early; a whole millisecond up keeps it from spinning.
        _alarm.Change(delay > TimeSpan.Zero ? TimeSpan.FromMilliseconds(Math.Ceiling(delay.TotalMilliseconds)) : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (var id in _staleContainers.ToList())
            {
                Learn(new ContainerId(id), await _runtime.ContainerStatusAsync(new ContainerId(id), cancellationToken));
                _staleContainers.Remove(id);
            }
            foreach (var id in _staleSandboxes.ToList())
            {
                Learn(new SandboxId(id), await _runtime.SandboxStatusAsync(new SandboxId(id), cancellationToken));
                _staleSandboxes.Remove(id);
            }
        }
        catch (Exception e) when (e is RuntimeException or IOException or TimeoutException)
        {
            // What is still stale is asked for again when the alarm set by the step wakes us.
            LogWorkRetried("refresh", _pod.Described, e.Message);
        }
    }

    private void Learn(ContainerId id, ContainerStatus? status)
    {
        if (status is null)
        {
            _containers.Remove(id.Value);
            _health.Remove(id);
            return;
        }
        var before = _containers.GetValueOrDefault(id.Value);
        if (status.State == ContainerState.Exited)
            status = before is { State: ContainerState.Exited } ? before : WithTerminationMessage(status);
        _containers[id.Value] = status;
    }

    private void Learn(SandboxId id, SandboxStatus? status)
    {
        if (status is null)
            _sandboxes.Remove(id.Value);
        else
            _sandboxes[id.Value] = status;
    }

    private bool IsWorking(string prefix) => _work.Keys.Any(key => key.StartsWith(prefix, StringComparison.Ordinal));

    private static string FieldPath(string container, ContainerKind kind) => kind switch
    {
        ContainerKind.Init => $"spec.initContainers{{{container}}}",
        ContainerKind.Ephemeral => $"spec.ephemeralContainers{{{container}}}",
        _ => $"spec.containers{{{container}}}",
    };

    [LoggerMessage(LogLevel.Error, "{Work} of pod {Pod} failed")]
    private partial void LogWorkFailed(Exception exception, string work, string pod);

    [LoggerMessage(LogLevel.Warning, "{Work} of pod {Pod} failed, again soon: {Error}")]
    private partial void LogWorkRetried(string work, string pod, string error);

    [LoggerMessage(LogLevel.Error, "Pod {Pod} could not be planned")]
    private partial void LogStepFailed(Exception exception, string pod);
}
