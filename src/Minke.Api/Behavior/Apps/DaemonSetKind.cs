using System.Globalization;
using Minke.Api.Apps.V1;

namespace Minke.Api;

/// <summary>
/// What a DaemonSet does beyond its fields. Its template has a generation of its own, which v1 keeps in an annotation that only the server
/// writes. (pkg/registry/apps/daemonset/strategy.go)
/// </summary>
internal sealed class DaemonSetKind : KindBehavior<DaemonSet>
{
    private const string TemplateGeneration = "deprecated.daemonset.template.generation";

    public override bool CountsGeneration => true;

    public override DaemonSet Default(DaemonSet set)
    {
        var strategy = set.Spec.UpdateStrategy;
        if (strategy is { Type: DaemonSetUpdateStrategyType.RollingUpdate, RollingUpdate: null })
            strategy = strategy with { RollingUpdate = RollingUpdateDaemonSet.Empty.WithConstantDefaults() };
        return set with { Spec = set.Spec with { UpdateStrategy = strategy, Template = PodTemplates.Default(set.Spec.Template) } };
    }

    public override DaemonSet PrepareForCreate(DaemonSet set) =>
        WithTemplateGeneration(set with { Status = DaemonSetStatus.Empty, Spec = Drop(set.Spec) }, Math.Max(1, TemplateGenerationOf(set)));

    public override DaemonSet PrepareForUpdate(DaemonSet set, DaemonSet old)
    {
        var next = set with { Status = old.Status, Spec = Drop(set.Spec) };
        var isSameTemplate = Json.Same(next.Spec.Template, old.Spec.Template);
        return WithTemplateGeneration(next, TemplateGenerationOf(old) + (isSameTemplate ? 0 : 1));
    }

    public override DaemonSet PrepareForStatusUpdate(DaemonSet set, DaemonSet old) => set with { Spec = old.Spec };

    public override void Validate(DaemonSet set, DaemonSet? old, FieldErrors errors)
    {
        WorkloadRules.ValidateMetadata(set.Metadata, old?.Metadata, errors);
        ValidateSpec(set.Spec, "spec", errors);
        if (old is not null)
            WorkloadRules.SelectorStays(set.Spec.Selector, old.Spec.Selector, errors);
    }

    public override void ValidateStatus(DaemonSet set, DaemonSet old, FieldErrors errors)
    {
        FieldPath path = "status";
        var status = set.Status;
        WorkloadRules.NotNegative(status.CurrentNumberScheduled, path.Child("currentNumberScheduled"), errors);
        WorkloadRules.NotNegative(status.NumberMisscheduled, path.Child("numberMisscheduled"), errors);
        WorkloadRules.NotNegative(status.DesiredNumberScheduled, path.Child("desiredNumberScheduled"), errors);
        WorkloadRules.NotNegative(status.NumberReady, path.Child("numberReady"), errors);
        WorkloadRules.NotNegative(status.ObservedGeneration, path.Child("observedGeneration"), errors);
        WorkloadRules.NotNegative(status.UpdatedNumberScheduled, path.Child("updatedNumberScheduled"), errors);
        WorkloadRules.NotNegative(status.NumberAvailable, path.Child("numberAvailable"), errors);
        WorkloadRules.NotNegative(status.NumberUnavailable, path.Child("numberUnavailable"), errors);
        WorkloadRules.NotNegative(status.CollisionCount, path.Child("collisionCount"), errors);
        WorkloadRules.NotDecremented(status.CollisionCount, old.Status.CollisionCount, errors);
    }

    public override IEnumerable<string> Dropped(DaemonSet set) => PodTemplates.Dropped(set.Spec.Template, "spec.template");

    public override IEnumerable<string> Warnings(DaemonSet set, DaemonSet? old) =>
        old is null || set.Metadata.Generation != old.Metadata.Generation ? PodTemplates.Warnings(set.Spec.Template, "spec.template") : [];

    private static DaemonSetSpec Drop(DaemonSetSpec spec) => spec with { Template = PodTemplates.Drop(spec.Template, "spec.template") };

    private static long TemplateGenerationOf(DaemonSet set) =>
        long.TryParse(set.Metadata.Annotations.GetValueOrDefault(TemplateGeneration), CultureInfo.InvariantCulture, out var generation) ? generation : 0;

    private static DaemonSet WithTemplateGeneration(DaemonSet set, long generation) => set with
    {
        Metadata = set.Metadata with { Annotations = set.Metadata.Annotations.With(TemplateGeneration, generation.ToString(CultureInfo.InvariantCulture)) },
    };

    private static void ValidateSpec(DaemonSetSpec spec, FieldPath path, FieldErrors errors)
    {
        var before = errors.Count;
        var template = path.Child("template");
        SchedulingRules.ValidateLabelSelector(spec.Selector, path.Child("selector"), errors);
        if (errors.Count == before)
            WorkloadRules.Matches(spec.Template, spec.Selector, template, errors);
        if (spec.Selector is { } selector && WorkloadRules.IsEmpty(selector))
            errors.Invalid(path.Child("selector"), WorkloadRules.Show(selector), "empty selector is invalid for daemonset");
        PodRules.ValidateTemplate(spec.Template, template, errors);
        WorkloadRules.RunsForEver(spec.Template.Spec, "DaemonSet", template.Child("spec"), errors);
        WorkloadRules.NotNegative(spec.MinReadySeconds, path.Child("minReadySeconds"), errors);
        ValidateStrategy(spec.UpdateStrategy, path.Child("updateStrategy"), errors);
        WorkloadRules.NotNegative(spec.RevisionHistoryLimit, path.Child("revisionHistoryLimit"), errors);
    }

    private static void ValidateStrategy(DaemonSetUpdateStrategy strategy, FieldPath path, FieldErrors errors)
    {
        switch (strategy)
        {
            case { Type: DaemonSetUpdateStrategyType.OnDelete }:
                break;
            case { Type: DaemonSetUpdateStrategyType.RollingUpdate, RollingUpdate: { } rolling }:
                var (unavailable, surge) = (rolling.MaxUnavailable ?? default, rolling.MaxSurge ?? default);
                var at = path.Child("rollingUpdate");
                WorkloadRules.PositiveIntOrPercent(unavailable, at.Child("maxUnavailable"), errors);
                WorkloadRules.PositiveIntOrPercent(surge, at.Child("maxSurge"), errors);
                WorkloadRules.AtMost100Percent(unavailable, at.Child("maxUnavailable"), errors);
                WorkloadRules.AtMost100Percent(surge, at.Child("maxSurge"), errors);
                if (WorkloadRules.ValueOf(unavailable) != 0 && WorkloadRules.ValueOf(surge) != 0)
                    errors.Invalid(at.Child("maxSurge"), GoText.Of(surge), "may not be set when maxUnavailable is non-zero");
                else if (WorkloadRules.ValueOf(unavailable) == 0 && WorkloadRules.ValueOf(surge) == 0)
                    errors.Required(at.Child("maxUnavailable"), "cannot be 0 when maxSurge is 0");
                break;
            default:
                var pointer = strategy.RollingUpdate is null ? "nil" : "0xc000000000";
                errors.NotSupported(path, new GoText($"apps.DaemonSetUpdateStrategy{{Type:{FieldErrors.Quote(strategy.Type)}, RollingUpdate:(*apps.RollingUpdateDaemonSet)({pointer})}}"),
                    [DaemonSetUpdateStrategyType.RollingUpdate, DaemonSetUpdateStrategyType.OnDelete]);
                break;
        }
    }
}
