using Minke.Api;
using Minke.Api.Core.V1;

namespace Minke.Control.Scheduling;

/// <summary>What pods ask of a node and what a node has, by resource name. CPU in cores, memory and storage in bytes.</summary>
internal static class Resources
{
    /// <summary>
    /// What a pod counts for: the larger of its containers and sidecars together and of any init container beside the sidecars started
    /// before it, plus overhead. (KEP-753)
    /// </summary>
    public static Dictionary<string, decimal> Requests(Pod pod)
    {
        var running = new Dictionary<string, decimal>(StringComparer.Ordinal);
        foreach (var container in pod.Spec.Containers)
            Add(running, container.Resources.Requests);

        var sidecars = new Dictionary<string, decimal>(StringComparer.Ordinal);
        var initPeak = new Dictionary<string, decimal>(StringComparer.Ordinal);
        foreach (var container in pod.Spec.InitContainers)
        {
            var during = new Dictionary<string, decimal>(sidecars, StringComparer.Ordinal);
            Add(during, container.Resources.Requests);
            if (container.RestartPolicy == ContainerRestartPolicy.Always)
            {
                Add(running, container.Resources.Requests);
                Add(sidecars, container.Resources.Requests);
            }
            foreach (var (name, amount) in during)
                initPeak[name] = Math.Max(amount, initPeak.GetValueOrDefault(name));
        }
        foreach (var (name, amount) in initPeak)
            running[name] = Math.Max(amount, running.GetValueOrDefault(name));
        Add(running, pod.Spec.Overhead);
        running["pods"] = 1;
        return running;
    }

    public static void Add(Dictionary<string, decimal> sums, ApiMap<Quantity> amounts)
    {
        foreach (var (name, amount) in amounts)
            sums[name] = sums.GetValueOrDefault(name) + amount.Value;
    }
}
