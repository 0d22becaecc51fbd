using Minke.Api;
using Minke.Api.Core.V1;

namespace Minke.Control.Scheduling;

/// <summary>What pods ask of a node and what a node has, by resource name. CPU in cores, memory and storage in bytes.</summary>
internal static class Resources
{
    /// <summary>What a pod counts for on its node: its requests, and itself among the pods.</summary>
    public static Dictionary<string, decimal> Requests(Pod pod)
    {
        var requests = PodResources.Requests(pod);
        var amounts = new Dictionary<string, decimal>(requests.Count + 1, StringComparer.Ordinal);
        foreach (var (name, quantity) in requests)
            amounts[name] = quantity.Value;
        amounts["pods"] = 1;
        return amounts;
    }
}
