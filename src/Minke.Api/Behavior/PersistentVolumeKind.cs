using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a PersistentVolume does beyond its fields. (pkg/registry/core/persistentvolume/strategy.go)</summary>
internal sealed class PersistentVolumeKind : KindBehavior<PersistentVolume>
{
    public override PersistentVolume PrepareForCreate(PersistentVolume volume) =>
        Drop(volume with { Status = new() { Phase = PersistentVolumePhase.Pending } });

    /// <summary>Its phase begins when it does.</summary>
    public override PersistentVolume CompleteCreate(PersistentVolume volume) =>
        volume with { Status = volume.Status with { LastPhaseTransitionTime = volume.Metadata.CreationTimestamp } };

    public override PersistentVolume PrepareForUpdate(PersistentVolume volume, PersistentVolume old) => Drop(volume with { Status = old.Status });

    public override PersistentVolume PrepareForStatusUpdate(PersistentVolume volume, PersistentVolume old) => volume with { Spec = old.Spec };

    public override void Validate(PersistentVolume volume, PersistentVolume? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(volume.Metadata, old.Metadata, errors);
        ObjectMetaRules.Validate(volume.Metadata, isNamespaced: false, Names.Dns1123Subdomain, errors);
        PersistentVolumeRules.ValidateSpec(volume.Spec, "spec", errors);
        if (old is not null)
            PersistentVolumeRules.ValidateUpdate(volume.Spec, old.Spec, errors);
    }

    public override IEnumerable<string> Dropped(PersistentVolume volume) => volume.Spec.VolumeAttributesClassName is null
        ? [] : ["spec.volumeAttributesClassName: dropped, feature gate VolumeAttributesClass is off"];

    public override IEnumerable<string> Warnings(PersistentVolume volume, PersistentVolume? old)
    {
        if (volume.Metadata.Annotations.ContainsKey("volume.beta.kubernetes.io/storage-class"))
            yield return "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use \"storageClassName\" attribute instead";
        if (old is null)
            yield return "spec: accepted but not acted on by Minke yet: volumes are not bound to claims";
    }

    private static PersistentVolume Drop(PersistentVolume volume) =>
        volume.Spec.VolumeAttributesClassName is null ? volume : volume with { Spec = volume.Spec with { VolumeAttributesClassName = null } };
}
