using Minke.Api.Meta.V1;

namespace Minke.Server.Admission;

/// <summary>Which of several classes that all claim to be everybody's is.</summary>
internal static class DefaultClasses
{
    /// <summary>Null for none; of those made in one second the first by name.</summary>
    public static string? NewestName(this IEnumerable<ObjectMeta> classes) => classes
        .OrderByDescending(one => one.CreationTimestamp.ToDateTimeOffset())
        .ThenBy(one => one.Name, StringComparer.Ordinal)
        .FirstOrDefault()?.Name;
}
