using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a ReplicationController does beyond its fields. (pkg/registry/core/replicationcontroller/strategy.go)</summary>
internal sealed class ReplicationControllerKind : KindBehavior<ReplicationController>
{
    public override bool CountsGeneration => true;

    public override ReplicationController Default(ReplicationController controller)
    {
        var spec = controller.Spec;
        var labels = spec.Template?.Metadata.Labels ?? default;
        return controller with
        {
            Metadata = controller.Metadata.Labels.IsEmpty && !labels.IsEmpty ? controller.Metadata with { Labels = labels } : controller.Metadata,
            Spec = spec with
            {
                Replicas = spec.Replicas ?? 1,
                Selector = spec.Selector.IsEmpty ? labels : spec.Selector,
                Template = spec.Template is { } template ? template with { Spec = PodDefaults.OfSpec(template.Spec) } : null,
            },
        };
    }

    public override ReplicationController PrepareForCreate(ReplicationController controller) => controller with { Status = new(), Spec = Drop(controller.Spec) };

    public override ReplicationController PrepareForUpdate(ReplicationController controller, ReplicationController old) =>
        controller with { Status = old.Status, Spec = Drop(controller.Spec) };

    public override ReplicationController PrepareForStatusUpdate(ReplicationController controller, ReplicationController old) => controller with { Spec = old.Spec };

    public override void Validate(ReplicationController controller, ReplicationController? old, FieldErrors errors)
    {
        if (old is null)
            ObjectMetaRules.Validate(controller.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        else
            ObjectMetaRules.ValidateUpdate(controller.Metadata, old.Metadata, errors);
        const string notNegative = "must be greater than or equal to 0";
        FieldPath path = "spec";
        var (spec, at) = (controller.Spec, path.Child("template"));
        if (spec.MinReadySeconds < 0)
            errors.Invalid(path.Child("minReadySeconds"), spec.MinReadySeconds, notNegative);
        if (spec.Selector.IsEmpty)
            errors.Required(path.Child("selector"));
        if (spec.Replicas is < 0)
            errors.Invalid(path.Child("replicas"), spec.Replicas, notNegative);
        if (spec.Template is not { } template)
        {
            errors.Required(at);
            return;
        }
        if (spec.Selector.Any(pair => template.Metadata.Labels.GetValueOrDefault(pair.Key) != pair.Value))
            errors.Invalid(at.Child("metadata").Child("labels"), template.Metadata.Labels, "`selector` does not match template `labels`");
        PodRules.ValidateTemplate(template, at, errors);
        if (template.Spec.RestartPolicy != RestartPolicy.Always)
            errors.NotSupported(at.Child("spec").Child("restartPolicy"), template.Spec.RestartPolicy, [RestartPolicy.Always]);
        if (template.Spec.ActiveDeadlineSeconds is not null)
            errors.Forbidden(at.Child("spec").Child("activeDeadlineSeconds"), "activeDeadlineSeconds in ReplicationController is not Supported");
    }

    public override void ValidateStatus(ReplicationController controller, ReplicationController old, FieldErrors errors)
    {
        var status = controller.Status;
        WorkloadRules.ValidateReplicas(
            status.Replicas, status.FullyLabeledReplicas, status.ReadyReplicas, status.AvailableReplicas, status.ObservedGeneration, "status", errors);
    }

    public override IEnumerable<string> Dropped(ReplicationController controller) =>
        controller.Spec.Template is { } template ? PodTemplates.Dropped(template, "spec.template") : [];

    public override IEnumerable<string> Warnings(ReplicationController controller, ReplicationController? old)
    {
        if (controller.Metadata.Generation == old?.Metadata.Generation || controller.Spec.Template is not { } template)
            return [];
        var warnings = PodTemplates.Warnings(template, "spec.template");
        return old is null ? PodTemplates.NameWarnings(controller.Metadata.Name).Concat(warnings) : warnings;
    }

    private static ReplicationControllerSpec Drop(ReplicationControllerSpec spec) => spec.Template is { } template
        ? spec with { Template = PodTemplates.Drop(template, "spec.template") } : spec;
}
