using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Node.Runtime;
using ApiContainerState = Minke.Api.Core.V1.ContainerState;
using ApiContainerStatus = Minke.Api.Core.V1.ContainerStatus;
using ContainerState = Minke.Node.Runtime.ContainerState;
using ContainerStatus = Minke.Node.Runtime.ContainerStatus;

namespace Minke.Node.Pods;

/// <summary>Why a container does not run, as its waiting state shows it. Without a reason: it comes along, and this is how far it is.</summary>
public sealed record WaitingReason(string Reason, string Message);

/// <summary>A phase with a cause the containers do not show: evicted, past its deadline, rejected.</summary>
public sealed record PodVerdict(string Reason, string Message);

/// <summary>Everything a pod's status is made of.</summary>
public sealed record PodStatusInput
{
    public required Pod Pod { get; init; }

    /// <summary>The status last built or, before that, the one in the API.</summary>
    public required PodStatus Old { get; init; }
    public required PodView View { get; init; }
    public required PodPlace Place { get; init; }
    public required DateTimeOffset Now { get; init; }
    public IReadOnlyDictionary<ContainerId, ContainerHealth> Health { get; init; } = new Dictionary<ContainerId, ContainerHealth>();

    /// <summary>Containers that could not be started, by name.</summary>
    public IReadOnlyDictionary<string, WaitingReason> Waiting { get; init; } = new Dictionary<string, WaitingReason>();

    /// <summary>The pod is being ended: nothing is started again.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>Its sandbox has its network and its volumes are there.</summary>
    public bool IsReadyToStartContainers { get; init; }
    public PodVerdict? Verdict { get; init; }
}

/// <summary>
/// The status of a pod: a pure function of its spec, its old status and what the runtime and the probes say; phases, conditions and
/// container states as the kubelet makes them (kubelet_pods.go, status/generate.go).
/// </summary>
public static class PodStatusBuilder
{
    private const string ContainerIdPrefix = "minke://";

    public static PodStatus Build(PodStatusInput input)
    {
        var pod = input.Pod;
        var hasInit = !pod.Spec.InitContainers.IsEmpty;
        var main = ContainerStatuses(input, [.. pod.Spec.Containers], input.Old.ContainerStatuses, hasInit, isInit: false);
        var init = ContainerStatuses(input, [.. pod.Spec.InitContainers], input.Old.InitContainerStatuses, hasInit, isInit: true);
        var ephemeral = ContainerStatuses(
            input, [.. pod.Spec.EphemeralContainers.Select(container => container.AsContainer)], input.Old.EphemeralContainerStatuses, hasInit, isInit: false);
        main = [.. main.Select(status => WithReadiness(input, status, pod.Spec.Containers.First(container => container.Name == status.Name)))];
        init = [.. init.Select(status => WithInitReadiness(input, status, pod.Spec.InitContainers.First(container => container.Name == status.Name)))];

        if (input.IsTerminal)
            (init, main) = WithUnknownEnds(pod, init, main);

        var all = (List<ApiContainerStatus>)[.. init, .. main];
        var (phase, reason, message) = PhaseOf(input, all);
        var conditions = Conditions(input, all, phase);
        var ips = input.IsReadyToStartContainers || input.IsTerminal ? PodIps(input) : [.. input.Old.PodIPs.Select(ip => ip.Ip)];
        return new PodStatus
        {
            Phase = phase,
            Reason = reason,
            Message = message,
            Conditions = conditions,
            NominatedNodeName = input.Old.NominatedNodeName,
            HostIP = input.Place.HostIp,
            HostIPs = [.. input.Place.HostIps.Select(ip => new HostIP { Ip = ip })],
            PodIP = ips.FirstOrDefault() ?? "",
            PodIPs = [.. ips.Select(ip => new PodIP { Ip = ip })],
            StartTime = input.Old.StartTime ?? Time.From(input.Now),
            // Names in order, as upstream lists them; init containers in the order of the spec.
            ContainerStatuses = [.. main.OrderBy(status => status.Name, StringComparer.Ordinal)],
            InitContainerStatuses = init,
            EphemeralContainerStatuses = [.. ephemeral.OrderBy(status => status.Name, StringComparer.Ordinal)],
            QosClass = input.Old.QosClass.Length > 0 ? input.Old.QosClass : QosClass.Of(pod),
            Resize = input.Old.Resize,
            ResourceClaimStatuses = input.Old.ResourceClaimStatuses,
        };
    }

    /// <summary>The status of a pod this node will not run.</summary>
    public static PodStatus Rejected(Pod pod, PodVerdict verdict) => new()
    {
        Phase = PodPhase.Failed,
        Reason = verdict.Reason,
        Message = "Pod was rejected: " + verdict.Message,
        QosClass = pod.Status.QosClass.Length > 0 ? pod.Status.QosClass : QosClass.Of(pod),
        StartTime = pod.Status.StartTime,
        Conditions = [.. pod.Status.Conditions.Where(condition => condition.Type == PodConditionType.PodScheduled)],
    };

    /// <summary>The kubelet's words over what others wrote meanwhile: conditions it does not own are kept as they are now.</summary>
    public static PodStatus Merge(PodStatus current, PodStatus mine) => mine with
    {
        Conditions = [
            .. current.Conditions.Where(condition => !IsOurs(condition.Type)),
            .. mine.Conditions.Where(condition => IsOurs(condition.Type)),
        ],
        NominatedNodeName = current.NominatedNodeName,
        QosClass = current.QosClass.Length > 0 ? current.QosClass : mine.QosClass,
        ResourceClaimStatuses = current.ResourceClaimStatuses,
    };

    private static List<ApiContainerStatus> ContainerStatuses(
        PodStatusInput input, IReadOnlyList<Container> containers, ApiList<ApiContainerStatus> oldStatuses, bool hasInit, bool isInit)
    {
        var waiting = hasInit ? "PodInitializing" : "ContainerCreating";
        var result = new List<ApiContainerStatus>(containers.Count);
        foreach (var container in containers)
        {
            var old = oldStatuses.FirstOrDefault(status => status.Name == container.Name);
            var instances = input.View.Containers.Where(status => status.Config.Name == container.Name).Take(2).ToList();
            var status = instances.Count == 0
                ? WithoutInstance(input.Pod, container, old, waiting)
                : Converted(container, instances[0], old) with
                {
                    LastState = instances.Count > 1 ? StateOf(instances[1]) : ApiContainerState.Empty,
                };
            status = WithWaitingReason(input, container, status, instances, isInit);
            result.Add(status with { VolumeMounts = MountsOf(container), Started = null });
        }
        return result;
    }

    private static ApiContainerStatus WithoutInstance(Pod pod, Container container, ApiContainerStatus? old, string waiting)
    {
        if (old?.State.Terminated is not null)
            return old;
        var status = new ApiContainerStatus
        {
            Name = container.Name,
            Image = container.Image,
            State = new() { Waiting = new() { Reason = waiting } },
            RestartCount = old?.RestartCount ?? 0,
            LastState = old?.LastState ?? ApiContainerState.Empty,
        };
        // It ran, and is gone without a trace: that it ended is all that is known.
        if (old?.State.Running is not null && status.LastState.Terminated is null)
            status = status with
            {
                LastState = new()
                {
                    Terminated = new()
                    {
                        Reason = "ContainerStatusUnknown",
                        Message = "The container could not be located when the pod was deleted.  The container used to be Running",
                        ExitCode = 137,
                    },
                },
                RestartCount = status.RestartCount + (pod.IsDeleting ? 0 : 1),
            };
        return status;
    }

    private static ApiContainerStatus Converted(Container container, ContainerStatus instance, ApiContainerStatus? old)
    {
        var state = StateOf(instance);
        var restarts = PodLabels.RestartCountOf(instance);
        if (instance.State == ContainerState.Unknown && old?.State.Running is { } running)
        {
            state = new()
            {
                Terminated = new()
                {
                    Reason = "ContainerStatusUnknown",
                    Message = "The container could not be located when the pod was terminated",
                    ExitCode = 137,
                    StartedAt = running.StartedAt,
                },
            };
            restarts = old.RestartCount + 1;
        }
        return new ApiContainerStatus
        {
            Name = container.Name,
            RestartCount = restarts,
            Image = instance.Config.Annotations.GetValueOrDefault(PodLabels.Image) ?? container.Image,
            ImageID = instance.Config.Annotations.GetValueOrDefault(PodLabels.ImageReference) ?? instance.ImageId,
            ContainerID = ContainerIdPrefix + instance.Id,
            State = state,
        };
    }

    private static ApiContainerState StateOf(ContainerStatus instance) => instance.State switch
    {
        ContainerState.Running => new() { Running = new() { StartedAt = TimeOf(instance.StartedAt) } },
        ContainerState.Exited => new()
        {
            Terminated = new()
            {
                ExitCode = instance.ExitCode,
                Reason = instance.Reason,
                Message = instance.Message,
                StartedAt = TimeOf(instance.StartedAt),
                FinishedAt = TimeOf(instance.FinishedAt),
                ContainerID = ContainerIdPrefix + instance.Id,
            },
        },
        _ => new() { Waiting = new() },
    };

    private static ApiContainerStatus WithWaitingReason(
        PodStatusInput input, Container container, ApiContainerStatus status, List<ContainerStatus> instances, bool isInit)
    {
        // A finished init container is not started again.
        if (isInit && !container.IsSidecar && instances is [{ State: ContainerState.Exited, ExitCode: 0 }, ..])
            return status;
        if (input.IsTerminal || !input.Waiting.TryGetValue(container.Name, out var reason) || !PodPlan.ShouldBeRestarted(container, input.Pod, input.View))
            return status;
        // It comes along as it should: only how far it is is news.
        if (reason.Reason.Length == 0)
            return status.State.Waiting is { } waiting ? status with { State = new() { Waiting = waiting with { Message = reason.Message } } } : status;
        return status with
        {
            LastState = status.State.Terminated is not null ? status.State : status.LastState,
            State = new() { Waiting = new() { Reason = reason.Reason, Message = reason.Message } },
        };
    }

    /// <summary>
    /// Nothing will start any more: a container that was never seen to end is said to have ended in an unknown way, those of the stage
    /// the pod had reached (status_manager.go: TerminatePod).
    /// </summary>
    private static (List<ApiContainerStatus> Init, List<ApiContainerStatus> Main) WithUnknownEnds(
        Pod pod, List<ApiContainerStatus> init, List<ApiContainerStatus> main)
    {
        var isInitialized = pod.Spec.InitContainers.All(container =>
            container.IsSidecar || init.Exists(status => status.Name == container.Name && status.State.Terminated is { ExitCode: 0 }))
            || main.Exists(status => status.State.Terminated is not null);
        return isInitialized ? (init, Ended(main)) : (Ended(init), main);

        static List<ApiContainerStatus> Ended(List<ApiContainerStatus> statuses) =>
        [
            .. statuses.Select(status => status.State is { Terminated: null, Running: null } ? status with
            {
                State = new()
                {
                    Terminated = new()
                    {
                        Reason = "ContainerStatusUnknown",
                        Message = "The container could not be located when the pod was terminated",
                        ExitCode = 137,
                    },
                },
                Ready = false,
                Started = false,
            } : status),
        ];
    }

    private static ApiContainerStatus WithReadiness(PodStatusInput input, ApiContainerStatus status, Container container)
    {
        var isStarted = IsStarted(input, status, container);
        return status with { Started = isStarted, Ready = isStarted && IsReady(input, status, container) };
    }

    private static ApiContainerStatus WithInitReadiness(PodStatusInput input, ApiContainerStatus status, Container container)
    {
        var isStarted = IsStarted(input, status, container);
        var isReady = container.IsSidecar
            ? isStarted && IsReady(input, status, container)
            : status.State.Terminated is { ExitCode: 0 };
        return status with { Started = isStarted, Ready = isReady };
    }

    private static bool IsStarted(PodStatusInput input, ApiContainerStatus status, Container container) =>
        status.State.Running is not null
        && (container.StartupProbe is null || HealthOf(input, status).Startup == Verdict.Success);

    private static bool IsReady(PodStatusInput input, ApiContainerStatus status, Container container) =>
        status.State.Running is not null
        && (container.ReadinessProbe is null || HealthOf(input, status).Readiness == Verdict.Success);

    private static ContainerHealth HealthOf(PodStatusInput input, ApiContainerStatus status) =>
        input.Health.GetValueOrDefault(new ContainerId(IdOf(status.ContainerID)), ContainerHealth.None);

    /// <summary>The runtime's id in a status's <c>containerID</c>.</summary>
    public static string IdOf(string containerId) =>
        containerId.StartsWith(ContainerIdPrefix, StringComparison.Ordinal) ? containerId[ContainerIdPrefix.Length..] : containerId;

    private static ApiList<VolumeMountStatus> MountsOf(Container container) =>
    [
        .. container.VolumeMounts.Select(mount => new VolumeMountStatus
        {
            Name = mount.Name,
            MountPath = mount.MountPath,
            ReadOnly = mount.ReadOnly,
            RecursiveReadOnly = mount.ReadOnly ? mount.RecursiveReadOnly switch
            {
                null => "Disabled",
                "IfPossible" => "Enabled",
                var asked => asked,
            } : null,
        }),
    ];

    private static (string Phase, string Reason, string Message) PhaseOf(PodStatusInput input, List<ApiContainerStatus> all)
    {
        var (pod, old) = (input.Pod, input.Old);
        var phase = Phase(pod, all, input.IsTerminal);
        if (phase is not (PodPhase.Failed or PodPhase.Succeeded))
        {
            if (old.Phase is PodPhase.Failed or PodPhase.Succeeded)
                phase = old.Phase;
            else if (pod.IsTerminal)
                phase = pod.Status.Phase;
        }
        // Nothing of it will run again, so it has failed, however far it had come.
        if (input.IsTerminal && !pod.IsStatic && phase is not (PodPhase.Failed or PodPhase.Succeeded))
            phase = PodPhase.Failed;
        var (reason, message) = phase == old.Phase ? (old.Reason, old.Message) : ("", "");
        if (input.Verdict is { } verdict)
            (phase, reason, message) = (PodPhase.Failed, verdict.Reason, verdict.Message);

        // A terminal phase is a promise that nothing runs any more.
        var becomesTerminal = phase is PodPhase.Failed or PodPhase.Succeeded && old.Phase is not (PodPhase.Failed or PodPhase.Succeeded);
        if (becomesTerminal && input.View.HasRunningContainers)
            return (old.Phase.Length > 0 ? old.Phase : PodPhase.Pending, old.Reason, old.Message);
        return (phase, reason, message);
    }

    private static string Phase(Pod pod, List<ApiContainerStatus> all, bool isTerminal)
    {
        int pendingInit = 0, pendingSidecars = 0, failedInit = 0, unknown = 0, running = 0, waiting = 0, stopped = 0, succeeded = 0;
        foreach (var container in pod.Spec.InitContainers)
        {
            var status = all.Find(status => status.Name == container.Name);
            if (container.IsSidecar)
            {
                if (status?.State is { Running: not null })
                {
                    running++;
                    if (status.Started != true)
                        pendingSidecars++;
                }
                else if (status is null || status.State is { Waiting: null, Terminated: null })
                {
                    unknown++;
                }
                else if (status.State.Waiting is not null && status.LastState.Terminated is null)
                {
                    pendingSidecars++;
                    waiting++;
                }
                continue;
            }
            switch (status)
            {
                case { State.Terminated: { } ended }:
                    failedInit += ended.ExitCode != 0 ? 1 : 0;
                    break;
                case { State.Waiting: not null, LastState.Terminated: { } ended }:
                    failedInit += ended.ExitCode != 0 ? 1 : 0;
                    break;
                default:
                    pendingInit++;
                    break;
            }
        }
        foreach (var container in pod.Spec.Containers)
        {
            switch (all.Find(status => status.Name == container.Name))
            {
                case { State.Running: not null }:
                    running++;
                    break;
                case { State.Terminated: { } ended }:
                    stopped++;
                    succeeded += ended.ExitCode == 0 ? 1 : 0;
                    break;
                case { State.Waiting: not null, LastState.Terminated: not null }:
                    stopped++;
                    break;
                case { State.Waiting: not null }:
                    waiting++;
                    break;
                default:
                    unknown++;
                    break;
            }
        }

        if (failedInit > 0 && pod.Spec.RestartPolicy == RestartPolicy.Never)
            return PodPhase.Failed;
        // Sidecars that restart do not send an initialized pod back to Pending.
        if (pendingInit > 0 || (pendingSidecars > 0 && !HasStartedMain(pod, all)) || waiting > 0)
            return PodPhase.Pending;
        if (running > 0 && unknown == 0)
            return PodPhase.Running;
        if (running > 0 || stopped == 0 || unknown > 0)
            return PodPhase.Pending;
        if (isTerminal && !pod.IsStatic)
            return stopped == succeeded ? PodPhase.Succeeded : PodPhase.Failed;
        if (pod.Spec.RestartPolicy == RestartPolicy.Always)
            return PodPhase.Running;
        if (stopped == succeeded)
            return PodPhase.Succeeded;
        return pod.Spec.RestartPolicy == RestartPolicy.Never ? PodPhase.Failed : PodPhase.Running;
    }

    private static bool HasStartedMain(Pod pod, List<ApiContainerStatus> all) => all.Any(status =>
        pod.Spec.Containers.Any(container => container.Name == status.Name)
        && (status.State.Running is not null || status.State.Terminated is not null || status.LastState.Terminated is not null));

    private static ApiList<PodCondition> Conditions(PodStatusInput input, List<ApiContainerStatus> all, string phase)
    {
        var pod = input.Pod;
        var conditions = pod.Status.Conditions.Where(condition => !IsOurs(condition.Type)).ToList();
        var containersReady = ContainersReady(pod, all, phase);
        Add(new() { Type = PodConditionType.PodReadyToStartContainers, Status = Truth(input.IsReadyToStartContainers) });
        Add(Initialized(pod, all, phase));
        Add(Ready(pod, conditions, containersReady));
        Add(containersReady);
        Add(new() { Type = PodConditionType.PodScheduled, Status = ConditionStatus.True });
        return conditions;

        void Add(PodCondition condition)
        {
            var old = input.Old.Conditions.FirstOrDefault(old => old.Type == condition.Type)
                ?? pod.Status.Conditions.FirstOrDefault(old => old.Type == condition.Type);
            var since = old is not null && old.Status == condition.Status ? old.LastTransitionTime : Time.From(input.Now);
            conditions.Add(condition with { LastTransitionTime = since });
        }
    }

    private static PodCondition ContainersReady(Pod pod, List<ApiContainerStatus> all, string phase)
    {
        const string Type = PodConditionType.ContainersReady;
        var watched = pod.Spec.InitContainers.Where(container => container.IsSidecar).Concat(pod.Spec.Containers).ToList();
        var unknown = watched.Where(container => !all.Any(status => status.Name == container.Name)).Select(container => container.Name).ToList();
        var unready = watched.Where(container => all.Any(status => status.Name == container.Name && !status.Ready)).Select(container => container.Name).ToList();
        if (phase == PodPhase.Succeeded && unknown.Count == 0)
            return new() { Type = Type, Status = ConditionStatus.False, Reason = "PodCompleted" };
        if (phase == PodPhase.Failed)
            return new() { Type = Type, Status = ConditionStatus.False, Reason = "PodFailed" };
        var message = Joined(("containers with unknown status", unknown), ("containers with unready status", unready));
        return message.Length == 0
            ? new() { Type = Type, Status = ConditionStatus.True }
            : new() { Type = Type, Status = ConditionStatus.False, Reason = "ContainersNotReady", Message = message };
    }

    private static PodCondition Ready(Pod pod, List<PodCondition> conditions, PodCondition containersReady)
    {
        if (containersReady.Status != ConditionStatus.True)
            return containersReady with { Type = PodConditionType.Ready };
        var unready = new List<string>();
        foreach (var gate in pod.Spec.ReadinessGates)
        {
            var condition = conditions.Find(condition => condition.Type == gate.ConditionType);
            if (condition is null)
                unready.Add($"corresponding condition of pod readiness gate \"{gate.ConditionType}\" does not exist.");
            else if (condition.Status != ConditionStatus.True)
                unready.Add($"the status of pod readiness gate \"{gate.ConditionType}\" is not \"True\", but {condition.Status}");
        }
        return unready.Count == 0
            ? new() { Type = PodConditionType.Ready, Status = ConditionStatus.True }
            : new() { Type = PodConditionType.Ready, Status = ConditionStatus.False, Reason = "ReadinessGatesNotReady", Message = string.Join(", ", unready) };
    }

    private static PodCondition Initialized(Pod pod, List<ApiContainerStatus> all, string phase)
    {
        const string Type = PodConditionType.Initialized;
        var unknown = new List<string>();
        var incomplete = new List<string>();
        foreach (var container in pod.Spec.InitContainers)
        {
            if (all.Find(status => status.Name == container.Name) is not { } status)
                unknown.Add(container.Name);
            else if (container.IsSidecar ? status.Started != true : !status.Ready)
                incomplete.Add(container.Name);
        }
        if (phase == PodPhase.Succeeded && unknown.Count == 0)
            return new() { Type = Type, Status = ConditionStatus.True, Reason = "PodCompleted" };
        if (HasStartedMain(pod, all))
            return new() { Type = Type, Status = ConditionStatus.True };
        var message = Joined(("containers with unknown status", unknown), ("containers with incomplete status", incomplete));
        return message.Length == 0
            ? new() { Type = Type, Status = ConditionStatus.True }
            : new() { Type = Type, Status = ConditionStatus.False, Reason = "ContainersNotInitialized", Message = message };
    }

    private static string Joined(params ReadOnlySpan<(string What, List<string> Names)> parts)
    {
        var texts = new List<string>();
        foreach (var (what, names) in parts)
        {
            if (names.Count > 0)
                texts.Add($"{what}: [{string.Join(' ', names)}]");
        }
        return string.Join(", ", texts);
    }

    private static List<string> PodIps(PodStatusInput input)
    {
        if (input.Pod.Spec.HostNetwork)
            return input.Place.HostIps.Count > 0 ? [input.Place.HostIps[0]] : [];
        // What the sandbox that is gone had stays to be seen.
        var ips = input.View.NewestSandbox?.Ips ?? [];
        return ips.Count > 0 ? [.. ips] : [.. input.Old.PodIPs.Select(ip => ip.Ip)];
    }

    private static bool IsOurs(string condition) => condition is PodConditionType.PodScheduled or PodConditionType.Ready
        or PodConditionType.Initialized or PodConditionType.ContainersReady or PodConditionType.PodReadyToStartContainers;

    private static string Truth(bool value) => value ? ConditionStatus.True : ConditionStatus.False;

    private static Time TimeOf(DateTimeOffset? moment) => moment is { } known ? Time.From(known) : default;
}
