using Minke.Api.Networking.V1beta1;

namespace Minke.Api;

/// <summary>What an IPAddress does beyond its fields. Its name is the address. (pkg/registry/networking/ipaddress/strategy.go)</summary>
internal sealed class IPAddressKind : KindBehavior<IPAddress>
{
    public override void Validate(IPAddress address, IPAddress? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(address.Metadata, isNamespaced: false, AddressRules.CanonicalIp, errors);
        AddressRules.ValidateParent(address.Spec.ParentRef, "spec.parentRef", errors);
        if (old is null)
            return;
        ObjectMetaRules.ValidateUpdate(address.Metadata, old.Metadata, errors);
        if (!Json.Same(address.Spec.ParentRef, old.Spec.ParentRef))
            errors.Invalid("spec.parentRef", AddressRules.Show(address.Spec.ParentRef), "field is immutable");
    }
}

/// <summary>What a ServiceCIDR does beyond its fields.</summary>
internal sealed class ServiceCIDRKind : KindBehavior<ServiceCIDR>
{
    public override ServiceCIDR PrepareForCreate(ServiceCIDR value) => value with { Status = new() };

    public override ServiceCIDR PrepareForUpdate(ServiceCIDR value, ServiceCIDR old) => value with { Status = old.Status };

    public override ServiceCIDR PrepareForStatusUpdate(ServiceCIDR value, ServiceCIDR old) => value with { Spec = old.Spec };

    public override void Validate(ServiceCIDR value, ServiceCIDR? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(value.Metadata, isNamespaced: false, Names.Dns1123Subdomain, errors);
        AddressRules.ValidateRanges(value.Spec, "spec.cidrs", errors);
        if (old is null)
            return;
        ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
        if (!value.Spec.Cidrs.SequenceEqual(old.Spec.Cidrs))
            errors.Invalid("spec.cidrs", value.Spec.Cidrs, "field is immutable");
    }
}
