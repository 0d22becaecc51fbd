using Minke.Api.Autoscaling.V2;

namespace Minke.Api;

/// <summary>What a HorizontalPodAutoscaler does beyond its fields. (pkg/registry/autoscaling/horizontalpodautoscaler/strategy.go)</summary>
internal sealed class HorizontalPodAutoscalerKind : KindBehavior<HorizontalPodAutoscaler>
{
    private const int DefaultUtilization = 80;

    private static readonly HPAScalingRules Up = new()
    {
        StabilizationWindowSeconds = 0,
        SelectPolicy = ScalingPolicySelect.Max,
        Policies =
        [
            new() { Type = HPAScalingPolicyType.Pods, Value = 4, PeriodSeconds = 15 },
            new() { Type = HPAScalingPolicyType.Percent, Value = 100, PeriodSeconds = 15 },
        ],
    };

    private static readonly HPAScalingRules Down = new()
    {
        SelectPolicy = ScalingPolicySelect.Max,
        Policies = [new() { Type = HPAScalingPolicyType.Percent, Value = 100, PeriodSeconds = 15 }],
    };

    public override HorizontalPodAutoscaler Default(HorizontalPodAutoscaler scaler)
    {
        var spec = scaler.Spec;
        return scaler with
        {
            Spec = spec with
            {
                Metrics = spec.Metrics.IsEmpty ? [HpaConversion.CpuUtilization(DefaultUtilization)] : spec.Metrics,
                Behavior = spec.Behavior is { } behavior
                    ? behavior with { ScaleUp = Filled(behavior.ScaleUp, Up), ScaleDown = Filled(behavior.ScaleDown, Down) } : null,
            },
        };
    }

    public override HorizontalPodAutoscaler PrepareForCreate(HorizontalPodAutoscaler scaler) => scaler with { Status = HorizontalPodAutoscalerStatus.Empty };

    public override HorizontalPodAutoscaler PrepareForUpdate(HorizontalPodAutoscaler scaler, HorizontalPodAutoscaler old) => scaler with { Status = old.Status };

    public override HorizontalPodAutoscaler PrepareForStatusUpdate(HorizontalPodAutoscaler scaler, HorizontalPodAutoscaler old) => scaler with { Spec = old.Spec };

    public override void Validate(HorizontalPodAutoscaler scaler, HorizontalPodAutoscaler? old, FieldErrors errors)
    {
        WorkloadRules.ValidateMetadata(scaler.Metadata, old?.Metadata, errors);
        // Nothing is scaled to zero, but for those that were while a gate allowed it.
        HpaRules.ValidateSpec(scaler.Spec, old?.Spec.MinReplicas == 0 ? 0 : 1, "spec", errors);
    }

    public override void ValidateStatus(HorizontalPodAutoscaler scaler, HorizontalPodAutoscaler old, FieldErrors errors)
    {
        WorkloadRules.NotNegative(scaler.Status.CurrentReplicas, "status.currentReplicas", errors);
        WorkloadRules.NotNegative(scaler.Status.DesiredReplicas, "status.desiredReplicas", errors);
    }

    private static HPAScalingRules Filled(HPAScalingRules? rules, HPAScalingRules defaults) => rules is null ? defaults : rules with
    {
        StabilizationWindowSeconds = rules.StabilizationWindowSeconds ?? defaults.StabilizationWindowSeconds,
        SelectPolicy = rules.SelectPolicy ?? defaults.SelectPolicy,
        Policies = rules.Policies.IsNull ? defaults.Policies : rules.Policies,
    };
}

/// <summary>The older form is judged as the newer one that it is stored as.</summary>
internal sealed class OldHorizontalPodAutoscalerKind : KindBehavior<Autoscaling.V1.HorizontalPodAutoscaler>
{
    private static readonly HorizontalPodAutoscalerKind New = new();

    public override Autoscaling.V1.HorizontalPodAutoscaler PrepareForCreate(Autoscaling.V1.HorizontalPodAutoscaler scaler) =>
        HpaConversion.ToOld(New.PrepareForCreate(ToNew(scaler)));

    public override Autoscaling.V1.HorizontalPodAutoscaler PrepareForUpdate(
        Autoscaling.V1.HorizontalPodAutoscaler scaler, Autoscaling.V1.HorizontalPodAutoscaler old) => HpaConversion.ToOld(New.PrepareForUpdate(ToNew(scaler), ToNew(old)));

    public override Autoscaling.V1.HorizontalPodAutoscaler PrepareForStatusUpdate(
        Autoscaling.V1.HorizontalPodAutoscaler scaler, Autoscaling.V1.HorizontalPodAutoscaler old) => HpaConversion.ToOld(New.PrepareForStatusUpdate(ToNew(scaler), ToNew(old)));

    public override void Validate(Autoscaling.V1.HorizontalPodAutoscaler scaler, Autoscaling.V1.HorizontalPodAutoscaler? old, FieldErrors errors) =>
        New.Validate(ToNew(scaler), old is null ? null : ToNew(old), errors);

    public override void ValidateStatus(Autoscaling.V1.HorizontalPodAutoscaler scaler, Autoscaling.V1.HorizontalPodAutoscaler old, FieldErrors errors) =>
        New.ValidateStatus(ToNew(scaler), ToNew(old), errors);

    private static HorizontalPodAutoscaler ToNew(Autoscaling.V1.HorizontalPodAutoscaler scaler) => HpaConversion.ToNew(scaler);
}
