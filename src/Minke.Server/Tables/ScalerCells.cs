using System.Globalization;
using Minke.Api.Autoscaling.V2;

namespace Minke.Server.Tables;

/// <summary>What kubectl shows of HorizontalPodAutoscalers.</summary>
internal static class ScalerCells
{
    private const string Unknown = "<unknown>";
    private const int MaxShown = 2;

    public static string Targets(HorizontalPodAutoscaler scaler)
    {
        var (specs, statuses) = (scaler.Spec.Metrics, scaler.Status.CurrentMetrics);
        if (specs.IsEmpty)
            return "<none>";
        var all = specs.Select((spec, index) => Target(spec, index < statuses.Count ? statuses[index] : null)).ToList();
        var shown = string.Join(", ", all.Take(MaxShown));
        return all.Count > MaxShown ? string.Create(CultureInfo.InvariantCulture, $"{shown} + {all.Count - MaxShown} more...") : shown;
    }

    private static string Target(MetricSpec spec, MetricStatus? status) => spec switch
    {
        { Type: MetricSourceType.External, External: { } one } => Value(one.Target, status?.External?.Current),
        { Type: MetricSourceType.Object, Object: { } one } => Value(one.Target, status?.Object?.Current),
        { Type: MetricSourceType.Pods, Pods: { } one } => $"{status?.Pods?.Current.AverageValue?.ToString() ?? Unknown}/{one.Target.AverageValue}",
        { Type: MetricSourceType.Resource, Resource: { } one } => $"{one.Name}: {Use(one.Target, status?.Resource?.Current)}",
        { Type: MetricSourceType.ContainerResource, ContainerResource: { } one } => $"{one.Name}: {Use(one.Target, status?.ContainerResource?.Current)}",
        _ => "<unknown type>",
    };

    private static string Value(MetricTarget target, MetricValueStatus? current) => target.AverageValue is { } average
        ? $"{current?.AverageValue?.ToString() ?? Unknown}/{average} (avg)"
        : $"{current?.Value?.ToString() ?? Unknown}/{target.Value}";

    private static string Use(MetricTarget target, MetricValueStatus? current) => target.AverageValue is { } value
        ? $"{current?.AverageValue?.ToString() ?? Unknown}/{value}"
        : $"{Percent(current?.AverageUtilization) ?? Unknown}/{Percent(target.AverageUtilization) ?? "<auto>"}";

    private static string? Percent(int? share) => share is { } percent ? string.Create(CultureInfo.InvariantCulture, $"{percent}%") : null;
}
