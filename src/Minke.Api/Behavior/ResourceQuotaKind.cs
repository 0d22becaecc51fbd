using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a ResourceQuota does beyond its fields. (pkg/registry/core/resourcequota/strategy.go)</summary>
internal sealed class ResourceQuotaKind : KindBehavior<ResourceQuota>
{
    public override ResourceQuota PrepareForCreate(ResourceQuota quota) => quota with { Status = new() };

    public override ResourceQuota PrepareForUpdate(ResourceQuota quota, ResourceQuota old) => quota with { Status = old.Status };

    public override ResourceQuota PrepareForStatusUpdate(ResourceQuota quota, ResourceQuota old) => quota with { Spec = old.Spec };

    public override void Validate(ResourceQuota quota, ResourceQuota? old, FieldErrors errors)
    {
        if (old is null)
            ObjectMetaRules.Validate(quota.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        else
            ObjectMetaRules.ValidateUpdate(quota.Metadata, old.Metadata, errors);
        QuotaRules.ValidateSpec(quota.Spec, "spec", errors);
        QuotaRules.ValidateStatus(quota.Status, "status", errors);
        if (old is not null && !quota.Spec.Scopes.ToHashSet(StringComparer.Ordinal).SetEquals(old.Spec.Scopes))
            errors.Invalid("spec.scopes", QuotaRules.Show(quota.Spec.Scopes), "field is immutable");
    }

    public override void ValidateStatus(ResourceQuota quota, ResourceQuota old, FieldErrors errors) => QuotaRules.ValidateStatus(quota.Status, "status", errors);
}
