using System.Globalization;
using Minke.Api.Autoscaling.V2;

namespace Minke.Api;

/// <summary>HorizontalPodAutoscalers. (pkg/apis/autoscaling/validation)</summary>
internal static class HpaRules
{
    private const int MaxPeriodSeconds = 1800;
    private const int MaxStabilizationSeconds = 3600;

    private static readonly string[] MetricTypes =
        [MetricSourceType.ContainerResource, MetricSourceType.External, MetricSourceType.Object, MetricSourceType.Pods, MetricSourceType.Resource];
    private static readonly string[] TargetTypes = [MetricTargetType.Utilization, MetricTargetType.Value, MetricTargetType.AverageValue];
    private static readonly string[] SelectPolicies = [ScalingPolicySelect.Disabled, ScalingPolicySelect.Max, ScalingPolicySelect.Min];
    private static readonly string[] PolicyTypes = [HPAScalingPolicyType.Percent, HPAScalingPolicyType.Pods];

    public static void ValidateSpec(HorizontalPodAutoscalerSpec spec, int leastReplicas, FieldPath path, FieldErrors errors)
    {
        if (spec.MinReplicas < leastReplicas)
            errors.Invalid(path.Child("minReplicas"), spec.MinReplicas, $"must be greater than or equal to {PodRules.Number(leastReplicas)}");
        if (spec.MaxReplicas < 1)
            errors.Invalid(path.Child("maxReplicas"), spec.MaxReplicas, "must be greater than 0");
        if (spec.MaxReplicas < spec.MinReplicas)
            errors.Invalid(path.Child("maxReplicas"), spec.MaxReplicas, "must be greater than or equal to `minReplicas`");
        ValidateReference(spec.ScaleTargetRef, path.Child("scaleTargetRef"), errors);
        var metrics = path.Child("metrics");
        for (var i = 0; i < spec.Metrics.Count; i++)
            ValidateMetric(spec.Metrics[i], metrics.Index(i), errors);
        if (spec.MinReplicas == 0 && !spec.Metrics.Any(metric => metric.Type is MetricSourceType.Object or MetricSourceType.External))
            errors.Forbidden(metrics, "must specify at least one Object or External metric to support scaling to zero replicas");
        ValidateRules(spec.Behavior?.ScaleUp, path.Child("behavior").Child("scaleUp"), errors);
        ValidateRules(spec.Behavior?.ScaleDown, path.Child("behavior").Child("scaleDown"), errors);
    }

    private static void ValidateReference(CrossVersionObjectReference reference, FieldPath path, FieldErrors errors)
    {
        ValidateSegment(reference.Kind, "", path.Child("kind"), errors);
        ValidateSegment(reference.Name, "", path.Child("name"), errors);
    }

    private static void ValidateSegment(string name, string required, FieldPath path, FieldErrors errors)
    {
        if (name.Length == 0)
            errors.Required(path, required);
        else
            PodRules.Each(Names.PathSegment(name), path, name, errors);
    }

    private static void ValidateMetric(MetricSpec metric, FieldPath path, FieldErrors errors)
    {
        if (metric.Type.Length == 0)
            errors.Required(path.Child("type"), "must specify a metric source type");
        if (!MetricTypes.Contains(metric.Type))
            errors.NotSupported(path.Child("type"), metric.Type, MetricTypes);
        var present = new List<string>();
        if (metric.Object is { } ofObject && IsFirst("object"))
            ValidateObject(ofObject, path.Child("object"), errors);
        if (metric.External is { } external && IsFirst("external"))
            ValidateExternal(external, path.Child("external"), errors);
        if (metric.Pods is { } pods && IsFirst("pods"))
            ValidatePods(pods, path.Child("pods"), errors);
        if (metric.Resource is { } resource && IsFirst("resource"))
            ValidateResource(resource, path.Child("resource"), errors);
        if (metric.ContainerResource is { } container && IsFirst("containerResource"))
            ValidateContainerResource(container, path.Child("containerResource"), errors);
        if (!MetricTypes.Contains(metric.Type))
        {
            errors.NotSupported(path.Child("type"), metric.Type, MetricTypes);
            return;
        }
        var expected = char.ToLowerInvariant(metric.Type[0]) + metric.Type[1..];
        if (!present.Contains(expected))
            errors.Required(path.Child(expected), "must populate information for the given metric source");
        if (present.Count != 1)
        {
            foreach (var other in present.Where(name => name != expected))
                errors.Forbidden(path.Child(other), "must populate the given metric source only");
        }

        bool IsFirst(string name)
        {
            present.Add(name);
            return present.Count == 1;
        }
    }

    private static void ValidateObject(ObjectMetricSource source, FieldPath path, FieldErrors errors)
    {
        ValidateReference(source.DescribedObject, path.Child("describedObject"), errors);
        ValidateSegment(source.Metric.Name, "must specify a metric name", path.Child("metric").Child("name"), errors);
        ValidateTarget(source.Target, path.Child("target"), errors);
        if (source.Target is { Value: null, AverageValue: null })
            errors.Required(path.Child("target").Child("averageValue"), "must set either a target value or averageValue");
    }

    private static void ValidateExternal(ExternalMetricSource source, FieldPath path, FieldErrors errors)
    {
        ValidateSegment(source.Metric.Name, "must specify a metric name", path.Child("metric").Child("name"), errors);
        ValidateTarget(source.Target, path.Child("target"), errors);
        if (source.Target is { Value: null, AverageValue: null })
            errors.Required(path.Child("target").Child("averageValue"), "must set either a target value for metric or a per-pod target");
        if (source.Target is { Value: not null, AverageValue: not null })
            errors.Forbidden(path.Child("target").Child("value"), "may not set both a target value for metric and a per-pod target");
    }

    private static void ValidatePods(PodsMetricSource source, FieldPath path, FieldErrors errors)
    {
        ValidateSegment(source.Metric.Name, "must specify a metric name", path.Child("metric").Child("name"), errors);
        ValidateTarget(source.Target, path.Child("target"), errors);
        if (source.Target.AverageValue is null)
            errors.Required(path.Child("target").Child("averageValue"), "must specify a positive target averageValue");
    }

    private static void ValidateResource(ResourceMetricSource source, FieldPath path, FieldErrors errors)
    {
        if (source.Name.Length == 0)
            errors.Required(path.Child("name"), "must specify a resource name");
        ValidateUse(source.Target, path.Child("target"), errors);
    }

    private static void ValidateContainerResource(ContainerResourceMetricSource source, FieldPath path, FieldErrors errors)
    {
        if (source.Name.Length == 0)
            errors.Required(path.Child("name"), "must specify a resource name");
        else
            ResourceRules.ValidateContainerName(source.Name, path.Child("name"), errors);
        if (source.Container.Length == 0)
            errors.Required(path.Child("container"), "must specify a container");
        else
            PodRules.Each(Names.Dns1123Label(source.Container), path.Child("container"), source.Container, errors);
        ValidateUse(source.Target, path.Child("target"), errors);
    }

    private static void ValidateUse(MetricTarget target, FieldPath path, FieldErrors errors)
    {
        ValidateTarget(target, path, errors);
        if (target is { AverageUtilization: null, AverageValue: null })
            errors.Required(path.Child("averageUtilization"), "must set either a target raw value or a target utilization");
        if (target is { AverageUtilization: not null, AverageValue: not null })
            errors.Forbidden(path.Child("averageValue"), "may not set both a target raw value and a target utilization");
    }

    private static void ValidateTarget(MetricTarget target, FieldPath path, FieldErrors errors)
    {
        if (target.Type.Length == 0)
            errors.Required(path.Child("type"), "must specify a metric target type");
        if (!TargetTypes.Contains(target.Type))
            errors.Invalid(path.Child("type"), target.Type, "must be either Utilization, Value, or AverageValue");
        if (target.Value is { Value: <= 0 } value)
            errors.Invalid(path.Child("value"), Show(value), "must be positive");
        if (target.AverageValue is { Value: <= 0 } average)
            errors.Invalid(path.Child("averageValue"), Show(average), "must be positive");
        if (target.AverageUtilization < 1)
            errors.Invalid(path.Child("averageUtilization"), target.AverageUtilization, "must be greater than 0");
    }

    private static void ValidateRules(HPAScalingRules? rules, FieldPath path, FieldErrors errors)
    {
        if (rules is null)
            return;
        if (rules.StabilizationWindowSeconds < 0)
            errors.Invalid(path.Child("stabilizationWindowSeconds"), rules.StabilizationWindowSeconds, "must be greater than or equal to zero");
        if (rules.StabilizationWindowSeconds > MaxStabilizationSeconds)
            errors.Invalid(path.Child("stabilizationWindowSeconds"), rules.StabilizationWindowSeconds, $"must be less than or equal to {PodRules.Number(MaxStabilizationSeconds)}");
        if (rules.SelectPolicy is { } select && !SelectPolicies.Contains(select))
            errors.NotSupported(path.Child("selectPolicy"), select, SelectPolicies);
        if (rules.Policies.IsEmpty)
            errors.Required(path.Child("policies"), "must specify at least one Policy");
        for (var i = 0; i < rules.Policies.Count; i++)
        {
            var (policy, at) = (rules.Policies[i], path.Child("policies").Index(i));
            if (!PolicyTypes.Contains(policy.Type))
                errors.NotSupported(at.Child("type"), policy.Type, PolicyTypes);
            if (policy.Value <= 0)
                errors.Invalid(at.Child("value"), policy.Value, "must be greater than zero");
            if (policy.PeriodSeconds <= 0)
                errors.Invalid(at.Child("periodSeconds"), policy.PeriodSeconds, "must be greater than zero");
            if (policy.PeriodSeconds > MaxPeriodSeconds)
                errors.Invalid(at.Child("periodSeconds"), policy.PeriodSeconds, $"must be less than or equal to {PodRules.Number(MaxPeriodSeconds)}");
        }
    }

    // A quantity behind a pointer is printed field by field.
    private static GoText Show(Quantity value) => new(string.Create(CultureInfo.InvariantCulture,
        $"resource.Quantity{{i:resource.int64Amount{{value:{value.Value}, scale:0}}, d:resource.infDecAmount{{Dec:(*inf.Dec)(nil)}}, s:{FieldErrors.Quote(value.ToString())}, Format:\"DecimalSI\"}}"));
}
