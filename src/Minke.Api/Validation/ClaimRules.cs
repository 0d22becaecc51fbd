using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>PersistentVolumeClaims, those in the templates of others included. (ValidatePersistentVolumeClaimSpec)</summary>
internal static class ClaimRules
{
    public static readonly string[] AccessModes =
        [PersistentVolumeAccessMode.ReadOnlyMany, PersistentVolumeAccessMode.ReadWriteMany, PersistentVolumeAccessMode.ReadWriteOnce, PersistentVolumeAccessMode.ReadWriteOncePod];
    public static readonly string[] VolumeModes = [PersistentVolumeMode.Block, PersistentVolumeMode.Filesystem];

    public static void ValidateSpec(PersistentVolumeClaimSpec spec, FieldPath path, FieldErrors errors)
    {
        if (spec.AccessModes.IsEmpty)
            errors.Required(path.Child("accessModes"), "at least 1 access mode is required");
        SchedulingRules.ValidateLabelSelector(spec.Selector, path.Child("selector"), errors);
        ValidateAccessModes(spec.AccessModes, path.Child("accessModes"), errors);

        var storage = path.Child("resources").Key("storage");
        if (!spec.Resources.Requests.TryGetValue("storage", out var size))
            errors.Required(storage);
        else if (size.Value <= 0)
            errors.Invalid(storage, size.ToString(), "must be greater than zero");
        if (spec.StorageClassName is { Length: > 0 } storageClass)
            PodRules.Each(Names.Dns1123Subdomain(storageClass), path.Child("storageClassName"), storageClass, errors);
        if (spec.VolumeMode is { } mode && !VolumeModes.Contains(mode))
            errors.NotSupported(path.Child("volumeMode"), mode, VolumeModes);
        if (spec.DataSource is { } source)
            ValidateSource(source.ApiGroup, source.Kind, source.Name, path.Child("dataSource"), errors);
        if (spec.DataSourceRef is { } reference)
            ValidateSource(reference.ApiGroup, reference.Kind, reference.Name, path.Child("dataSourceRef"), errors);
        if (spec is { DataSource: { } a, DataSourceRef: { } b } && (a.ApiGroup != b.ApiGroup || a.Kind != b.Kind || a.Name != b.Name))
            errors.Invalid(path, new GoText(path.Child("dataSource").Text), "must match dataSourceRef");
    }

    public static void ValidateAccessModes(ApiList<string> modes, FieldPath path, FieldErrors errors)
    {
        foreach (var mode in modes)
        {
            if (!AccessModes.Contains(mode))
                errors.NotSupported(path, mode, AccessModes);
        }
        if (modes.Contains(PersistentVolumeAccessMode.ReadWriteOncePod)
            && modes.Any(mode => mode != PersistentVolumeAccessMode.ReadWriteOncePod && AccessModes.Contains(mode)))
            errors.Forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }

    /// <summary>What of a claim may change: nothing but its size once it is bound, and its volume when it had none.</summary>
    public static void ValidateUpdate(PersistentVolumeClaim claim, PersistentVolumeClaim old, FieldErrors errors)
    {
        ObjectMetaRules.ValidateUpdate(claim.Metadata, old.Metadata, errors);
        ObjectMetaRules.Validate(claim.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        ValidateSpec(claim.Spec, "spec", errors);
        var now = claim.Spec;
        var then = old.Spec.VolumeName.Length == 0 ? old.Spec with { VolumeName = now.VolumeName } : old.Spec;
        if (then.StorageClassName is null && now.StorageClassName is not null)
            then = then with { StorageClassName = now.StorageClassName };
        var (oldSize, newSize) = (old.Spec.Resources.Requests.GetValueOrDefault("storage"), now.Resources.Requests.GetValueOrDefault("storage"));
        if (claim.Status.Phase == PersistentVolumeClaimPhase.Bound && !now.Resources.Requests.IsEmpty)
            now = now with { Resources = now.Resources with { Requests = now.Resources.Requests.With("storage", oldSize) } };
        if (!Json.Same(now, then))
            errors.Forbidden("spec", "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n" + PodUpdateRules.Difference(then, now));
        if (newSize.Value < oldSize.Value && newSize.Value <= old.Status.Capacity.GetValueOrDefault("storage").Value)
            errors.Forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
        if (claim.Spec.VolumeMode != old.Spec.VolumeMode)
            errors.Invalid("volumeMode", claim.Spec.VolumeMode, "field is immutable");
    }

    /// <summary>The capital is upstream's. (ValidatePersistentVolumeClaimStatusUpdate)</summary>
    public static void ValidateStatus(PersistentVolumeClaim claim, FieldErrors errors)
    {
        if (claim.Metadata.ResourceVersion.Length == 0)
            errors.Required("resourceVersion");
        if (claim.Spec.AccessModes.IsEmpty)
            errors.Required("Spec.accessModes");
        foreach (var (path, amounts) in new (FieldPath, ApiMap<Quantity>)[] { ("status.capacity", claim.Status.Capacity), ("status.allocatedResources", claim.Status.AllocatedResources) })
        {
            foreach (var (name, amount) in amounts)
            {
                if (amount.Value < 0)
                    errors.Invalid(path.Key(name), Math.Ceiling(amount.Value), "must be a valid resource quantity");
            }
        }
    }

    public static IEnumerable<string> Warnings(PersistentVolumeClaimSpec spec, FieldPath path)
    {
        foreach (var (name, amounts) in new (string, ApiMap<Quantity>)[] { ("requests", spec.Resources.Requests), ("limits", spec.Resources.Limits) })
        {
            if (amounts.TryGetValue("storage", out var size) && PodWarnings.IsFractional(size))
                yield return $"{path.Child("resources").Child(name).Key("storage")}: fractional byte value {FieldErrors.Quote(size.ToString())} is invalid, must be an integer";
        }
    }

    private static void ValidateSource(string? group, string kind, string name, FieldPath path, FieldErrors errors)
    {
        if (name.Length == 0)
            errors.Required(path.Child("name"));
        if (kind.Length == 0)
            errors.Required(path.Child("kind"));
        if (string.IsNullOrEmpty(group))
        {
            if (kind != "PersistentVolumeClaim")
                errors.Invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
        }
        else
        {
            PodRules.Each(Names.Dns1123Subdomain(group), path.Child("apiGroup"), group, errors);
        }
    }
}
