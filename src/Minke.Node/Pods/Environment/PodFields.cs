using System.Globalization;
using Minke.Api;
using Minke.Api.Core.V1;

namespace Minke.Node.Pods.Environment;

/// <summary>Fields and resources of a pod as text, for variables and downward API files. (pkg/fieldpath, pkg/api/v1/resource)</summary>
internal static class PodFields
{
    /// <summary>The text of a field, or null for a path that has none.</summary>
    public static string? Read(Pod pod, PodPlace place, string path)
    {
        if (path.EndsWith("']", StringComparison.Ordinal) && path.IndexOf("['", StringComparison.Ordinal) is var bracket and > 0)
        {
            var key = path[(bracket + 2)..^2];
            return path[..bracket] switch
            {
                "metadata.labels" => pod.Metadata.Labels.GetValueOrDefault(key) ?? "",
                "metadata.annotations" => pod.Metadata.Annotations.GetValueOrDefault(key) ?? "",
                _ => null,
            };
        }
        return path switch
        {
            "metadata.name" => pod.Metadata.Name,
            "metadata.namespace" => pod.Metadata.Namespace,
            "metadata.uid" => pod.Metadata.Uid,
            "metadata.labels" => Lines(pod.Metadata.Labels),
            "metadata.annotations" => Lines(pod.Metadata.Annotations),
            "spec.nodeName" => place.NodeName,
            "spec.serviceAccountName" => pod.Spec.ServiceAccountName,
            "status.hostIP" => place.HostIps is [var first, ..] ? first : "",
            "status.hostIPs" => string.Join(',', place.HostIps),
            "status.podIP" => place.PodIps is [var first, ..] ? first : "",
            "status.podIPs" => string.Join(',', place.PodIps),
            _ => null,
        };
    }

    /// <summary>An amount in units of its divisor, rounded up. A limit that is not set is what the node has.</summary>
    public static string? Read(ResourceFieldSelector selector, Container container, PodPlace place)
    {
        var dot = selector.Resource.IndexOf('.', StringComparison.Ordinal);
        if (dot < 0)
            return null;
        var name = selector.Resource[(dot + 1)..];
        Quantity amount;
        switch (selector.Resource[..dot])
        {
            case "limits":
                if (!container.Resources.Limits.TryGetValue(name, out amount))
                    amount = place.NodeAllocatable.GetValueOrDefault(name);
                break;
            case "requests":
                if (!container.Resources.Requests.TryGetValue(name, out amount))
                    amount = container.Resources.Limits.GetValueOrDefault(name);
                break;
            default:
                return null;
        }
        var divisor = selector.Divisor.IsZero ? 1 : selector.Divisor.Value;
        return Math.Ceiling(amount.Value / divisor).ToString("0", CultureInfo.InvariantCulture);
    }

    private static string Lines(ApiMap<string> map) => string.Join('\n', map.Select(pair => $"{pair.Key}={FieldErrors.Quote(pair.Value)}"));
}
