using Minke.Api;
using Minke.Api.Core.V1;

namespace Minke.Node.Pods;

/// <summary>The quality-of-service class of a pod and what follows from it for the kernel (kubelet: qos, cm).</summary>
public static class QosClass
{
    private const long MinShares = 2;
    private const long MaxShares = 262_144;
    private const long QuotaPeriodMicroseconds = 100_000;
    private const long MinQuotaMicroseconds = 1_000;
    private const int GuaranteedOomScoreAdj = -997;
    private const int BestEffortOomScoreAdj = 1000;
    private const int SystemCriticalPriority = 2_000_000_000;

    public static string Of(Pod pod) => pod.Status.QosClass.Length > 0 ? pod.Status.QosClass : PodQos.ClassOf(pod.Spec);

    public static long Shares(long cpuMillis) => Math.Clamp(cpuMillis * 1024 / 1000, MinShares, MaxShares);

    public static long? Quota(long cpuMillis) =>
        cpuMillis == 0 ? null : Math.Max(cpuMillis * QuotaPeriodMicroseconds / 1000, MinQuotaMicroseconds);

    /// <summary>The limits of one container as the kernel takes them.</summary>
    public static Runtime.LinuxResources ResourcesOf(Pod pod, Container container, Quantity nodeMemory, long? pidsLimit)
    {
        var limits = container.Resources.Limits;
        var requests = container.Resources.Requests;
        var cpuLimit = limits.GetValueOrDefault("cpu");
        var cpuRequest = requests.ContainsKey("cpu") ? requests["cpu"] : cpuLimit;
        var memoryLimit = limits.GetValueOrDefault("memory").ToInt64();
        var quota = Quota(cpuLimit.ToMillis());
        return new Runtime.LinuxResources
        {
            CpuShares = Shares(cpuRequest.ToMillis()),
            CpuQuota = quota,
            CpuPeriod = quota is null ? null : QuotaPeriodMicroseconds,
            MemoryLimitBytes = memoryLimit > 0 ? memoryLimit : null,
            PidsLimit = pidsLimit,
            OomScoreAdj = OomScoreAdj(pod, container, nodeMemory),
            HugepageLimits = limits.Where(limit => limit.Key.StartsWith("hugepages-", StringComparison.Ordinal))
                .ToDictionary(limit => limit.Key["hugepages-".Length..].Replace("i", "B", StringComparison.Ordinal), limit => limit.Value.ToInt64(), StringComparer.Ordinal),
        };
    }

    /// <summary>The limits of the pod as a whole, for its cgroup.</summary>
    public static Runtime.LinuxResources PodResourcesOf(Pod pod, long? pidsLimit)
    {
        var qos = Of(pod);
        if (qos == PodQOSClass.BestEffort)
            return new Runtime.LinuxResources { CpuShares = MinShares, PidsLimit = pidsLimit };
        var containers = pod.Spec.Containers.Concat(pod.Spec.InitContainers.Where(container => container.IsSidecar)).ToList();
        var shares = Shares(PodResources.Requests(pod).GetValueOrDefault("cpu").ToMillis());
        var limits = PodResources.Limits(pod);
        var isCpuLimited = qos == PodQOSClass.Guaranteed || containers.All(container => !container.Resources.Limits.GetValueOrDefault("cpu").IsZero);
        var isMemoryLimited = qos == PodQOSClass.Guaranteed || containers.All(container => !container.Resources.Limits.GetValueOrDefault("memory").IsZero);
        var quota = isCpuLimited ? Quota(limits.GetValueOrDefault("cpu").ToMillis()) : null;
        return new Runtime.LinuxResources
        {
            CpuShares = shares,
            CpuQuota = quota,
            CpuPeriod = quota is null ? null : QuotaPeriodMicroseconds,
            MemoryLimitBytes = isMemoryLimited ? limits.GetValueOrDefault("memory").ToInt64() : null,
            PidsLimit = pidsLimit,
        };
    }

    /// <summary>Whom the kernel kills first when memory is short: the more a container asked for, the later.</summary>
    public static int OomScoreAdj(Pod pod, Container container, Quantity nodeMemory)
    {
        if (pod.Spec.Priority >= SystemCriticalPriority)
            return GuaranteedOomScoreAdj;
        switch (Of(pod))
        {
            case PodQOSClass.Guaranteed:
                return GuaranteedOomScoreAdj;
            case PodQOSClass.BestEffort:
                return BestEffortOomScoreAdj;
            default:
                var requests = container.Resources.Requests;
                var memory = (requests.ContainsKey("memory") ? requests["memory"] : container.Resources.Limits.GetValueOrDefault("memory")).ToInt64();
                var capacity = Math.Max(nodeMemory.ToInt64(), 1);
                var score = 1000 - (int)(1000 * (decimal)memory / capacity);
                // Above what Guaranteed gets, below what BestEffort gets.
                return Math.Clamp(score, 1000 + GuaranteedOomScoreAdj, BestEffortOomScoreAdj - 1);
        }
    }
}
