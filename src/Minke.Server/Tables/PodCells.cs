using System.Globalization;
using Minke.Api.Core.V1;

namespace Minke.Server.Tables;

/// <summary>What kubectl shows of a pod: upstream's printPod, rule by rule.</summary>
internal static class PodCells
{
    public static string Ready(Pod pod)
    {
        var total = pod.Spec.Containers.Count + pod.Spec.InitContainers.Count(IsRestartable);
        var ready = pod.Status.ContainerStatuses.Count(status => status.Ready && status.State.Running is not null)
            + pod.Status.InitContainerStatuses.Count(status => IsSidecar(pod, status.Name) && status.Started == true && status.Ready);
        return string.Create(CultureInfo.InvariantCulture, $"{ready}/{total}");
    }

    public static string Status(Pod pod)
    {
        var reason = pod.Status.Reason.Length > 0 ? pod.Status.Reason : pod.Status.Phase;
        if (pod.Status.Conditions.Any(condition => condition is { Type: "PodScheduled", Reason: "SchedulingGated" }))
            reason = "SchedulingGated";

        var isInitializing = FirstUnfinishedInit(pod, out var initReason);
        if (isInitializing)
            reason = initReason;
        if (!isInitializing || IsInitialized(pod))
            reason = FromContainers(pod, reason);

        if (pod.Metadata.DeletionTimestamp is null)
            return reason;
        if (pod.Status.Reason == "NodeLost")
            return "Unknown";
        return pod.Status.Phase is "Succeeded" or "Failed" ? reason : "Terminating";
    }

    public static string Restarts(Pod pod, DateTimeOffset now)
    {
        var isInitializing = FirstUnfinishedInit(pod, out _);
        var counted = pod.Status.InitContainerStatuses.Where(status => isInitializing || IsSidecar(pod, status.Name));
        if (!isInitializing || IsInitialized(pod))
        {
            if (isInitializing)
                counted = counted.Where(status => IsSidecar(pod, status.Name));
            counted = counted.Concat(pod.Status.ContainerStatuses);
        }
        var (count, last) = (0, default(Minke.Api.Time));
        foreach (var status in counted)
        {
            count += status.RestartCount;
            if (status.LastState.Terminated is { } terminated && terminated.FinishedAt > last)
                last = terminated.FinishedAt;
        }
        return count > 0 && !last.IsZero
            ? string.Create(CultureInfo.InvariantCulture, $"{count} ({Ages.Since(last, now)} ago)")
            : count.ToString(CultureInfo.InvariantCulture);
    }

    public static string Gates(Pod pod)
    {
        if (pod.Spec.ReadinessGates.IsEmpty)
            return "<none>";
        var open = pod.Spec.ReadinessGates.Count(gate =>
            pod.Status.Conditions.Any(condition => condition.Type == gate.ConditionType && condition.Status == "True"));
        return string.Create(CultureInfo.InvariantCulture, $"{open}/{pod.Spec.ReadinessGates.Count}");
    }

    private static bool FirstUnfinishedInit(Pod pod, out string reason)
    {
        reason = "";
        var statuses = pod.Status.InitContainerStatuses;
        for (var i = 0; i < statuses.Count; i++)
        {
            var status = statuses[i];
            if (status.State.Terminated is { ExitCode: 0 } || (IsSidecar(pod, status.Name) && status.Started == true))
                continue;
            reason = status.State switch
            {
                { Terminated: { } ended } => "Init:" + Ended(ended),
                { Waiting: { Reason: not ("" or "PodInitializing") } waiting } => "Init:" + waiting.Reason,
                _ => string.Create(CultureInfo.InvariantCulture, $"Init:{i}/{pod.Spec.InitContainers.Count}"),
            };
            return true;
        }
        return false;
    }

    private static string FromContainers(Pod pod, string reason)
    {
        var hasRunning = false;
        for (var i = pod.Status.ContainerStatuses.Count - 1; i >= 0; i--)
        {
            var status = pod.Status.ContainerStatuses[i];
            if (status.State.Waiting is { Reason.Length: > 0 } waiting)
                reason = waiting.Reason;
            else if (status.State.Terminated is { } ended)
                reason = Ended(ended);
            else if (status.Ready && status.State.Running is not null)
                hasRunning = true;
        }
        if (reason == "Completed" && hasRunning)
            reason = pod.Status.Conditions.Any(condition => condition is { Type: "Ready", Status: "True" }) ? "Running" : "NotReady";
        return reason;
    }

    private static string Ended(ContainerStateTerminated ended) => ended.Reason.Length > 0 ? ended.Reason
        : ended.Signal != 0 ? string.Create(CultureInfo.InvariantCulture, $"Signal:{ended.Signal}")
        : string.Create(CultureInfo.InvariantCulture, $"ExitCode:{ended.ExitCode}");

    private static bool IsInitialized(Pod pod) => pod.Status.Conditions.Any(condition => condition is { Type: "Initialized", Status: "True" });

    private static bool IsSidecar(Pod pod, string name) => pod.Spec.InitContainers.Any(container => container.Name == name && IsRestartable(container));

    private static bool IsRestartable(Container container) => container.RestartPolicy == "Always";
}
