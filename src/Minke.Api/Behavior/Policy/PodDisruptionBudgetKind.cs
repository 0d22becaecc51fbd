using Minke.Api.Policy.V1;

namespace Minke.Api;

/// <summary>What a PodDisruptionBudget does beyond its fields. (pkg/registry/policy/poddisruptionbudget/strategy.go)</summary>
internal sealed class PodDisruptionBudgetKind : KindBehavior<PodDisruptionBudget>
{
    private static readonly string[] EvictionPolicies = [UnhealthyPodEvictionPolicyType.AlwaysAllow, UnhealthyPodEvictionPolicyType.IfHealthyBudget];

    public override bool CountsGeneration => true;

    public override PodDisruptionBudget PrepareForCreate(PodDisruptionBudget budget) => budget with { Status = PodDisruptionBudgetStatus.Empty };

    public override PodDisruptionBudget PrepareForUpdate(PodDisruptionBudget budget, PodDisruptionBudget old) => budget with { Status = old.Status };

    public override PodDisruptionBudget PrepareForStatusUpdate(PodDisruptionBudget budget, PodDisruptionBudget old) => budget with { Spec = old.Spec };

    public override void Validate(PodDisruptionBudget budget, PodDisruptionBudget? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(budget.Metadata, old.Metadata, errors);
        ValidateSpec(budget.Spec, "spec", errors);
        // Upstream has no rule of this kind's own: what can be part of a path is a name.
        if (old is null && errors.Count == 0)
            ObjectMetaRules.Validate(budget.Metadata, isNamespaced: true, Names.PathSegment, errors);
    }

    public override void ValidateStatus(PodDisruptionBudget budget, PodDisruptionBudget old, FieldErrors errors)
    {
        FieldPath path = "status";
        var status = budget.Status;
        ConditionRules.Validate(status.Conditions, path.Child("conditions"), errors);
        WorkloadRules.NotNegative(status.DisruptionsAllowed, path.Child("disruptionsAllowed"), errors);
        WorkloadRules.NotNegative(status.CurrentHealthy, path.Child("currentHealthy"), errors);
        WorkloadRules.NotNegative(status.DesiredHealthy, path.Child("desiredHealthy"), errors);
        WorkloadRules.NotNegative(status.ExpectedPods, path.Child("expectedPods"), errors);
    }

    private static void ValidateSpec(PodDisruptionBudgetSpec spec, FieldPath path, FieldErrors errors)
    {
        if (spec is { MinAvailable: not null, MaxUnavailable: not null })
            errors.Invalid(path, Show(spec), "minAvailable and maxUnavailable cannot be both set");
        if (spec.MinAvailable is { } available)
            ValidateShare(available, path.Child("minAvailable"), errors);
        if (spec.MaxUnavailable is { } unavailable)
            ValidateShare(unavailable, path.Child("maxUnavailable"), errors);
        SchedulingRules.ValidateLabelSelector(spec.Selector, path.Child("selector"), errors);
        if (spec.UnhealthyPodEvictionPolicy is { } policy && !EvictionPolicies.Contains(policy))
            errors.NotSupported(path.Child("unhealthyPodEvictionPolicy"), policy, EvictionPolicies);
    }

    private static void ValidateShare(IntOrString share, FieldPath path, FieldErrors errors)
    {
        WorkloadRules.PositiveIntOrPercent(share, path, errors);
        WorkloadRules.AtMost100Percent(share, path, errors);
    }

    // Go prints where its pointers lead to; nobody can know the numbers.
    private static GoText Show(PodDisruptionBudgetSpec spec)
    {
        static string Pointer(object? value) => value is null ? "nil" : "0xc000000000";
        return new($"policy.PodDisruptionBudgetSpec{{MinAvailable:(*intstr.IntOrString)({Pointer(spec.MinAvailable)}), Selector:(*v1.LabelSelector)({Pointer(spec.Selector)}), "
            + $"MaxUnavailable:(*intstr.IntOrString)({Pointer(spec.MaxUnavailable)}), UnhealthyPodEvictionPolicy:(*policy.UnhealthyPodEvictionPolicyType)({Pointer(spec.UnhealthyPodEvictionPolicy)})}}");
    }
}
