using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>The quality of service a pod asked for, by its requests and limits of CPU and memory. (pkg/apis/core/helper/qos)</summary>
public static class PodQos
{
    private static readonly string[] Counted = ["cpu", "memory"];

    public static string ClassOf(PodSpec spec)
    {
        var requests = new Dictionary<string, decimal>(StringComparer.Ordinal);
        var limits = new Dictionary<string, decimal>(StringComparer.Ordinal);
        var isGuaranteed = true;
        foreach (var container in spec.Containers.Concat(spec.InitContainers))
        {
            Add(requests, container.Resources.Requests);
            isGuaranteed &= Add(limits, container.Resources.Limits) == Counted.Length;
        }
        if (requests.Count == 0 && limits.Count == 0)
            return PodQOSClass.BestEffort;
        isGuaranteed &= requests.Count == limits.Count && requests.All(pair => limits.TryGetValue(pair.Key, out var limit) && limit == pair.Value);
        return isGuaranteed ? PodQOSClass.Guaranteed : PodQOSClass.Burstable;
    }

    private static int Add(Dictionary<string, decimal> sums, ApiMap<Quantity> amounts)
    {
        var found = 0;
        foreach (var name in Counted)
        {
            if (!amounts.TryGetValue(name, out var amount) || amount.Value <= 0)
                continue;
            sums[name] = sums.GetValueOrDefault(name) + amount.Value;
            found++;
        }
        return found;
    }
}
