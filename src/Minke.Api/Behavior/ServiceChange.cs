using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What an update of a Service keeps of what it was given, and what goes with a change of type. (patchAllocatedValues, NormalizeClusterIPs, dropTypeDependentFields)</summary>
internal static class ServiceChange
{
    /// <summary>What was given out and is not mentioned stays, so that a manifest can be applied again and again.</summary>
    public static ServiceSpec WithGiven(ServiceSpec spec, ServiceSpec old)
    {
        if (NeedsAddress(spec) && NeedsAddress(old))
        {
            if (spec.ClusterIP.Length == 0 && spec.ClusterIPs.IsEmpty)
                spec = spec with { ClusterIP = old.ClusterIP };
            if (spec.ClusterIPs.IsEmpty && spec.ClusterIP == old.ClusterIP)
                spec = spec with { ClusterIPs = old.ClusterIPs };
        }
        spec = WithBothNames(spec, old);
        if (NeedsNodePorts(spec) && NeedsNodePorts(old))
            spec = spec with { Ports = WithNodePorts(spec.Ports, old.Ports) };
        if (NeedsHealthPort(spec) && NeedsHealthPort(old) && spec.HealthCheckNodePort == 0)
            spec = spec with { HealthCheckNodePort = old.HealthCheckNodePort };
        return spec;
    }

    /// <summary>What the new type has no use for goes, unless it was changed with the type: then it is a mistake, and validation says so.</summary>
    public static ServiceSpec WithoutLeftovers(ServiceSpec spec, ServiceSpec old)
    {
        if (NeedsAddress(old) && !NeedsAddress(spec))
        {
            spec = spec with
            {
                ClusterIP = spec.ClusterIPs.SequenceEqual(old.ClusterIPs) ? "" : spec.ClusterIP,
                ClusterIPs = spec.ClusterIPs.SequenceEqual(old.ClusterIPs) ? default : spec.ClusterIPs,
                IpFamilies = spec.IpFamilies.SequenceEqual(old.IpFamilies) ? default : spec.IpFamilies,
                IpFamilyPolicy = spec.IpFamilyPolicy == old.IpFamilyPolicy ? null : spec.IpFamilyPolicy,
            };
        }
        if (NeedsNodePorts(old) && !NeedsNodePorts(spec) && spec.Ports.Select(port => port.NodePort).SequenceEqual(old.Ports.Select(port => port.NodePort)))
            spec = spec with { Ports = spec.Ports.Map(port => port with { NodePort = 0 }) };
        if (NeedsHealthPort(old) && !NeedsHealthPort(spec) && spec.HealthCheckNodePort == old.HealthCheckNodePort)
            spec = spec with { HealthCheckNodePort = 0 };
        if (old.Type == ServiceType.LoadBalancer && spec.Type != ServiceType.LoadBalancer)
        {
            spec = spec with
            {
                AllocateLoadBalancerNodePorts = spec.AllocateLoadBalancerNodePorts == old.AllocateLoadBalancerNodePorts ? null : spec.AllocateLoadBalancerNodePorts,
                LoadBalancerClass = spec.LoadBalancerClass == old.LoadBalancerClass ? null : spec.LoadBalancerClass,
            };
        }
        if (IsExternal(old) && !IsExternal(spec) && spec.ExternalTrafficPolicy == old.ExternalTrafficPolicy)
            spec = spec with { ExternalTrafficPolicy = "" };
        return spec;
    }

    /// <summary>The older name of the address and the newer list say the same; whoever changes one and leaves the other as it was means the one.</summary>
    private static ServiceSpec WithBothNames(ServiceSpec spec, ServiceSpec old)
    {
        if (spec.ClusterIP.Length > 0 && spec.ClusterIPs.IsEmpty)
            return spec with { ClusterIPs = [spec.ClusterIP] };
        if (spec.ClusterIP == old.ClusterIP || !spec.ClusterIPs.SequenceEqual(old.ClusterIPs))
            return spec;
        return spec with { ClusterIPs = spec.ClusterIP.Length == 0 ? default : [spec.ClusterIP] };
    }

    private static ApiList<ServicePort> WithNodePorts(ApiList<ServicePort> ports, ApiList<ServicePort> old)
    {
        var used = ports.Select(port => port.NodePort).Where(number => number != 0).ToHashSet();
        used.IntersectWith(old.Select(port => port.NodePort));
        return ports.Map(port =>
        {
            var before = old.LastOrDefault(other => other.Name == port.Name)?.NodePort ?? 0;
            return port.NodePort == 0 && before != 0 && used.Add(before) ? port with { NodePort = before } : port;
        });
    }

    private static bool NeedsAddress(ServiceSpec spec) => spec.Type is ServiceType.ClusterIP or ServiceType.NodePort or ServiceType.LoadBalancer;

    private static bool NeedsNodePorts(ServiceSpec spec) =>
        spec.Type == ServiceType.NodePort || (spec.Type == ServiceType.LoadBalancer && spec.AllocateLoadBalancerNodePorts != false);

    private static bool NeedsHealthPort(ServiceSpec spec) => spec is { Type: ServiceType.LoadBalancer, ExternalTrafficPolicy: "Local" };

    private static bool IsExternal(ServiceSpec spec) =>
        spec.Type is ServiceType.NodePort or ServiceType.LoadBalancer || (spec.Type == ServiceType.ClusterIP && !spec.ExternalIPs.IsEmpty);
}
