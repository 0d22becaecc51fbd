using Minke.Api.Apps.V1;

namespace Minke.Api;

/// <summary>What a StatefulSet does beyond its fields. (pkg/registry/apps/statefulset/strategy.go)</summary>
internal sealed class StatefulSetKind : KindBehavior<StatefulSet>
{
    private const string MayChange =
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
        + "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

    private static readonly PersistentVolumeClaimKind Claims = new();

    public override bool CountsGeneration => true;

    public override StatefulSet Default(StatefulSet set)
    {
        var spec = set.Spec;
        var strategy = spec.UpdateStrategy.Type.Length > 0 ? spec.UpdateStrategy : spec.UpdateStrategy with
        {
            Type = StatefulSetUpdateStrategyType.RollingUpdate,
            RollingUpdate = (spec.UpdateStrategy.RollingUpdate ?? RollingUpdateStatefulSetStrategy.Empty).WithConstantDefaults(),
        };
        return set with
        {
            Spec = spec with
            {
                UpdateStrategy = strategy,
                Template = PodTemplates.Default(spec.Template),
                VolumeClaimTemplates = spec.VolumeClaimTemplates.Map(Claims.Default),
            },
        };
    }

    public override StatefulSet PrepareForCreate(StatefulSet set) => set with { Status = StatefulSetStatus.Empty, Spec = Drop(set.Spec) };

    public override StatefulSet PrepareForUpdate(StatefulSet set, StatefulSet old) => set with { Status = old.Status, Spec = Drop(set.Spec) };

    public override StatefulSet PrepareForStatusUpdate(StatefulSet set, StatefulSet old) => set with { Spec = old.Spec };

    public override void Validate(StatefulSet set, StatefulSet? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(set.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        ValidateSpec(set.Spec, "spec", errors);
        if (old is null)
            return;
        ObjectMetaRules.ValidateUpdate(set.Metadata, old.Metadata, errors);
        var rest = set.Spec with
        {
            Replicas = old.Spec.Replicas,
            Template = old.Spec.Template,
            UpdateStrategy = old.Spec.UpdateStrategy,
            MinReadySeconds = old.Spec.MinReadySeconds,
            Ordinals = old.Spec.Ordinals,
            PersistentVolumeClaimRetentionPolicy = old.Spec.PersistentVolumeClaimRetentionPolicy,
        };
        if (!Json.Same(rest, old.Spec))
            errors.Forbidden("spec", MayChange);
    }

    public override void ValidateStatus(StatefulSet set, StatefulSet old, FieldErrors errors)
    {
        FieldPath path = "status";
        const string above = "cannot be greater than status.replicas";
        var status = set.Status;
        WorkloadRules.NotNegative(status.Replicas, path.Child("replicas"), errors);
        WorkloadRules.NotNegative(status.ReadyReplicas, path.Child("readyReplicas"), errors);
        WorkloadRules.NotNegative(status.CurrentReplicas, path.Child("currentReplicas"), errors);
        WorkloadRules.NotNegative(status.UpdatedReplicas, path.Child("updatedReplicas"), errors);
        WorkloadRules.NotNegative(status.AvailableReplicas, path.Child("availableReplicas"), errors);
        WorkloadRules.NotNegative(status.ObservedGeneration, path.Child("observedGeneration"), errors);
        WorkloadRules.NotNegative(status.CollisionCount, path.Child("collisionCount"), errors);
        WorkloadRules.NotAbove(status.ReadyReplicas, status.Replicas, path.Child("readyReplicas"), above, errors);
        WorkloadRules.NotAbove(status.CurrentReplicas, status.Replicas, path.Child("currentReplicas"), above, errors);
        WorkloadRules.NotAbove(status.UpdatedReplicas, status.Replicas, path.Child("updatedReplicas"), above, errors);
        WorkloadRules.NotAbove(status.AvailableReplicas, status.Replicas, path.Child("availableReplicas"), above, errors);
        WorkloadRules.NotAbove(status.AvailableReplicas, status.ReadyReplicas, path.Child("availableReplicas"), "cannot be greater than status.readyReplicas", errors);
        WorkloadRules.NotDecremented(status.CollisionCount, old.Status.CollisionCount, errors);
    }

    public override IEnumerable<string> Dropped(StatefulSet set) => set.Spec.UpdateStrategy.RollingUpdate?.MaxUnavailable is null
        ? PodTemplates.Dropped(set.Spec.Template, "spec.template")
        : PodTemplates.Dropped(set.Spec.Template, "spec.template").Prepend("spec.updateStrategy.rollingUpdate.maxUnavailable: dropped, feature gate MaxUnavailableStatefulSet is off");

    public override IEnumerable<string> Warnings(StatefulSet set, StatefulSet? old) =>
        old is null ? PodTemplates.NameWarnings(set.Metadata.Name).Concat(TemplateWarnings(set.Spec))
        : set.Metadata.Generation != old.Metadata.Generation ? TemplateWarnings(set.Spec) : [];

    // The capital of the last word is upstream's.
    private static IEnumerable<string> TemplateWarnings(StatefulSetSpec spec) => PodTemplates.Warnings(spec.Template, "spec.template")
        .Concat(spec.VolumeClaimTemplates.SelectMany((claim, index) =>
            ClaimRules.Warnings(claim.Spec, new FieldPath("spec.volumeClaimTemplates").Index(index).Child("Spec"))));

    private static StatefulSetSpec Drop(StatefulSetSpec spec) => spec with
    {
        Template = PodTemplates.Drop(spec.Template, "spec.template"),
        UpdateStrategy = spec.UpdateStrategy.RollingUpdate?.MaxUnavailable is null
            ? spec.UpdateStrategy : spec.UpdateStrategy with { RollingUpdate = spec.UpdateStrategy.RollingUpdate with { MaxUnavailable = null } },
    };

    private static void ValidateSpec(StatefulSetSpec spec, FieldPath path, FieldErrors errors)
    {
        if (spec.PodManagementPolicy is not (PodManagementPolicyType.OrderedReady or PodManagementPolicyType.Parallel))
            errors.Invalid(path.Child("podManagementPolicy"), spec.PodManagementPolicy, "must be 'OrderedReady' or 'Parallel'");
        ValidateStrategy(spec.UpdateStrategy, path.Child("updateStrategy"), errors);
        if (spec.PersistentVolumeClaimRetentionPolicy is { } retention)
        {
            var at = path.Child("persistentVolumeClaimRetentionPolicy");
            ValidateRetention(retention.WhenDeleted, at.Child("whenDeleted"), errors);
            ValidateRetention(retention.WhenScaled, at.Child("whenScaled"), errors);
        }
        WorkloadRules.NotNegative(spec.Replicas, path.Child("replicas"), errors);
        WorkloadRules.NotNegative(spec.MinReadySeconds, path.Child("minReadySeconds"), errors);
        WorkloadRules.NotNegative(spec.Ordinals?.Start, path.Child("ordinals").Child("start"), errors);
        var template = path.Child("template");
        if (WorkloadRules.ValidateSelector(spec.Selector, "statefulset", path.Child("selector"), errors))
        {
            // The containers are not looked at: their mounts name claims that exist only in the pods.
            WorkloadRules.Matches(spec.Template, spec.Selector, template, errors);
            ObjectMetaRules.Labels(spec.Template.Metadata.Labels, template.Child("labels"), errors);
            ObjectMetaRules.Annotations(spec.Template.Metadata.Annotations, template.Child("annotations"), errors);
            PodAnnotationRules.Validate(spec.Template.Metadata.Annotations, spec.Template.Spec, template.Child("annotations"), errors);
        }
        else
        {
            errors.Invalid(path.Child("selector"), WorkloadRules.Show(spec.Selector), "");
        }
        WorkloadRules.RunsForEver(spec.Template.Spec, "StatefulSet", template.Child("spec"), errors);
    }

    private static void ValidateStrategy(StatefulSetUpdateStrategy strategy, FieldPath path, FieldErrors errors)
    {
        switch (strategy.Type)
        {
            case StatefulSetUpdateStrategyType.OnDelete:
                if (strategy.RollingUpdate is { } unused)
                {
                    errors.Invalid(path.Child("rollingUpdate"),
                        new GoText($"apps.RollingUpdateStatefulSetStrategy{{Partition:{PodRules.Number(unused.Partition ?? 0)}, MaxUnavailable:(*intstr.IntOrString)(nil)}}"),
                        "only allowed for updateStrategy 'RollingUpdate'");
                }
                break;
            case StatefulSetUpdateStrategyType.RollingUpdate:
                WorkloadRules.NotNegative(strategy.RollingUpdate?.Partition, path.Child("rollingUpdate").Child("partition"), errors);
                break;
            default:
                var pointer = strategy.RollingUpdate is null ? "nil" : "0xc000000000";
                errors.Invalid(path,
                    new GoText($"apps.StatefulSetUpdateStrategy{{Type:{FieldErrors.Quote(strategy.Type)}, RollingUpdate:(*apps.RollingUpdateStatefulSetStrategy)({pointer})}}"),
                    "must be 'RollingUpdate' or 'OnDelete'");
                break;
        }
    }

    private static void ValidateRetention(string policy, FieldPath path, FieldErrors errors)
    {
        string[] supported = [PersistentVolumeClaimRetentionPolicyType.Retain, PersistentVolumeClaimRetentionPolicyType.Delete];
        if (!supported.Contains(policy))
            errors.NotSupported(path, policy, supported);
    }
}
