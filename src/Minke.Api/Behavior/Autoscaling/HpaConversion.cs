using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api.Autoscaling.V2;
using Minke.Api.Meta.V1;
using Old = Minke.Api.Autoscaling.V1;

namespace Minke.Api;

/// <summary>
/// HorizontalPodAutoscalers of autoscaling/v1 and v2 are the same objects. What the older form has no fields for (other metrics than the use of CPU, behaviour,
/// conditions) it carries in annotations, under upstream's names, so that nothing is lost on the way there and back. (pkg/apis/autoscaling/v1/conversion.go)
/// </summary>
public static class HpaConversion
{
    private const string Metrics = "autoscaling.alpha.kubernetes.io/metrics";
    private const string CurrentMetrics = "autoscaling.alpha.kubernetes.io/current-metrics";
    private const string Conditions = "autoscaling.alpha.kubernetes.io/conditions";
    private const string Behavior = "autoscaling.alpha.kubernetes.io/behavior";
    private const string Cpu = "cpu";

    public static MetricSpec CpuUtilization(int percent) => new()
    {
        Type = MetricSourceType.Resource,
        Resource = new() { Name = Cpu, Target = new() { Type = MetricTargetType.Utilization, AverageUtilization = percent } },
    };

    /// <summary>As it is stored, defaults of the newer form included: a v1 object without a target gets one of 80 percent, as upstream's does.</summary>
    public static HorizontalPodAutoscaler ToStored(Old.HorizontalPodAutoscaler scaler) =>
        (HorizontalPodAutoscaler)KindBehaviors.For(HorizontalPodAutoscaler.KindInfo).Default(ToNew(scaler).WithConstantDefaults());

    public static HorizontalPodAutoscaler ToNew(Old.HorizontalPodAutoscaler scaler)
    {
        var (annotations, spec, status) = (scaler.Metadata.Annotations, scaler.Spec, scaler.Status);
        var metrics = Items(annotations, Metrics, Old.MetricSpec.ReadJson).Select(ToNew).ToList();
        if (spec.TargetCPUUtilizationPercentage is { } percent)
            metrics.Add(CpuUtilization(percent));
        var current = Items(annotations, CurrentMetrics, Old.MetricStatus.ReadJson).Select(ToNew).ToList();
        if (current.Count == 0 && status.CurrentCPUUtilizationPercentage is { } use)
            current.Add(new() { Type = MetricSourceType.Resource, Resource = new() { Name = Cpu, Current = new() { AverageUtilization = use } } });
        return new()
        {
            Metadata = WithoutAnnotations(scaler.Metadata),
            Spec = new()
            {
                ScaleTargetRef = ToNew(spec.ScaleTargetRef),
                MinReplicas = spec.MinReplicas,
                MaxReplicas = spec.MaxReplicas,
                Metrics = metrics.Count == 0 ? default : metrics.ToApiList(),
                Behavior = ReadBehavior(annotations),
            },
            Status = new()
            {
                ObservedGeneration = status.ObservedGeneration,
                LastScaleTime = status.LastScaleTime,
                CurrentReplicas = status.CurrentReplicas,
                DesiredReplicas = status.DesiredReplicas,
                CurrentMetrics = current.Count == 0 ? default : current.ToApiList(),
                Conditions = Items(annotations, Conditions, HorizontalPodAutoscalerCondition.ReadJson) is { Count: > 0 } conditions ? conditions.ToApiList() : default,
            },
        };
    }

    public static Old.HorizontalPodAutoscaler ToOld(HorizontalPodAutoscaler scaler)
    {
        var (spec, status) = (scaler.Spec, scaler.Status);
        var metadata = WithoutAnnotations(scaler.Metadata);
        var annotations = metadata.Annotations;
        var others = spec.Metrics.Where(metric => !IsCpuUtilization(metric)).ToList();
        if (others.Count > 0)
            annotations = annotations.With(Metrics, Text(others.Select(ToOld)));
        if (!status.CurrentMetrics.IsEmpty)
            annotations = annotations.With(CurrentMetrics, Text(status.CurrentMetrics.Select(ToOld)));
        if (spec.Behavior is { } behavior)
            annotations = annotations.With(Behavior, WriteBehavior(behavior));
        if (!status.Conditions.IsEmpty)
            annotations = annotations.With(Conditions, Text(status.Conditions));
        return new()
        {
            Metadata = metadata with { Annotations = annotations },
            Spec = new()
            {
                ScaleTargetRef = ToOld(spec.ScaleTargetRef),
                MinReplicas = spec.MinReplicas,
                MaxReplicas = spec.MaxReplicas,
                TargetCPUUtilizationPercentage = spec.Metrics.FirstOrDefault(metric => metric is { Type: MetricSourceType.Resource, Resource.Name: Cpu })?.Resource!.Target.AverageUtilization,
            },
            Status = new()
            {
                ObservedGeneration = status.ObservedGeneration,
                LastScaleTime = status.LastScaleTime,
                CurrentReplicas = status.CurrentReplicas,
                DesiredReplicas = status.DesiredReplicas,
                CurrentCPUUtilizationPercentage =
                    status.CurrentMetrics.FirstOrDefault(metric => metric is { Type: MetricSourceType.Resource, Resource.Name: Cpu })?.Resource!.Current.AverageUtilization,
            },
        };
    }

    private static bool IsCpuUtilization(MetricSpec metric) =>
        metric is { Type: MetricSourceType.Resource, Resource: { Name: Cpu, Target.AverageUtilization: not null } };

    private static ObjectMeta WithoutAnnotations(ObjectMeta metadata)
    {
        var rest = metadata.Annotations;
        foreach (var key in (ReadOnlySpan<string>)[Metrics, CurrentMetrics, Conditions, Behavior])
            rest = rest.Without(key);
        return rest.Count == metadata.Annotations.Count ? metadata : metadata with { Annotations = rest };
    }

    private static CrossVersionObjectReference ToNew(Old.CrossVersionObjectReference one) => new() { Kind = one.Kind, Name = one.Name, ApiVersion = one.ApiVersion };

    private static Old.CrossVersionObjectReference ToOld(CrossVersionObjectReference one) => new() { Kind = one.Kind, Name = one.Name, ApiVersion = one.ApiVersion };

    private static MetricSpec ToNew(Old.MetricSpec metric) => new()
    {
        Type = metric.Type,
        Object = metric.Object is { } one ? new()
        {
            DescribedObject = ToNew(one.Target),
            Metric = new() { Name = one.MetricName, Selector = one.Selector },
            Target = new() { Type = one.AverageValue is null ? MetricTargetType.Value : MetricTargetType.AverageValue, Value = one.TargetValue, AverageValue = one.AverageValue },
        } : null,
        Pods = metric.Pods is { } pods ? new()
        {
            Metric = new() { Name = pods.MetricName, Selector = pods.Selector },
            Target = new() { Type = MetricTargetType.AverageValue, AverageValue = pods.TargetAverageValue },
        } : null,
        Resource = metric.Resource is { } resource
            ? new() { Name = resource.Name, Target = Use(resource.TargetAverageUtilization, resource.TargetAverageValue) } : null,
        ContainerResource = metric.ContainerResource is { } container
            ? new() { Name = container.Name, Container = container.Container, Target = Use(container.TargetAverageUtilization, container.TargetAverageValue) } : null,
        External = metric.External is { } external ? new()
        {
            Metric = new() { Name = external.MetricName, Selector = external.MetricSelector },
            Target = new()
            {
                Type = external.TargetValue is null ? MetricTargetType.AverageValue : MetricTargetType.Value,
                Value = external.TargetValue,
                AverageValue = external.TargetAverageValue,
            },
        } : null,
    };

    private static MetricTarget Use(int? utilization, Quantity? value) => new()
    {
        Type = utilization is null ? MetricTargetType.AverageValue : MetricTargetType.Utilization,
        AverageUtilization = utilization,
        AverageValue = value,
    };

    private static Old.MetricSpec ToOld(MetricSpec metric) => new()
    {
        Type = metric.Type,
        Object = metric.Object is { } one ? new()
        {
            Target = ToOld(one.DescribedObject),
            MetricName = one.Metric.Name,
            Selector = one.Metric.Selector,
            TargetValue = one.Target.Value ?? default,
            AverageValue = one.Target.AverageValue,
        } : null,
        Pods = metric.Pods is { } pods
            ? new() { MetricName = pods.Metric.Name, Selector = pods.Metric.Selector, TargetAverageValue = pods.Target.AverageValue ?? default } : null,
        Resource = metric.Resource is { } resource
            ? new() { Name = resource.Name, TargetAverageUtilization = resource.Target.AverageUtilization, TargetAverageValue = resource.Target.AverageValue } : null,
        ContainerResource = metric.ContainerResource is { } container ? new()
        {
            Name = container.Name,
            Container = container.Container,
            TargetAverageUtilization = container.Target.AverageUtilization,
            TargetAverageValue = container.Target.AverageValue,
        } : null,
        External = metric.External is { } external ? new()
        {
            MetricName = external.Metric.Name,
            MetricSelector = external.Metric.Selector,
            TargetValue = external.Target.Value,
            TargetAverageValue = external.Target.AverageValue,
        } : null,
    };

    private static MetricStatus ToNew(Old.MetricStatus metric) => new()
    {
        Type = metric.Type,
        Object = metric.Object is { } one ? new()
        {
            DescribedObject = ToNew(one.Target),
            Metric = new() { Name = one.MetricName, Selector = one.Selector },
            Current = new() { Value = one.CurrentValue, AverageValue = one.AverageValue },
        } : null,
        Pods = metric.Pods is { } pods
            ? new() { Metric = new() { Name = pods.MetricName, Selector = pods.Selector }, Current = new() { AverageValue = pods.CurrentAverageValue } } : null,
        Resource = metric.Resource is { } resource
            ? new() { Name = resource.Name, Current = new() { AverageUtilization = resource.CurrentAverageUtilization, AverageValue = resource.CurrentAverageValue } } : null,
        ContainerResource = metric.ContainerResource is { } container ? new()
        {
            Name = container.Name,
            Container = container.Container,
            Current = new() { AverageUtilization = container.CurrentAverageUtilization, AverageValue = container.CurrentAverageValue },
        } : null,
        External = metric.External is { } external ? new()
        {
            Metric = new() { Name = external.MetricName, Selector = external.MetricSelector },
            Current = new() { Value = external.CurrentValue, AverageValue = external.CurrentAverageValue },
        } : null,
    };

    private static Old.MetricStatus ToOld(MetricStatus metric) => new()
    {
        Type = metric.Type,
        Object = metric.Object is { } one ? new()
        {
            Target = ToOld(one.DescribedObject),
            MetricName = one.Metric.Name,
            Selector = one.Metric.Selector,
            CurrentValue = one.Current.Value ?? default,
            AverageValue = one.Current.AverageValue,
        } : null,
        Pods = metric.Pods is { } pods
            ? new() { MetricName = pods.Metric.Name, Selector = pods.Metric.Selector, CurrentAverageValue = pods.Current.AverageValue ?? default } : null,
        Resource = metric.Resource is { } resource
            ? new() { Name = resource.Name, CurrentAverageUtilization = resource.Current.AverageUtilization, CurrentAverageValue = resource.Current.AverageValue ?? default } : null,
        ContainerResource = metric.ContainerResource is { } container ? new()
        {
            Name = container.Name,
            Container = container.Container,
            CurrentAverageUtilization = container.Current.AverageUtilization,
            CurrentAverageValue = container.Current.AverageValue ?? default,
        } : null,
        External = metric.External is { } external ? new()
        {
            MetricName = external.Metric.Name,
            MetricSelector = external.Metric.Selector,
            CurrentValue = external.Current.Value ?? default,
            CurrentAverageValue = external.Current.AverageValue,
        } : null,
    };

    /// <summary>The behaviour is written under the names of upstream's internal type, which are those of its Go fields.</summary>
    private static string WriteBehavior(HorizontalPodAutoscalerBehavior behavior)
    {
        static JsonObject? Rules(HPAScalingRules? rules) => rules is null ? null : new JsonObject
        {
            ["StabilizationWindowSeconds"] = rules.StabilizationWindowSeconds,
            ["SelectPolicy"] = rules.SelectPolicy,
            ["Policies"] = rules.Policies.IsNull ? null : new JsonArray([.. rules.Policies.Select(policy =>
                (JsonNode)new JsonObject { ["Type"] = policy.Type, ["Value"] = policy.Value, ["PeriodSeconds"] = policy.PeriodSeconds })]),
        };
        return new JsonObject { ["ScaleUp"] = Rules(behavior.ScaleUp), ["ScaleDown"] = Rules(behavior.ScaleDown) }.ToJsonString();
    }

    private static HorizontalPodAutoscalerBehavior? ReadBehavior(ApiMap<string> annotations)
    {
        if (Parse(annotations, Behavior) is not JsonObject behavior || Lowered(behavior) is not JsonObject { Count: > 0 } lowered)
            return null;
        try
        {
            var read = Json.Read(System.Text.Encoding.UTF8.GetBytes(lowered.ToJsonString()), HorizontalPodAutoscalerBehavior.ReadJson);
            return read is { ScaleUp: null, ScaleDown: null } ? null : read;
        }
        catch (JsonReadException)
        {
            return null; // Somebody else's text: as if it were not there.
        }
    }

    /// <summary>Names as the served type has them: with a small letter first.</summary>
    private static JsonNode? Lowered(JsonNode? node) => node switch
    {
        JsonObject members => new JsonObject(members.Where(pair => pair.Key.Length > 0)
            .DistinctBy(pair => char.ToLowerInvariant(pair.Key[0]) + pair.Key[1..], StringComparer.Ordinal)
            .Select(pair => KeyValuePair.Create(char.ToLowerInvariant(pair.Key[0]) + pair.Key[1..], Lowered(pair.Value)))),
        JsonArray items => new JsonArray([.. items.Select(Lowered)]),
        _ => node?.DeepClone(),
    };

    private static List<T> Items<T>(ApiMap<string> annotations, string key, JsonRead<T> read)
    {
        if (Parse(annotations, key) is not JsonArray items)
            return [];
        try
        {
            return [.. items.Select(item => Json.Read(System.Text.Encoding.UTF8.GetBytes(item?.ToJsonString() ?? "{}"), read))];
        }
        catch (JsonReadException)
        {
            return [];
        }
    }

    private static JsonNode? Parse(ApiMap<string> annotations, string key)
    {
        if (!annotations.TryGetValue(key, out var text))
            return null;
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Text(IEnumerable<IJsonWritable> items) =>
        $"[{string.Join(',', items.Select(item => System.Text.Encoding.UTF8.GetString(Json.Write(item))))}]";
}
