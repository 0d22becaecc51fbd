using Minke.Api.Apps.V1;

namespace Minke.Api;

/// <summary>What a Deployment does beyond its fields. (pkg/registry/apps/deployment/strategy.go)</summary>
internal sealed class DeploymentKind : KindBehavior<Deployment>
{
    public override bool CountsGeneration => true;

    public override Deployment Default(Deployment deployment)
    {
        var spec = deployment.Spec;
        var strategy = spec.Strategy;
        if (strategy is { Type: DeploymentStrategyType.RollingUpdate, RollingUpdate: null })
            strategy = strategy with { RollingUpdate = RollingUpdateDeployment.Empty.WithConstantDefaults() };
        return deployment with { Spec = spec with { Strategy = strategy, Template = PodTemplates.Default(spec.Template) } };
    }

    public override Deployment PrepareForCreate(Deployment deployment) => deployment with { Status = DeploymentStatus.Empty, Spec = Drop(deployment.Spec) };

    public override Deployment PrepareForUpdate(Deployment deployment, Deployment old) => deployment with { Status = old.Status, Spec = Drop(deployment.Spec) };

    public override Deployment PrepareForStatusUpdate(Deployment deployment, Deployment old) =>
        deployment with { Spec = old.Spec, Metadata = deployment.Metadata with { Labels = old.Metadata.Labels } };

    /// <summary>Annotations count as well: they are carried over to the ReplicaSets.</summary>
    public override bool SpecDiffers(IKubeObject value, IKubeObject old) =>
        base.SpecDiffers(value, old) || !value.Metadata.Annotations.SequenceEqual(old.Metadata.Annotations);

    public override void Validate(Deployment deployment, Deployment? old, FieldErrors errors)
    {
        WorkloadRules.ValidateMetadata(deployment.Metadata, old?.Metadata, errors);
        ValidateSpec(deployment.Spec, "spec", errors);
        if (old is not null)
            WorkloadRules.SelectorStays(deployment.Spec.Selector, old.Spec.Selector, errors);
    }

    public override void ValidateStatus(Deployment deployment, Deployment old, FieldErrors errors)
    {
        FieldPath path = "status";
        const string above = "cannot be greater than status.replicas";
        var status = deployment.Status;
        WorkloadRules.NotNegative(status.ObservedGeneration, path.Child("observedGeneration"), errors);
        WorkloadRules.NotNegative(status.Replicas, path.Child("replicas"), errors);
        WorkloadRules.NotNegative(status.UpdatedReplicas, path.Child("updatedReplicas"), errors);
        WorkloadRules.NotNegative(status.ReadyReplicas, path.Child("readyReplicas"), errors);
        WorkloadRules.NotNegative(status.AvailableReplicas, path.Child("availableReplicas"), errors);
        WorkloadRules.NotNegative(status.UnavailableReplicas, path.Child("unavailableReplicas"), errors);
        WorkloadRules.NotNegative(status.CollisionCount, path.Child("collisionCount"), errors);
        WorkloadRules.NotAbove(status.UpdatedReplicas, status.Replicas, path.Child("updatedReplicas"), above, errors);
        WorkloadRules.NotAbove(status.ReadyReplicas, status.Replicas, path.Child("readyReplicas"), above, errors);
        WorkloadRules.NotAbove(status.AvailableReplicas, status.Replicas, path.Child("availableReplicas"), above, errors);
        WorkloadRules.NotAbove(status.AvailableReplicas, status.ReadyReplicas, path.Child("availableReplicas"), "cannot be greater than readyReplicas", errors);
        WorkloadRules.NotDecremented(status.CollisionCount, old.Status.CollisionCount, errors);
    }

    public override IEnumerable<string> Dropped(Deployment deployment) => PodTemplates.Dropped(deployment.Spec.Template, "spec.template");

    public override IEnumerable<string> Warnings(Deployment deployment, Deployment? old) =>
        old is null ? PodTemplates.NameWarnings(deployment.Metadata.Name).Concat(PodTemplates.Warnings(deployment.Spec.Template, "spec.template"))
        : deployment.Metadata.Generation != old.Metadata.Generation ? PodTemplates.Warnings(deployment.Spec.Template, "spec.template") : [];

    private static DeploymentSpec Drop(DeploymentSpec spec) => spec with { Template = PodTemplates.Drop(spec.Template, "spec.template") };

    private static void ValidateSpec(DeploymentSpec spec, FieldPath path, FieldErrors errors)
    {
        WorkloadRules.NotNegative(spec.Replicas, path.Child("replicas"), errors);
        if (WorkloadRules.ValidateSelector(spec.Selector, "deployment", path.Child("selector"), errors))
            WorkloadRules.ValidateTemplate(spec.Template, spec.Selector, path.Child("template"), errors);
        else
            errors.Invalid(path.Child("selector"), WorkloadRules.Show(spec.Selector), "invalid label selector");
        ValidateStrategy(spec.Strategy, path.Child("strategy"), errors);
        WorkloadRules.NotNegative(spec.MinReadySeconds, path.Child("minReadySeconds"), errors);
        WorkloadRules.NotNegative(spec.RevisionHistoryLimit, path.Child("revisionHistoryLimit"), errors);
        WorkloadRules.NotNegative(spec.ProgressDeadlineSeconds, path.Child("progressDeadlineSeconds"), errors);
        if (spec.ProgressDeadlineSeconds <= spec.MinReadySeconds)
            errors.Invalid(path.Child("progressDeadlineSeconds"), spec.ProgressDeadlineSeconds, "must be greater than minReadySeconds");
    }

    private static void ValidateStrategy(DeploymentStrategy strategy, FieldPath path, FieldErrors errors)
    {
        switch (strategy)
        {
            case { Type: DeploymentStrategyType.Recreate }:
                if (strategy.RollingUpdate is not null)
                    errors.Forbidden(path.Child("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'");
                break;
            case { Type: DeploymentStrategyType.RollingUpdate, RollingUpdate: { } rolling }:
                var (unavailable, surge) = (rolling.MaxUnavailable ?? default, rolling.MaxSurge ?? default);
                var at = path.Child("rollingUpdate");
                WorkloadRules.PositiveIntOrPercent(unavailable, at.Child("maxUnavailable"), errors);
                WorkloadRules.PositiveIntOrPercent(surge, at.Child("maxSurge"), errors);
                if (WorkloadRules.ValueOf(unavailable) == 0 && WorkloadRules.ValueOf(surge) == 0)
                    errors.Invalid(at.Child("maxUnavailable"), GoText.Of(unavailable), "may not be 0 when `maxSurge` is 0");
                WorkloadRules.AtMost100Percent(unavailable, at.Child("maxUnavailable"), errors);
                break;
            default:
                var pointer = strategy.RollingUpdate is null ? "nil" : "0xc000000000";
                errors.NotSupported(path, new GoText($"apps.DeploymentStrategy{{Type:{FieldErrors.Quote(strategy.Type)}, RollingUpdate:(*apps.RollingUpdateDeployment)({pointer})}}"),
                    [DeploymentStrategyType.Recreate, DeploymentStrategyType.RollingUpdate]);
                break;
        }
    }
}
