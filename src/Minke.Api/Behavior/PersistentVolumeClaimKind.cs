using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a PersistentVolumeClaim does beyond its fields. (pkg/registry/core/persistentvolumeclaim/strategy.go)</summary>
internal sealed class PersistentVolumeClaimKind : KindBehavior<PersistentVolumeClaim>
{
    private const string StorageClassAnnotation = "volume.beta.kubernetes.io/storage-class";

    public override PersistentVolumeClaim Default(PersistentVolumeClaim claim) => claim with
    {
        Spec = claim.Spec with { VolumeMode = claim.Spec.VolumeMode ?? PersistentVolumeMode.Filesystem },
        Status = claim.Status.Phase.Length > 0 ? claim.Status : claim.Status with { Phase = PersistentVolumeClaimPhase.Pending },
    };

    public override PersistentVolumeClaim PrepareForCreate(PersistentVolumeClaim claim) => claim with
    {
        Spec = WithSources(claim.Spec, old: null) with { VolumeAttributesClassName = null },
        Status = new() { Phase = PersistentVolumeClaimPhase.Pending },
    };

    public override PersistentVolumeClaim PrepareForUpdate(PersistentVolumeClaim claim, PersistentVolumeClaim old) => claim with
    {
        Spec = WithSources(claim.Spec, old.Spec) with { VolumeAttributesClassName = old.Spec.VolumeAttributesClassName },
        Status = old.Status,
    };

    public override PersistentVolumeClaim PrepareForStatusUpdate(PersistentVolumeClaim claim, PersistentVolumeClaim old) => claim with
    {
        Spec = old.Spec,
        Status = claim.Status with
        {
            CurrentVolumeAttributesClassName = old.Status.CurrentVolumeAttributesClassName is null ? null : claim.Status.CurrentVolumeAttributesClassName,
            ModifyVolumeStatus = old.Status.ModifyVolumeStatus is null ? null : claim.Status.ModifyVolumeStatus,
        },
    };

    public override void Validate(PersistentVolumeClaim claim, PersistentVolumeClaim? old, FieldErrors errors)
    {
        if (old is not null)
        {
            ClaimRules.ValidateUpdate(claim, old, errors);
            return;
        }
        ObjectMetaRules.Validate(claim.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        ClaimRules.ValidateSpec(claim.Spec, "spec", errors);
    }

    public override IEnumerable<string> Dropped(PersistentVolumeClaim claim) => claim.Spec.VolumeAttributesClassName is null
        ? [] : ["spec.volumeAttributesClassName: dropped, feature gate VolumeAttributesClass is off"];

    public override void ValidateStatus(PersistentVolumeClaim claim, PersistentVolumeClaim old, FieldErrors errors) => ClaimRules.ValidateStatus(claim, errors);

    public override IEnumerable<string> Warnings(PersistentVolumeClaim claim, PersistentVolumeClaim? old)
    {
        if (claim.Metadata.Annotations.ContainsKey(StorageClassAnnotation))
            yield return $"metadata.annotations[{StorageClassAnnotation}]: deprecated since v1.8; use \"storageClassName\" attribute instead";
        foreach (var warning in ClaimRules.Warnings(claim.Spec, "spec"))
            yield return warning;
        if (old is null)
            yield return "spec: accepted but not acted on by Minke yet: claims are not bound to volumes";
    }

    /// <summary>
    /// Only claims and snapshots were ever a source under the old name: anything else there is dropped, unless it was there before. No source
    /// is in another namespace while CrossNamespaceVolumeDataSource is off.
    /// </summary>
    private static PersistentVolumeClaimSpec WithSources(PersistentVolumeClaimSpec spec, PersistentVolumeClaimSpec? old)
    {
        if (spec.DataSourceRef is { Namespace.Length: > 0 } && old?.DataSourceRef is null)
            spec = spec with { DataSourceRef = null };
        if (spec.DataSourceRef is null && old is not ({ DataSource: not null } or { DataSourceRef: not null })
            && spec.DataSource is not ({ Kind: "PersistentVolumeClaim", ApiGroup: null or "" } or { Kind: "VolumeSnapshot", ApiGroup: "snapshot.storage.k8s.io" }))
            spec = spec with { DataSource = null };
        return WithBothSources(spec);
    }

    /// <summary>The old name of a source and the new one say the same.</summary>
    private static PersistentVolumeClaimSpec WithBothSources(PersistentVolumeClaimSpec spec) => spec switch
    {
        { DataSource: { } source, DataSourceRef: null } => spec with { DataSourceRef = new() { ApiGroup = source.ApiGroup, Kind = source.Kind, Name = source.Name } },
        { DataSource: null, DataSourceRef: { Namespace: null or "" } reference } =>
            spec with { DataSource = new() { ApiGroup = reference.ApiGroup, Kind = reference.Kind, Name = reference.Name } },
        _ => spec,
    };
}
