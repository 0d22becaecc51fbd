using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Minke.Api.Core.V1;

namespace Minke.Node.Pods.Environment;

/// <summary>Services as environment variables: <c>WEB_SERVICE_HOST</c>, and the names that Docker's links had. (kubelet/envvars, getServiceEnvVarMap)</summary>
internal static class ServiceVariables
{
    private const string ApiNamespace = "default";
    private const string ApiName = "kubernetes";

    /// <summary>Of the Services of the pod's own namespace, when it wants them, and always of the API's own.</summary>
    public static SortedDictionary<string, string> For(IEnumerable<Service> services, string @namespace, bool withLinks)
    {
        var chosen = new SortedDictionary<string, Service>(StringComparer.Ordinal);
        foreach (var service in services)
        {
            if (service.Spec.ClusterIP is "" or "None" || service.Spec.Ports.IsEmpty)
                continue;
            var (own, name) = (service.Metadata.Namespace, service.Metadata.Name);
            if (own == ApiNamespace && name == ApiName)
                chosen.TryAdd(name, service);
            else if (own == @namespace && withLinks)
                chosen[name] = service;
        }
        var variables = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var service in chosen.Values)
            Add(service, variables);
        return variables;
    }

    private static void Add(Service service, SortedDictionary<string, string> variables)
    {
        var (prefix, address) = (Variable(service.Metadata.Name), service.Spec.ClusterIP);
        variables[prefix + "_SERVICE_HOST"] = address;
        variables[prefix + "_SERVICE_PORT"] = Text(service.Spec.Ports[0].Port);
        foreach (var port in service.Spec.Ports)
        {
            if (port.Name.Length > 0)
                variables[$"{prefix}_SERVICE_PORT_{Variable(port.Name)}"] = Text(port.Port);
        }
        var host = IPAddress.TryParse(address, out var ip) && ip.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address;
        for (var i = 0; i < service.Spec.Ports.Count; i++)
        {
            var port = service.Spec.Ports[i];
            var protocol = port.Protocol.Length > 0 ? port.Protocol : Protocol.TCP;
            var link = $"{protocol.ToLowerInvariant()}://{host}:{Text(port.Port)}";
            if (i == 0)
                variables[prefix + "_PORT"] = link;
            var each = $"{prefix}_PORT_{Text(port.Port)}_{protocol.ToUpperInvariant()}";
            variables[each] = link;
            variables[each + "_PROTO"] = protocol.ToLowerInvariant();
            variables[each + "_PORT"] = Text(port.Port);
            variables[each + "_ADDR"] = address;
        }
    }

    private static string Variable(string name) => name.Replace('-', '_').ToUpperInvariant();

    private static string Text(int port) => port.ToString(CultureInfo.InvariantCulture);
}
