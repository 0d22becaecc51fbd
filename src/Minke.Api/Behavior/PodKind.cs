using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a Pod does beyond its fields. (pkg/registry/core/pod/strategy.go)</summary>
internal sealed class PodKind : KindBehavior<Pod>
{
    private static readonly PodCondition Gated = new()
    {
        Type = PodConditionType.PodScheduled,
        Status = ConditionStatus.False,
        Reason = "SchedulingGated",
        Message = "Scheduling is blocked due to non-empty scheduling gates",
    };

    public override Pod Default(Pod pod) => PodDefaults.Of(pod);

    public override Pod PrepareForCreate(Pod pod)
    {
        var spec = FeatureGates.Drop(pod.Spec, "spec");
        return pod with
        {
            Status = new PodStatus { Phase = PodPhase.Pending, QosClass = PodQos.ClassOf(spec), Conditions = spec.SchedulingGates.IsEmpty ? [] : [Gated] },
            Spec = spec with { Affinity = PodAffinityKeys.Merge(spec.Affinity, pod.Metadata.Labels) },
        };
    }

    public override Pod PrepareForUpdate(Pod pod, Pod old) => pod with { Status = old.Status, Spec = FeatureGates.Drop(pod.Spec, "spec") };

    public override Pod PrepareForStatusUpdate(Pod pod, Pod old) => old with
    {
        Metadata = pod.Metadata with
        {
            // A status update may not delete, nor change who owns the pod.
            DeletionTimestamp = old.Metadata.DeletionTimestamp,
            OwnerReferences = old.Metadata.OwnerReferences,
        },
        Status = pod.Status with { QosClass = pod.Status.QosClass.Length > 0 ? pod.Status.QosClass : old.Status.QosClass },
    };

    public override void Validate(Pod pod, Pod? old, FieldErrors errors)
    {
        if (old is null)
            PodRules.Validate(pod, errors);
        else
            PodUpdateRules.Validate(pod, old, errors);
    }

    public override void ValidateSubresource(string subresource, Pod pod, Pod old, FieldErrors errors)
    {
        if (subresource == "ephemeralcontainers")
            PodUpdateRules.ValidateEphemeralContainers(pod, old, errors);
    }

    public override IEnumerable<string> Dropped(Pod pod)
    {
        var warnings = new List<string>();
        FeatureGates.Drop(pod.Spec, "spec", warnings);
        return warnings;
    }

    public override IEnumerable<string> Warnings(Pod pod, Pod? old) => old is null ? PodWarnings.Of(pod).Concat(PodSupport.Warnings(pod)) : [];

    public override void ValidateStatus(Pod pod, Pod old, FieldErrors errors) => PodUpdateRules.ValidateStatus(pod, old, errors);
}
