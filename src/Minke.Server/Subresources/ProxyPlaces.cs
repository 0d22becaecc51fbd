using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Server.Registry;

namespace Minke.Server.Subresources;

/// <summary>Where a pod, one of a service's pods, or a port of a node is reached. (ResourceLocation in pkg/registry/core/pod, service and node)</summary>
internal sealed class ProxyPlaces(ObjectRegistry registry, IdSource ids)
{
    private readonly Resource _pods = registry.Catalog.Find(Minke.Api.Core.V1.Pod.KindInfo)!;
    private readonly Resource _services = registry.Catalog.Find(Minke.Api.Core.V1.Service.KindInfo)!;
    private readonly Resource _endpoints = registry.Catalog.Find(Endpoints.KindInfo)!;

    public ProxyPlace Pod(string @namespace, string text)
    {
        var asked = ProxiedName.Parse(text, "pod");
        var pod = Read<Pod>(_pods, @namespace, asked.Name);
        var port = asked.Port.Length > 0 ? asked.Port
            : pod.Spec.Containers.FirstOrDefault(container => !container.Ports.IsEmpty)?.Ports[0].ContainerPortValue.ToString(CultureInfo.InvariantCulture) ?? "";
        return Allowed(asked.Scheme, pod.Status.PodIPs.IsEmpty ? "" : pod.Status.PodIPs[0].Ip, port);
    }

    public ProxyPlace Service(string @namespace, string text)
    {
        var asked = ProxiedName.Parse(text, "service");
        var port = asked.Port;
        if (long.TryParse(port, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
        {
            port = Read<Service>(_services, @namespace, asked.Name).Spec.Ports.FirstOrDefault(one => one.Port == number)?.Name
                ?? throw StatusException.ServiceUnavailable($"no service port {number} found for service {FieldErrors.Quote(asked.Name)}");
        }
        var subsets = Read<Endpoints>(_endpoints, @namespace, asked.Name).Subsets;
        if (subsets.IsEmpty)
            throw StatusException.ServiceUnavailable($"no endpoints available for service {FieldErrors.Quote(asked.Name)}");
        foreach (var subset in FromAnywhere(subsets))
        {
            foreach (var served in subset.Ports.Where(one => one.Name == port))
            {
                if (FromAnywhere(subset.Addresses).FirstOrDefault(address => IsOfPod(address, @namespace)) is { } address)
                    return new(asked.Scheme, Authority(address.Ip, served.Port.ToString(CultureInfo.InvariantCulture)));
            }
        }
        throw StatusException.ServiceUnavailable($"no endpoints available for service {FieldErrors.Quote(text)}");
    }

    /// <summary>A port of the machine that is not the node agent's.</summary>
    public static ProxyPlace Node(Node node, ProxiedName asked)
    {
        var address = node.Status.Addresses.FirstOrDefault(one => one.Type == "InternalIP") ?? throw StatusException.Of(
            500, "", $"no preferred addresses found; known addresses: [{string.Join(' ', node.Status.Addresses.Select(one => $"{{{one.Type} {one.Address}}}"))}]", null);
        return Allowed(asked.Scheme, address.Address, asked.Port);
    }

    /// <summary>An endpoint that is no pod of the namespace may be anything, and is not led to.</summary>
    private bool IsOfPod(EndpointAddress address, string @namespace) =>
        address.TargetRef is { } target && target.Namespace == @namespace && registry.TryGet(_pods, @namespace, target.Name) is Pod pod
        && pod.Status.PodIPs.Any(one => one.Ip == address.Ip);

    /// <summary>What is of this machine alone is not reached through a name that users may choose.</summary>
    private static ProxyPlace Allowed(string scheme, string address, string port)
    {
        if (!IPAddress.TryParse(address, out var ip) || IPAddress.IsLoopback(ip) || ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any) || ip.Equals(IPAddress.Broadcast)
            || ip.IsIPv6LinkLocal || ip.IsIPv6Multicast || (ip.AddressFamily == AddressFamily.InterNetwork && ip.GetAddressBytes() is [169, 254, ..] or [>= 224 and < 240, ..]))
            throw StatusException.BadRequest("address not allowed");
        return new(scheme, Authority(address, port));
    }

    private static string Authority(string address, string port)
    {
        var host = address.Contains(':', StringComparison.Ordinal) ? $"[{address}]" : address;
        return port.Length == 0 ? host : $"{host}:{port}";
    }

    private T Read<T>(Resource resource, string @namespace, string name) where T : class, IKubeObject =>
        (T)StoredObject.Read(resource, registry.GetEntry(resource, @namespace, name));

    private IEnumerable<T> FromAnywhere<T>(ApiList<T> items)
    {
        var start = (int)(ids.NewFraction() * items.Count);
        for (var i = 0; i < items.Count; i++)
            yield return items[(start + i) % items.Count];
    }
}

/// <param name="Scheme">http, https, or empty, which is http.</param>
/// <param name="Authority">Host and port.</param>
internal sealed record ProxyPlace(string Scheme, string Authority);
