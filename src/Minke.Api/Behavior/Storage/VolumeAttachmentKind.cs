using System.Text;
using Minke.Api.Storage.V1;

namespace Minke.Api;

/// <summary>What a VolumeAttachment does beyond its fields. (pkg/registry/storage/volumeattachment/strategy.go)</summary>
internal sealed class VolumeAttachmentKind : KindBehavior<VolumeAttachment>
{
    private const int MaxMetadataBytes = 256 * 1024;
    private const int MaxErrorBytes = 1024;
    private const string OneSource = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";

    public override VolumeAttachment PrepareForCreate(VolumeAttachment value) => value with { Status = new() };

    public override VolumeAttachment PrepareForUpdate(VolumeAttachment value, VolumeAttachment old) => value with { Status = old.Status };

    public override VolumeAttachment PrepareForStatusUpdate(VolumeAttachment value, VolumeAttachment old) =>
        value with { Spec = old.Spec, Metadata = ObjectMetaRules.ForStatus(value.Metadata, old.Metadata) };

    public override void Validate(VolumeAttachment value, VolumeAttachment? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(value.Metadata, isNamespaced: false, Names.Dns1123Subdomain, errors);
        var spec = value.Spec;
        if (spec.Attacher.Length == 0)
            errors.Required("spec.attacher");
        ValidateSource(spec.Source, "spec.source", errors);
        PodRules.Each(Names.Dns1123Subdomain(spec.NodeName), "spec.nodeName", spec.NodeName, errors);
        ValidateStatus(value.Status, errors);
        if (old is null)
        {
            CsiRules.DriverName(spec.Attacher, "spec.attacher", errors);
            if (spec.Source.PersistentVolumeName is { } name)
                PodRules.Each(Names.Dns1123Subdomain(name), "spec.source.persistentVolumeName", name, errors);
            return;
        }
        ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
        if (!Json.Same(spec, old.Spec))
            errors.Invalid("spec", Show(spec), "field is immutable");
    }

    public override void ValidateStatus(VolumeAttachment value, VolumeAttachment old, FieldErrors errors) => ValidateStatus(value.Status, errors);

    private static void ValidateSource(VolumeAttachmentSource source, FieldPath path, FieldErrors errors)
    {
        switch (source)
        {
            case { InlineVolumeSpec: null, PersistentVolumeName: null }:
                errors.Required(path, OneSource);
                break;
            case { InlineVolumeSpec: not null, PersistentVolumeName: not null }:
                errors.Forbidden(path, OneSource);
                break;
            case { PersistentVolumeName: "" }:
                errors.Required(path.Child("persistentVolumeName"), "must specify non empty persistentVolumeName");
                break;
        }
    }

    private static void ValidateStatus(VolumeAttachmentStatus status, FieldErrors errors)
    {
        if (status.AttachmentMetadata.Sum(pair => (long)Encoding.UTF8.GetByteCount(pair.Key) + Encoding.UTF8.GetByteCount(pair.Value)) > MaxMetadataBytes)
            errors.TooLong("status.attachmentMetadata", MaxMetadataBytes);
        // The limit that is told is another than the one that holds: upstream's slip.
        if (status.AttachError is { } attach && Encoding.UTF8.GetByteCount(attach.Message) > MaxErrorBytes)
            errors.TooLong("status.attachError.message", MaxMetadataBytes);
        if (status.DetachError is { } detach && Encoding.UTF8.GetByteCount(detach.Message) > MaxErrorBytes)
            errors.TooLong("status.detachError.message", MaxMetadataBytes);
    }

    /// <summary>As Go prints it, but for the addresses of pointers.</summary>
    private static GoText Show(VolumeAttachmentSpec spec) => new(
        $"storage.VolumeAttachmentSpec{{Attacher:{FieldErrors.Quote(spec.Attacher)}, Source:storage.VolumeAttachmentSource{{"
        + $"PersistentVolumeName:(*string)({(spec.Source.PersistentVolumeName is null ? "nil" : "...")}), "
        + $"InlineVolumeSpec:(*core.PersistentVolumeSpec)({(spec.Source.InlineVolumeSpec is null ? "nil" : "...")})}}, NodeName:{FieldErrors.Quote(spec.NodeName)}}}");
}
