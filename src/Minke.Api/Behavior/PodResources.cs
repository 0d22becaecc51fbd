using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>
/// What a pod asks for in sum, as scheduler and node count it: the larger of its containers and sidecars together and of any init
/// container beside the sidecars started before it, plus overhead. (KEP-753)
/// </summary>
public static class PodResources
{
    public static Dictionary<string, Quantity> Requests(Pod pod) => Sum(pod, container => container.Resources.Requests);

    public static Dictionary<string, Quantity> Limits(Pod pod) => Sum(pod, container => container.Resources.Limits);

    private static Dictionary<string, Quantity> Sum(Pod pod, Func<Container, ApiMap<Quantity>> of)
    {
        var total = new Dictionary<string, Quantity>(StringComparer.Ordinal);
        foreach (var container in pod.Spec.Containers)
            Add(total, of(container));
        if (!pod.Spec.InitContainers.IsEmpty)
            AddInitContainers(pod, of, total);
        Add(total, pod.Spec.Overhead);
        return total;
    }

    private static void AddInitContainers(Pod pod, Func<Container, ApiMap<Quantity>> of, Dictionary<string, Quantity> total)
    {
        var sidecars = new Dictionary<string, Quantity>(StringComparer.Ordinal);
        var peak = new Dictionary<string, Quantity>(StringComparer.Ordinal);
        foreach (var container in pod.Spec.InitContainers)
        {
            var during = new Dictionary<string, Quantity>(sidecars, StringComparer.Ordinal);
            Add(during, of(container));
            if (container.RestartPolicy == ContainerRestartPolicy.Always)
            {
                Add(total, of(container));
                sidecars = during;
            }
            RaiseTo(peak, during);
        }
        RaiseTo(total, peak);
    }

    private static void Add(Dictionary<string, Quantity> sums, ApiMap<Quantity> amounts)
    {
        foreach (var (name, amount) in amounts)
            sums[name] = sums.TryGetValue(name, out var before) ? before + amount : amount;
    }

    private static void RaiseTo(Dictionary<string, Quantity> amounts, Dictionary<string, Quantity> others)
    {
        foreach (var (name, amount) in others)
        {
            if (!amounts.TryGetValue(name, out var before) || before < amount)
                amounts[name] = amount;
        }
    }
}
