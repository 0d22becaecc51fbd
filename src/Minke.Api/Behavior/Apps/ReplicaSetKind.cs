using Minke.Api.Apps.V1;

namespace Minke.Api;

/// <summary>What a ReplicaSet does beyond its fields. (pkg/registry/apps/replicaset/strategy.go)</summary>
internal sealed class ReplicaSetKind : KindBehavior<ReplicaSet>
{
    public override bool CountsGeneration => true;

    public override ReplicaSet Default(ReplicaSet set) => set with { Spec = set.Spec with { Template = PodTemplates.Default(set.Spec.Template) } };

    public override ReplicaSet PrepareForCreate(ReplicaSet set) => set with { Status = ReplicaSetStatus.Empty, Spec = Drop(set.Spec) };

    public override ReplicaSet PrepareForUpdate(ReplicaSet set, ReplicaSet old) => set with { Status = old.Status, Spec = Drop(set.Spec) };

    public override ReplicaSet PrepareForStatusUpdate(ReplicaSet set, ReplicaSet old) => set with { Spec = old.Spec };

    public override void Validate(ReplicaSet set, ReplicaSet? old, FieldErrors errors)
    {
        WorkloadRules.ValidateMetadata(set.Metadata, old?.Metadata, errors);
        FieldPath path = "spec";
        var spec = set.Spec;
        WorkloadRules.NotNegative(spec.Replicas, path.Child("replicas"), errors);
        WorkloadRules.NotNegative(spec.MinReadySeconds, path.Child("minReadySeconds"), errors);
        // "deployment" is upstream's word here too.
        if (WorkloadRules.ValidateSelector(spec.Selector, "deployment", path.Child("selector"), errors))
            WorkloadRules.ValidateTemplate(spec.Template, spec.Selector, path.Child("template"), errors);
        else
            errors.Invalid(path.Child("selector"), WorkloadRules.Show(spec.Selector), "invalid label selector");
        if (old is not null)
            WorkloadRules.SelectorStays(spec.Selector, old.Spec.Selector, errors);
    }

    public override void ValidateStatus(ReplicaSet set, ReplicaSet old, FieldErrors errors)
    {
        var status = set.Status;
        WorkloadRules.ValidateReplicas(
            status.Replicas, status.FullyLabeledReplicas, status.ReadyReplicas, status.AvailableReplicas, status.ObservedGeneration, "status", errors);
    }

    public override IEnumerable<string> Dropped(ReplicaSet set) => PodTemplates.Dropped(set.Spec.Template, "spec.template");

    public override IEnumerable<string> Warnings(ReplicaSet set, ReplicaSet? old) =>
        old is null ? PodTemplates.NameWarnings(set.Metadata.Name).Concat(PodTemplates.Warnings(set.Spec.Template, "spec.template"))
        : set.Metadata.Generation != old.Metadata.Generation ? PodTemplates.Warnings(set.Spec.Template, "spec.template") : [];

    private static ReplicaSetSpec Drop(ReplicaSetSpec spec) => spec with { Template = PodTemplates.Drop(spec.Template, "spec.template") };
}
