using Minke.Api.Core.V1;
using Minke.Node.Pods.Probes;
using Minke.Node.Runtime;
using ContainerState = Minke.Node.Runtime.ContainerState;
using ContainerStatus = Minke.Node.Runtime.ContainerStatus;

namespace Minke.Node.Pods;

/// <summary>Keeps a worker for each probe that applies to a running instance, and takes their verdicts.</summary>
internal sealed partial class PodLoop
{
    private readonly Dictionary<(ContainerId Id, ProbeKind Kind), (CancellationTokenSource Stop, Task Task)> _probes = [];

    private void SyncProbes()
    {
        foreach (var key in _probes.Keys.Where(key => !Applies(key.Id, key.Kind)).ToList())
        {
            // Its task ends by itself; what it says from now on is not listened to.
            _probes[key].Stop.Cancel();
            _probes.Remove(key);
        }
        if (_stage is Stage.Ended or Stage.Gone)
            return;
        foreach (var (container, kind) in _pod.AllContainers)
        {
            if (container is { StartupProbe: null, LivenessProbe: null, ReadinessProbe: null } || kind == ContainerKind.Ephemeral)
                continue;
            if (View.Latest(container.Name) is not { State: ContainerState.Running } instance || _inStart is { } start && start.Name == container.Name)
                continue;
            var health = _health.GetValueOrDefault(instance.Id, ContainerHealth.None);
            var isStarted = container.StartupProbe is null || health.Startup == Verdict.Success;
            if (!isStarted)
            {
                if (_stage == Stage.Running && health.Startup != Verdict.Failure)
                    Probe(instance, container, kind, ProbeKind.Startup, container.StartupProbe);
                continue;
            }
            if (_stage == Stage.Running && health.Liveness != Verdict.Failure)
                Probe(instance, container, kind, ProbeKind.Liveness, container.LivenessProbe);
            Probe(instance, container, kind, ProbeKind.Readiness, container.ReadinessProbe);
        }
    }

    private bool Applies(ContainerId id, ProbeKind kind) =>
        _containers.TryGetValue(id.Value, out var instance) && instance.State == ContainerState.Running
        && (_stage == Stage.Running || (_stage == Stage.Ending && kind == ProbeKind.Readiness));

    private void Probe(ContainerStatus instance, Container container, ContainerKind containerKind, ProbeKind kind, Probe? probe)
    {
        var key = (instance.Id, kind);
        if (probe is null || _probes.ContainsKey(key))
            return;
        var stop = CancellationTokenSource.CreateLinkedTokenSource(_lifetime);
        var target = new ProbeTarget { Pod = _pod, Container = container, Id = instance.Id, PodIp = Place.PodIp };
        var worker = new ProbeWorker(
            target, kind, probe, FieldPath(container.Name, containerKind), instance.StartedAt ?? instance.CreatedAt, _prober, _events, _time);
        _probes[key] = (stop, RunProbeAsync(worker, instance.Id, kind, stop.Token));
    }

    private async Task RunProbeAsync(ProbeWorker worker, ContainerId id, ProbeKind kind, CancellationToken cancellationToken)
    {
        try
        {
            await worker.RunAsync(verdict => Post(() => Judge(id, kind, verdict)), cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
        catch (Exception e)
        {
            LogWorkFailed(e, "probe", _pod.Described);
        }
    }

    private void Judge(ContainerId id, ProbeKind kind, Verdict verdict)
    {
        if (!_containers.ContainsKey(id.Value))
            return;
        var health = _health.GetValueOrDefault(id, ContainerHealth.None);
        _health[id] = kind switch
        {
            ProbeKind.Startup => health with { Startup = verdict },
            ProbeKind.Liveness => health with { Liveness = verdict },
            _ => health with { Readiness = verdict },
        };
    }

    /// <summary>A container that was started and ready when we went away is so until its probes say otherwise: a restart of the node disturbs nobody.</summary>
    private void Adopt(ContainerStatus container)
    {
        if (container.State != ContainerState.Running || _pod.StatusOf(container.Config.Name) is not { } status
            || PodStatusBuilder.IdOf(status.ContainerID) != container.Id.Value)
            return;
        _health[container.Id] = new(
            status.Started == true ? Verdict.Success : Verdict.None, Verdict.None, status.Ready ? Verdict.Success : Verdict.None);
    }

    private async Task StopProbesAsync()
    {
        foreach (var (stop, _) in _probes.Values)
            await stop.CancelAsync();
        await Task.WhenAll(_probes.Values.Select(probe => probe.Task)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var (stop, _) in _probes.Values)
            stop.Dispose();
    }
}
