using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a Service does beyond its fields. Its addresses and node ports are given by the server, between preparation and validation. (ValidateService)</summary>
internal sealed class ServiceKind : KindBehavior<Service>
{
    private const int AffinitySeconds = 10800;
    private const int MaxAffinitySeconds = 86400;
    private const string Headless = ServiceRules.Headless;
    private static readonly string[] Types = [ServiceType.ClusterIP, ServiceType.ExternalName, ServiceType.LoadBalancer, ServiceType.NodePort];
    private static readonly string[] Affinities = [ServiceAffinity.ClientIP, ServiceAffinity.None];
    private static readonly string[] TrafficPolicies = ["Cluster", "Local"];

    public override Service Default(Service service)
    {
        var spec = service.Spec;
        var type = spec.Type.Length > 0 ? spec.Type : ServiceType.ClusterIP;
        var affinity = spec.SessionAffinity.Length > 0 ? spec.SessionAffinity : ServiceAffinity.None;
        var isRouted = type is ServiceType.ClusterIP or ServiceType.NodePort or ServiceType.LoadBalancer;
        return service with
        {
            Spec = spec with
            {
                Type = type,
                SessionAffinity = affinity,
                SessionAffinityConfig = affinity switch
                {
                    ServiceAffinity.None => null,
                    ServiceAffinity.ClientIP when spec.SessionAffinityConfig?.ClientIP?.TimeoutSeconds is null => new() { ClientIP = new() { TimeoutSeconds = AffinitySeconds } },
                    _ => spec.SessionAffinityConfig,
                },
                Ports = spec.Ports.Map(port => port with
                {
                    Protocol = port.Protocol.Length > 0 ? port.Protocol : Protocol.TCP,
                    TargetPort = port.TargetPort == default || port.TargetPort is { IsText: true, Text: "" } ? port.Port : port.TargetPort,
                }),
                ExternalTrafficPolicy = spec.ExternalTrafficPolicy.Length == 0 && IsExternal(spec, type) ? "Cluster" : spec.ExternalTrafficPolicy,
                InternalTrafficPolicy = spec.InternalTrafficPolicy ?? (isRouted ? "Cluster" : null),
                AllocateLoadBalancerNodePorts = spec.AllocateLoadBalancerNodePorts ?? (type == ServiceType.LoadBalancer ? true : null),
            },
            Status = type == ServiceType.LoadBalancer ? WithIpMode(service.Status) : service.Status,
        };
    }

    public override Service PrepareForCreate(Service service) => service with { Spec = WithBothNames(service.Spec), Status = new() };

    public override Service PrepareForUpdate(Service service, Service old)
    {
        var spec = ServiceChange.WithoutLeftovers(ServiceChange.WithGiven(service.Spec, old.Spec), old.Spec);
        return service with { Spec = spec, Status = old.Status };
    }

    public override Service PrepareForStatusUpdate(Service service, Service old) => service with { Spec = old.Spec };

    public override void ValidateStatus(Service service, Service old, FieldErrors errors) =>
        ServiceRules.ValidateStatus(service.Status.LoadBalancer, service.Spec.Type, errors);

    public override void Validate(Service service, Service? old, FieldErrors errors)
    {
        if (old is not null)
        {
            ObjectMetaRules.ValidateUpdate(service.Metadata, old.Metadata, errors);
            ValidateUpdate(service.Spec, old.Spec, errors);
        }
        ObjectMetaRules.Validate(service.Metadata, isNamespaced: true, Names.Dns1035Label, errors);
        var (spec, isHeadless) = (service.Spec, service.Spec.ClusterIPs is [Headless]);
        FieldPath path = "spec";
        if (spec.Ports.IsEmpty && !isHeadless && spec.Type != ServiceType.ExternalName)
            errors.Required(path.Child("ports"));
        if (isHeadless && spec.Type is ServiceType.LoadBalancer or ServiceType.NodePort)
            errors.Invalid(path.Child("clusterIPs").Index(0), Headless, $"may not be set to 'None' for {spec.Type} services");
        if (spec.Type == ServiceType.ExternalName)
            ValidateExternalName(spec, path, errors);
        ValidatePorts(spec, path.Child("ports"), errors);
        ObjectMetaRules.Labels(spec.Selector, path.Child("selector"), errors);
        ValidateAffinity(spec, path, errors);
        if (spec.Type != ServiceType.ExternalName)
            ServiceRules.ValidateClusterIps(spec, path, errors);
        for (var i = 0; i < spec.ExternalIPs.Count; i++)
        {
            if (PodRules.IsIp(spec.ExternalIPs[i]))
                EndpointsKind.NotSpecial(spec.ExternalIPs[i], path.Child("externalIPs").Index(i), errors);
            else
                PodRules.ValidateIp(spec.ExternalIPs[i], path.Child("externalIPs").Index(i), errors);
        }
        if (!Types.Contains(spec.Type))
            errors.NotSupported(path.Child("type"), spec.Type, Types);
        ValidateUniquePorts(spec, path.Child("ports"), errors);
        if (spec.AllocateLoadBalancerNodePorts is not null && spec.Type != ServiceType.LoadBalancer)
            errors.Forbidden(path.Child("allocateLoadBalancerNodePorts"), "may only be used when `type` is 'LoadBalancer'");
        ValidateTraffic(spec, path, errors);
    }

    public override IEnumerable<string> Warnings(Service service, Service? old)
    {
        if (old is null && service.Spec.Type != ServiceType.ExternalName)
            yield return "spec: accepted but not acted on by Minke yet: Services are not routed";
        if (service.Spec.Type != ServiceType.ExternalName && service.Spec.ExternalName.Length > 0)
            yield return "spec.externalName is ignored when spec.type is not \"ExternalName\"";
        if (service.Spec.Type == ServiceType.ExternalName && !service.Spec.ExternalIPs.IsEmpty)
            yield return "spec.externalIPs is ignored when spec.type is \"ExternalName\"";
        if (service.Spec is not { Type: ServiceType.ClusterIP, ClusterIP: Headless })
            yield break;
        if (service.Spec.LoadBalancerIP.Length > 0)
            yield return "spec.loadBalancerIP is ignored for headless services";
        if (!service.Spec.ExternalIPs.IsEmpty)
            yield return "spec.externalIPs is ignored for headless services";
        if (service.Spec.SessionAffinity != ServiceAffinity.None)
            yield return "spec.SessionAffinity is ignored for headless services";
    }

    private static ServiceStatus WithIpMode(ServiceStatus status) => status with
    {
        LoadBalancer = status.LoadBalancer with
        {
            Ingress = status.LoadBalancer.Ingress.Map(ingress => ingress is { Ip.Length: > 0, IpMode: null } ? ingress with { IpMode = LoadBalancerIPMode.VIP } : ingress),
        },
    };

    private static bool IsExternal(ServiceSpec spec, string type) =>
        type is ServiceType.NodePort or ServiceType.LoadBalancer || (type == ServiceType.ClusterIP && !spec.ExternalIPs.IsEmpty);

    private static ServiceSpec WithBothNames(ServiceSpec spec) =>
        spec.ClusterIP.Length > 0 && spec.ClusterIPs.IsEmpty ? spec with { ClusterIPs = [spec.ClusterIP] } : spec;

    private static void ValidateExternalName(ServiceSpec spec, FieldPath path, FieldErrors errors)
    {
        if (!spec.ClusterIPs.IsEmpty)
            errors.Forbidden(path.Child("clusterIPs"), "may not be set for ExternalName services");
        if (!spec.IpFamilies.IsEmpty)
            errors.Forbidden(path.Child("ipFamilies"), "may not be set for ExternalName services");
        if (spec.IpFamilyPolicy is not null)
            errors.Forbidden(path.Child("ipFamilyPolicy"), "may not be set for ExternalName services");
        var name = spec.ExternalName.EndsWith('.') ? spec.ExternalName[..^1] : spec.ExternalName;
        if (name.Length == 0)
            errors.Required(path.Child("externalName"));
        else
            PodRules.Each(Names.Dns1123Subdomain(name), path.Child("externalName"), name, errors);
    }

    private static void ValidatePorts(ServiceSpec spec, FieldPath path, FieldErrors errors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < spec.Ports.Count; i++)
        {
            var (port, at) = (spec.Ports[i], path.Index(i));
            if (port.Name.Length > 0)
            {
                PodRules.Each(Names.Dns1123Label(port.Name), at.Child("name"), port.Name, errors);
                if (!names.Add(port.Name))
                    errors.Duplicate(at.Child("name"), port.Name);
            }
            else if (spec.Ports.Count > 1)
            {
                errors.Required(at.Child("name"));
            }
            PodRules.Each(Names.PortNumber(port.Port), at.Child("port"), port.Port, errors);
            if (!ContainerRules.Protocols.Contains(port.Protocol))
                errors.NotSupported(at.Child("protocol"), port.Protocol, ContainerRules.Protocols);
            ProbeRules.ValidatePort(port.TargetPort, at.Child("targetPort"), errors);
            if (port.AppProtocol is { } application)
                PodRules.Each(Names.QualifiedName(application), at.Child("appProtocol"), application, errors);
        }
    }

    private static void ValidateUniquePorts(ServiceSpec spec, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < spec.Ports.Count; i++)
        {
            var port = spec.Ports[i];
            if (spec.Type == ServiceType.ClusterIP && port.NodePort != 0)
                errors.Forbidden(path.Index(i).Child("nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
        for (var i = 1; i < spec.Ports.Count; i++)
        {
            var port = spec.Ports[i];
            if (port.NodePort != 0 && spec.Ports.Take(i).Any(other => other.NodePort == port.NodePort && other.Protocol == port.Protocol))
                errors.Duplicate(path.Index(i).Child("nodePort"), port.NodePort);
        }
        for (var i = 1; i < spec.Ports.Count; i++)
        {
            var port = spec.Ports[i];
            if (spec.Ports.Take(i).Any(other => other.Port == port.Port && other.Protocol == port.Protocol))
            {
                errors.Duplicate(path.Index(i), new GoText($"core.ServicePort{{Name:\"\", Protocol:{FieldErrors.Quote(port.Protocol)}, AppProtocol:(*string)(nil), "
                    + $"Port:{PodRules.Number(port.Port)}, TargetPort:intstr.IntOrString{{Type:0, IntVal:0, StrVal:\"\"}}, NodePort:0}}"));
            }
        }
    }

    private static void ValidateAffinity(ServiceSpec spec, FieldPath path, FieldErrors errors)
    {
        if (!Affinities.Contains(spec.SessionAffinity))
            errors.NotSupported(path.Child("sessionAffinity"), spec.SessionAffinity, Affinities);
        if (spec.SessionAffinity == ServiceAffinity.ClientIP && spec.SessionAffinityConfig?.ClientIP?.TimeoutSeconds is { } seconds and (<= 0 or > MaxAffinitySeconds))
            errors.Invalid(path.Child("sessionAffinityConfig").Child("clientIP").Child("timeoutSeconds"), seconds, $"must be greater than 0 and less than {PodRules.Number(MaxAffinitySeconds)}");
    }

    private static void ValidateTraffic(ServiceSpec spec, FieldPath path, FieldErrors errors)
    {
        if (!IsExternal(spec, spec.Type))
        {
            if (spec.ExternalTrafficPolicy.Length > 0)
                errors.Invalid(path.Child("externalTrafficPolicy"), spec.ExternalTrafficPolicy, "may only be set for externally-accessible services");
        }
        else if (!TrafficPolicies.Contains(spec.ExternalTrafficPolicy))
        {
            errors.NotSupported(path.Child("externalTrafficPolicy"), spec.ExternalTrafficPolicy, TrafficPolicies);
        }
        if (spec.HealthCheckNodePort != 0 && spec is not { Type: ServiceType.LoadBalancer, ExternalTrafficPolicy: "Local" })
            errors.Invalid(path.Child("healthCheckNodePort"), spec.HealthCheckNodePort, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
        if (spec.InternalTrafficPolicy is { } inside && !TrafficPolicies.Contains(inside))
            errors.NotSupported(path.Child("internalTrafficPolicy"), inside, TrafficPolicies);
        if (spec.TrafficDistribution is { } distribution && distribution != "PreferClose")
            errors.NotSupported(path.Child("trafficDistribution"), distribution, ["PreferClose"]);
    }

    private static void ValidateUpdate(ServiceSpec spec, ServiceSpec old, FieldErrors errors)
    {
        if (spec.Type == ServiceType.ExternalName || old.Type == ServiceType.ExternalName)
            return;
        FieldPath path = "spec.clusterIPs";
        if (spec.Type == ServiceType.LoadBalancer && old.Type == ServiceType.LoadBalancer && spec.LoadBalancerClass != old.LoadBalancerClass)
            errors.Invalid("spec.loadBalancerClass", spec.LoadBalancerClass, "may not change once set");
        for (var i = 0; i < Math.Min(spec.ClusterIPs.Count, old.ClusterIPs.Count); i++)
        {
            if (spec.ClusterIPs[i] != old.ClusterIPs[i])
                errors.Invalid(path.Index(i), spec.ClusterIPs, "may not change once set");
        }
        if (spec.ClusterIPs.IsEmpty && !old.ClusterIPs.IsEmpty)
            errors.Invalid(path.Index(0), spec.ClusterIPs, "primary clusterIP can not be unset");
    }
}
