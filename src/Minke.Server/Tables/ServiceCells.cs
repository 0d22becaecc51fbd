using System.Globalization;
using Minke.Api.Core.V1;

namespace Minke.Server.Tables;

/// <summary>What kubectl shows of Services and Endpoints.</summary>
internal static class ServiceCells
{
    private const int MaxEndpoints = 3;

    public static string External(Service service)
    {
        var external = string.Join(',', service.Spec.ExternalIPs);
        switch (service.Spec.Type)
        {
            case "ExternalName":
                return service.Spec.ExternalName;
            case "LoadBalancer":
                var ingress = service.Status.LoadBalancer.Ingress.Select(one => one.Ip.Length > 0 ? one.Ip : one.Hostname)
                    .Where(address => address.Length > 0).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);
                var all = string.Join(',', ingress.Concat(service.Spec.ExternalIPs));
                return all.Length > 0 ? all : "<pending>";
            default:
                return external.Length > 0 ? external : "<none>";
        }
    }

    public static string Ports(Service service) => service.Spec.Ports.IsEmpty ? "<none>" : string.Join(',', service.Spec.Ports.Select(port =>
        port.NodePort > 0
            ? string.Create(CultureInfo.InvariantCulture, $"{port.Port}:{port.NodePort}/{port.Protocol}")
            : string.Create(CultureInfo.InvariantCulture, $"{port.Port}/{port.Protocol}")));

    public static string Endpoints(Endpoints endpoints)
    {
        var all = endpoints.Subsets.SelectMany(subset => subset.Ports.IsEmpty
            ? subset.Addresses.Select(address => address.Ip)
            : subset.Ports.SelectMany(port => subset.Addresses.Select(address => HostPort(address.Ip, port.Port)))).ToList();
        if (all.Count == 0)
            return "<none>";
        var shown = string.Join(',', all.Take(MaxEndpoints));
        return all.Count > MaxEndpoints ? string.Create(CultureInfo.InvariantCulture, $"{shown} + {all.Count - MaxEndpoints} more...") : shown;
    }

    private static string HostPort(string host, int port) => host.Contains(':', StringComparison.Ordinal)
        ? string.Create(CultureInfo.InvariantCulture, $"[{host}]:{port}")
        : string.Create(CultureInfo.InvariantCulture, $"{host}:{port}");
}
