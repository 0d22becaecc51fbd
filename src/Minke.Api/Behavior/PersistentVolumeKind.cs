using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a PersistentVolume does beyond its fields. (pkg/registry/core/persistentvolume/strategy.go)</summary>
internal sealed class PersistentVolumeKind : KindBehavior<PersistentVolume>
{
    private static readonly (string Field, Func<PersistentVolumeSpec, object?> Source, string Message)[] OldSources =
    [
        ("photonPersistentDisk", spec => spec.PhotonPersistentDisk, "deprecated in v1.11, non-functional in v1.16+"),
        ("scaleIO", spec => spec.ScaleIO, "deprecated in v1.16, non-functional in v1.22+"),
        ("storageOS", spec => spec.Storageos, "deprecated in v1.22, non-functional in v1.25+"),
        ("glusterfs", spec => spec.Glusterfs, "deprecated in v1.25, non-functional in v1.26+"),
        ("cephfs", spec => spec.Cephfs, "deprecated in v1.28, non-functional in v1.31+"),
        ("rbd", spec => spec.Rbd, "deprecated in v1.28, non-functional in v1.31+"),
    ];

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
        if (volume.Spec.PersistentVolumeReclaimPolicy == PersistentVolumeReclaimPolicy.Recycle)
            yield return "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.";
        foreach (var warning in OldNodeLabels(volume.Spec.NodeAffinity?.Required?.NodeSelectorTerms ?? default))
            yield return warning;
        foreach (var (field, source, message) in OldSources)
        {
            if (source(volume.Spec) is not null)
                yield return $"spec.{field}: {message}";
        }
        if (old is null)
            yield return "spec: accepted but not acted on by Minke yet: volumes are not bound to claims";
    }

    private static IEnumerable<string> OldNodeLabels(ApiList<NodeSelectorTerm> terms)
    {
        for (var i = 0; i < terms.Count; i++)
        {
            var expressions = terms[i].MatchExpressions;
            for (var j = 0; j < expressions.Count; j++)
            {
                if (DeprecatedLabels.Replacement(expressions[j].Key) is { } message)
                    yield return $"{new FieldPath("spec.nodeAffinity.required.nodeSelectorTerms").Index(i).Child("matchExpressions").Index(j).Child("key")}: {expressions[j].Key} is {message}";
            }
        }
    }

    private static PersistentVolume Drop(PersistentVolume volume) =>
        volume.Spec.VolumeAttributesClassName is null ? volume : volume with { Spec = volume.Spec with { VolumeAttributesClassName = null } };
}
