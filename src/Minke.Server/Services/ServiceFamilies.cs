using Minke.Api;
using Minke.Api.Core.V1;

namespace Minke.Server.Services;

/// <summary>The address families of a Service, filled in for a cluster that has IPv4 alone. (initIPFamilyFields of pkg/registry/core/service/storage/alloc.go)</summary>
internal static class ServiceFamilies
{
    private const string Headless = "None";

    /// <exception cref="StatusException">422: a family that the cluster does not have.</exception>
    public static Service Fill(Service service, Service? old)
    {
        var spec = service.Spec;
        if (spec.Type == ServiceType.ExternalName || IsSettled(spec, old?.Spec))
            return service;
        var withoutSelector = spec.ClusterIP == Headless && spec.Selector.IsEmpty;
        spec = spec with
        {
            IpFamilyPolicy = spec.IpFamilyPolicy ?? old?.Spec.IpFamilyPolicy ?? (withoutSelector ? IPFamilyPolicy.RequireDualStack : IPFamilyPolicy.SingleStack),
        };
        var errors = new FieldErrors();
        ServiceRules.ValidateClusterIps(spec, "spec", errors);
        ThrowIfAny(service, errors);
        if (old is not null)
            spec = Reduced(spec, old.Spec, errors);
        if (spec.IpFamilyPolicy == IPFamilyPolicy.SingleStack)
        {
            if (spec.ClusterIPs.Count == 2)
                errors.Invalid("spec.ipFamilyPolicy", spec.IpFamilyPolicy, "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified");
            if (spec.IpFamilies.Count == 2)
                errors.Invalid("spec.ipFamilyPolicy", spec.IpFamilyPolicy, "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified");
        }
        spec = spec with { IpFamilies = Inferred(spec, errors) };
        ThrowIfAny(service, errors);
        if (withoutSelector)
        {
            // Its endpoints are somebody else's, and those may have any family.
            var families = spec.IpFamilies.IsEmpty ? [IPFamily.IPv4] : spec.IpFamilies;
            if (families.Count < 2 && spec.IpFamilyPolicy != IPFamilyPolicy.SingleStack)
                families = families.Add(families[0] == IPFamily.IPv4 ? IPFamily.IPv6 : IPFamily.IPv4);
            return service with { Spec = spec with { IpFamilies = families } };
        }
        if (spec.IpFamilyPolicy == IPFamilyPolicy.RequireDualStack)
            errors.Invalid("spec.ipFamilyPolicy", spec.IpFamilyPolicy, "this cluster is not configured for dual-stack services");
        for (var i = 0; i < spec.IpFamilies.Count; i++)
        {
            if (spec.IpFamilies[i] != IPFamily.IPv4)
                errors.Invalid(new FieldPath("spec.ipFamilies").Index(i), spec.IpFamilies[i], "not configured on this cluster");
        }
        ThrowIfAny(service, errors);
        return service with { Spec = spec with { IpFamilies = spec.IpFamilies.IsEmpty ? [IPFamily.IPv4] : spec.IpFamilies } };
    }

    /// <summary>Services that prefer two families keep what they have until told otherwise.</summary>
    private static bool IsSettled(ServiceSpec spec, ServiceSpec? old) => old is not null && spec.Type == old.Type
        && spec.IpFamilyPolicy == IPFamilyPolicy.PreferDualStack && old.IpFamilyPolicy is null or IPFamilyPolicy.PreferDualStack
        && spec.ClusterIPs.SequenceEqual(old.ClusterIPs) && spec.IpFamilies.SequenceEqual(old.IpFamilies);

    private static ServiceSpec Reduced(ServiceSpec spec, ServiceSpec old, FieldErrors errors)
    {
        if (spec.IpFamilyPolicy == IPFamilyPolicy.SingleStack)
        {
            if (spec.ClusterIPs.Count > 1 && spec.ClusterIPs.SequenceEqual(old.ClusterIPs))
                spec = spec with { ClusterIPs = [spec.ClusterIPs[0]] };
            if (spec.IpFamilies.Count > 1 && spec.IpFamilies.SequenceEqual(old.IpFamilies))
                spec = spec with { IpFamilies = [spec.IpFamilies[0]] };
            return spec;
        }
        if (!spec.ClusterIPs.IsEmpty && spec.ClusterIPs.Count < old.ClusterIPs.Count)
            errors.Invalid("spec.ipFamilyPolicy", spec.IpFamilyPolicy, "must be 'SingleStack' to release the secondary cluster IP");
        if (!spec.IpFamilies.IsEmpty && spec.IpFamilies.Count < old.IpFamilies.Count)
            errors.Invalid("spec.ipFamilyPolicy", spec.IpFamilyPolicy, "must be 'SingleStack' to release the secondary IP family");
        return spec;
    }

    private static ApiList<string> Inferred(ServiceSpec spec, FieldErrors errors)
    {
        var families = spec.IpFamilies;
        for (var i = 0; i < spec.ClusterIPs.Count && spec.ClusterIPs[i] != Headless; i++)
        {
            if (i < spec.IpFamilies.Count)
                continue;
            if (ServiceNetwork.NumberOf(spec.ClusterIPs[i]) is null)
                errors.Invalid(new FieldPath("spec.clusterIPs").Index(i), spec.ClusterIPs, "IPv6 is not configured on this cluster");
            else
                families = families.Add(IPFamily.IPv4);
        }
        return families;
    }

    private static void ThrowIfAny(Service service, FieldErrors errors)
    {
        if (errors.Count > 0)
            throw StatusException.Invalid(Service.KindInfo, service.Metadata.Name, errors);
    }
}
