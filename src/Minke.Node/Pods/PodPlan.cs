using Minke.Api.Core.V1;
using Minke.Node.Runtime;
using ContainerState = Minke.Node.Runtime.ContainerState;
using ContainerStatus = Minke.Node.Runtime.ContainerStatus;

namespace Minke.Node.Pods;

/// <summary>Why a container is killed: decides its grace period.</summary>
public enum KillReason { Other, StartupProbe, LivenessProbe, Unknown, FailedPostStartHook }

/// <param name="Id">Which instance.</param>
/// <param name="Name">The container's name.</param>
/// <param name="Message">Of the Killing event.</param>
/// <param name="Reason">Why.</param>
/// <param name="Restarts">It is started again once it is gone, whatever the restart policy says.</param>
public sealed record ContainerKill(ContainerId Id, string Name, string Message, KillReason Reason, bool Restarts);

/// <summary>
/// What to do next for a pod that should run: a pure function of its spec, what the runtime has, and what its probes say. The rules,
/// their order and their words are those of the kubelet (kuberuntime: computePodActions and computeInitContainerActions).
/// </summary>
public sealed record PodPlan
{
    /// <summary>Kill every container and stop the sandbox, first.</summary>
    public bool KillsPod { get; init; }
    public bool CreatesSandbox { get; init; }

    /// <summary>The sandbox to use, or the one that is replaced.</summary>
    public SandboxId? Sandbox { get; init; }

    /// <summary>Attempt number of the sandbox to create.</summary>
    public uint Attempt { get; init; }
    public IReadOnlyList<int> InitContainersToStart { get; init; } = [];
    public IReadOnlyList<int> EphemeralContainersToStart { get; init; } = [];
    public IReadOnlyList<int> ContainersToStart { get; init; } = [];
    public IReadOnlyList<ContainerKill> ContainersToKill { get; init; } = [];

    public static PodPlan For(Pod pod, PodView view, IReadOnlyDictionary<ContainerId, ContainerHealth> health)
    {
        var (changed, attempt, sandbox) = SandboxChanged(pod, view);
        if (changed)
            return ForNewSandbox(pod, view, new PodPlan { KillsPod = true, CreatesSandbox = true, Sandbox = sandbox, Attempt = attempt });

        var steps = new Steps();
        // Ephemeral containers start even before initialization is complete, and only once.
        for (var i = 0; i < pod.Spec.EphemeralContainers.Count; i++)
        {
            var name = pod.Spec.EphemeralContainers[i].Name;
            // One that ended stays ended, also when nothing of it is left.
            var hasEnded = pod.Status.EphemeralContainerStatuses.Any(status => status.Name == name && status.State.Terminated is not null);
            if (view.Latest(name) is null && !hasEnded)
                steps.Ephemeral.Add(i);
        }
        var isInitialized = PlanInit(pod, view, health, steps);
        if (!steps.KillsPod && isInitialized)
            PlanMain(pod, view, health, steps);
        return new PodPlan
        {
            Sandbox = sandbox,
            Attempt = attempt,
            KillsPod = steps.KillsPod,
            InitContainersToStart = steps.Init,
            EphemeralContainersToStart = steps.Ephemeral,
            ContainersToStart = steps.Main,
            ContainersToKill = steps.Kill,
        };
    }

    /// <summary>Whether a container that does not run is to be started.</summary>
    public static bool ShouldBeRestarted(Container container, Pod pod, PodView view)
    {
        if (pod.IsDeleting)
            return false;
        return view.Latest(container.Name) switch
        {
            null => true,
            { State: ContainerState.Running } => false,
            { State: ContainerState.Unknown or ContainerState.Created } => true,
            { } exited => pod.Spec.RestartPolicy switch
            {
                RestartPolicy.Never => false,
                RestartPolicy.OnFailure => exited.ExitCode != 0,
                _ => true,
            },
        };
    }

    private sealed class Steps
    {
        public bool KillsPod;
        public List<int> Init = [];
        public readonly List<int> Ephemeral = [];
        public readonly List<int> Main = [];
        public readonly List<ContainerKill> Kill = [];
    }

    private static (bool Changed, uint Attempt, SandboxId? Sandbox) SandboxChanged(Pod pod, PodView view)
    {
        if (view.NewestSandbox is not { } newest)
            return (true, 0, null);
        if (view.Sandboxes.Count(sandbox => sandbox.State == SandboxState.Ready) > 1 || newest.State != SandboxState.Ready)
            return (true, newest.Config.Attempt + 1, newest.Id);
        // Without an address the network was lost: a new sandbox gets a new one.
        if (!pod.Spec.HostNetwork && newest.Ips.Count == 0)
            return (true, newest.Config.Attempt + 1, newest.Id);
        return (false, newest.Config.Attempt, newest.Id);
    }

    private static PodPlan ForNewSandbox(Pod pod, PodView view, PodPlan plan)
    {
        // It is done, and a new sandbox would only be stopped again. Without any container we never got that far.
        if (!pod.RestartsOnFailure && plan.Attempt != 0 && view.Containers.Count > 0)
            return plan with { CreatesSandbox = false };

        var toStart = new List<int>();
        for (var i = 0; i < pod.Spec.Containers.Count; i++)
        {
            var succeeded = view.Latest(pod.Spec.Containers[i].Name) is { State: ContainerState.Exited, ExitCode: 0 };
            if (pod.Spec.RestartPolicy != RestartPolicy.OnFailure || !succeeded)
                toStart.Add(i);
        }
        if (toStart.Count == 0 && pod.Spec.Containers.Any(container => view.Latest(container.Name) is not null))
            return plan with { CreatesSandbox = false };
        return pod.Spec.InitContainers.IsEmpty ? plan with { ContainersToStart = toStart } : plan with { InitContainersToStart = [0] };
    }

    /// <summary>True when the main containers may start.</summary>
    private static bool PlanInit(Pod pod, PodView view, IReadOnlyDictionary<ContainerId, ContainerHealth> health, Steps steps)
    {
        var init = pod.Spec.InitContainers;
        if (init.IsEmpty)
            return true;

        // Once a main container runs, all init containers have run, though their remains may be gone. An exited one proves nothing:
        // it may be from before a reboot, in another sandbox.
        var isPodInitialized = pod.Spec.Containers.Any(
            container => view.Latest(container.Name) is { State: ContainerState.Created or ContainerState.Running });
        var wasInitialized = isPodInitialized;

        // Backwards: the last one that exists tells how far initialization has come; those before it may have been collected.
        for (var i = init.Count - 1; i >= 0; i--)
        {
            var container = init[i];
            if (view.Latest(container.Name) is not { } status || IsFromOlderSandbox(status, view))
            {
                if (wasInitialized && container.IsSidecar)
                    steps.Init.Add(i);
                continue;
            }
            if (wasInitialized && !container.IsSidecar)
                continue;

            switch (status.State)
            {
                case ContainerState.Created:
                    // Created and started are one step; this one was left in between.
                    steps.Init.Add(i);
                    break;

                case ContainerState.Running when container.IsSidecar:
                    isPodInitialized |= PlanRunningSidecar(init, i, status, health, wasInitialized, steps);
                    break;

                case ContainerState.Running:
                    break;

                case ContainerState.Exited when container.IsSidecar:
                    steps.Init.Add(i);
                    break;

                case ContainerState.Exited when status.ExitCode == 0:
                    if (i == init.Count - 1)
                        isPodInitialized = true;
                    else
                        steps.Init.Add(i + 1);
                    break;

                default:
                    if (!container.IsSidecar && !pod.RestartsOnFailure)
                    {
                        steps.KillsPod = true;
                        steps.Init.Clear();
                        return false;
                    }
                    if (status.State == ContainerState.Unknown)
                        steps.Kill.Add(new(status.Id, container.Name,
                            "Init container is in \"unknown\" state, try killing it before restart", KillReason.Unknown, true));
                    steps.Init.Add(i);
                    break;
            }
            wasInitialized = true;
        }

        if (!wasInitialized)
            steps.Init.Add(0);
        steps.Init = [.. steps.Init.Distinct().Order()];
        return isPodInitialized;
    }

    private static bool PlanRunningSidecar(
        Minke.Api.ApiList<Container> init, int index, ContainerStatus status, IReadOnlyDictionary<ContainerId, ContainerHealth> health,
        bool wasInitialized, Steps steps)
    {
        var container = init[index];
        var verdicts = health.GetValueOrDefault(status.Id, ContainerHealth.None);
        if (container.StartupProbe is not null && verdicts.Startup != Verdict.Success)
        {
            if (verdicts.Startup == Verdict.Failure)
            {
                steps.Kill.Add(new(status.Id, container.Name, $"Init container {container.Name} failed startup probe", KillReason.StartupProbe, true));
                steps.Init.Add(index);
            }
            return false;
        }

        var completes = index == init.Count - 1;
        if (!completes && !wasInitialized)
            steps.Init.Add(index + 1);
        if (DefinitionChanged(container, status))
        {
            steps.Kill.Add(new(status.Id, container.Name, $"Init container {container.Name} definition changed", KillReason.Other, true));
            steps.Init.Add(index);
        }
        // A failing liveness probe does not hold up the next container.
        else if (container.LivenessProbe is not null && verdicts.Liveness == Verdict.Failure)
        {
            steps.Kill.Add(new(status.Id, container.Name, $"Init container {container.Name} failed liveness probe", KillReason.LivenessProbe, true));
            steps.Init.Add(index);
        }
        return completes;
    }

    private static void PlanMain(Pod pod, PodView view, IReadOnlyDictionary<ContainerId, ContainerHealth> health, Steps steps)
    {
        var kept = 0;
        for (var i = 0; i < pod.Spec.Containers.Count; i++)
        {
            var container = pod.Spec.Containers[i];
            var status = view.Latest(container.Name);
            if (status is not { State: ContainerState.Running })
            {
                if (!ShouldBeRestarted(container, pod, view))
                    continue;
                steps.Main.Add(i);
                if (status is { State: ContainerState.Unknown })
                    steps.Kill.Add(new(status.Id, container.Name,
                        "Container is in \"unknown\" state, try killing it before restart", KillReason.Unknown, true));
                continue;
            }

            var verdicts = health.GetValueOrDefault(status.Id, ContainerHealth.None);
            var (message, reason, restarts) =
                DefinitionChanged(container, status) ? ($"Container {container.Name} definition changed", KillReason.Other, true)
                : verdicts.Liveness == Verdict.Failure ? ($"Container {container.Name} failed liveness probe", KillReason.LivenessProbe, pod.RestartsOnFailure)
                : verdicts.Startup == Verdict.Failure ? ($"Container {container.Name} failed startup probe", KillReason.StartupProbe, pod.RestartsOnFailure)
                : ("", KillReason.Other, false);
            if (message.Length == 0)
            {
                kept++;
                continue;
            }
            if (restarts)
            {
                message += ", will be restarted";
                steps.Main.Add(i);
            }
            steps.Kill.Add(new(status.Id, container.Name, message, reason, restarts));
        }

        if (kept > 0 || steps.Main.Count > 0)
            return;
        // Sidecars alone do not keep a pod alive.
        steps.KillsPod = true;
        steps.Init.Clear();
    }

    private static bool DefinitionChanged(Container container, ContainerStatus status) =>
        status.Config.Annotations.TryGetValue(PodLabels.ContainerHash, out var hash) && hash != container.Hash;

    /// <summary>What an init container did in a sandbox that is gone does not count for the one that replaced it.</summary>
    private static bool IsFromOlderSandbox(ContainerStatus status, PodView view) =>
        status.State == ContainerState.Exited && view.NewestSandbox is { } newest && status.Sandbox != newest.Id;
}
