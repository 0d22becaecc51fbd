using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What is judged of a Service before it is given an address, and again after. (ValidateServiceClusterIPsRelatedFields)</summary>
public static class ServiceRules
{
    /// <summary>In the place of an address: none is wanted.</summary>
    public const string Headless = "None";

    public static void ValidateClusterIps(ServiceSpec spec, FieldPath path, FieldErrors errors)
    {
        var at = path.Child("clusterIPs");
        if (spec.ClusterIP.Length == 0 && !spec.ClusterIPs.IsEmpty)
            errors.Invalid(at, spec.ClusterIPs, "must be empty when `clusterIP` is not specified");
        else if (!spec.ClusterIPs.IsEmpty && spec.ClusterIPs[0] != spec.ClusterIP)
            errors.Invalid(at, spec.ClusterIPs, "first value must match `clusterIP`");
        string[] families = ["IPv4", "IPv6"];
        for (var i = 0; i < spec.IpFamilies.Count; i++)
        {
            if (!families.Contains(spec.IpFamilies[i]))
                errors.NotSupported(path.Child("ipFamilies").Index(i), spec.IpFamilies[i], families);
            if (spec.IpFamilies.Take(i).Contains(spec.IpFamilies[i]))
                errors.Duplicate(path.Child("ipFamilies").Index(i), spec.IpFamilies[i]);
        }
        string[] policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        if (spec.IpFamilyPolicy is { } policy && !policies.Contains(policy))
            errors.NotSupported(path.Child("ipFamilyPolicy"), policy, policies);
        for (var i = 0; i < spec.ClusterIPs.Count; i++)
        {
            if (i > 0 || spec.ClusterIPs[i] != Headless)
                PodRules.ValidateIp(spec.ClusterIPs[i], at.Index(i), errors);
            else if (spec.ClusterIPs.Count > 1)
                errors.Invalid(at, spec.ClusterIPs, "'None' must be the first and only value");
        }
        if (spec.ClusterIPs.Count > 2)
            errors.Invalid(at, spec.ClusterIPs, "may only hold up to 2 values");
        for (var i = 0; i < Math.Min(spec.ClusterIPs.Count, spec.IpFamilies.Count) && spec.ClusterIPs[0] != Headless; i++)
        {
            var isSix = spec.ClusterIPs[i].Contains(':', StringComparison.Ordinal);
            if (spec.IpFamilies[i] == (isSix ? "IPv4" : "IPv6"))
                errors.Invalid(at.Index(i), spec.ClusterIPs[i], $"expected an {spec.IpFamilies[i]} value as indicated by `ipFamilies[{PodRules.Number(i)}]`");
        }
    }

    /// <summary>What a load balancer says of itself. (ValidateLoadBalancerStatus)</summary>
    public static void ValidateStatus(LoadBalancerStatus status, string type, FieldErrors errors)
    {
        var path = new FieldPath("status.loadBalancer.ingress");
        if (type != ServiceType.LoadBalancer && !status.Ingress.IsEmpty)
        {
            errors.Forbidden(path, "may only be used when `spec.type` is \"LoadBalancer\"");
            return;
        }
        for (var i = 0; i < status.Ingress.Count; i++)
        {
            var (ingress, at) = (status.Ingress[i], path.Index(i));
            if (ingress.Ip.Length > 0)
                PodRules.ValidateIp(ingress.Ip, at.Child("ip"), errors);
            if (ingress.IpMode is not null && ingress.Ip.Length == 0)
                errors.Forbidden(at.Child("ipMode"), "may not be specified when `ip` is not set");
            else if (ingress.IpMode is not (null or LoadBalancerIPMode.VIP or LoadBalancerIPMode.Proxy))
                errors.NotSupported(at.Child("ipMode"), ingress.IpMode, [LoadBalancerIPMode.Proxy, LoadBalancerIPMode.VIP]);
            if (ingress.Hostname.Length == 0)
                continue;
            PodRules.Each(Names.Dns1123Subdomain(ingress.Hostname), at.Child("hostname"), ingress.Hostname, errors);
            if (PodRules.IsIp(ingress.Hostname))
                errors.Invalid(at.Child("hostname"), ingress.Hostname, "must be a DNS name, not an IP address");
        }
    }
}
