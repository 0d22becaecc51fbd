using System.Globalization;
using Minke.Api;
using Minke.Api.Batch.V1;

namespace Minke.Server.Tables;

/// <summary>What kubectl shows of the kinds that make pods.</summary>
internal static class WorkloadCells
{
    /// <summary><c>daemonset.apps/web</c>: who keeps the object.</summary>
    public static string Controller(IKubeObject value)
    {
        if (value.Metadata.OwnerReferences.FirstOrDefault(owner => owner.Controller == true) is not { } controller)
            return "<none>";
        var slash = controller.ApiVersion.IndexOf('/', StringComparison.Ordinal);
        var group = slash < 0 ? "" : "." + controller.ApiVersion[..slash];
        return $"{(controller.Kind + group).ToLowerInvariant()}/{controller.Name}";
    }

    public static string Status(Job job)
    {
        bool Is(string type) => job.Status.Conditions.Any(condition => condition.Type == type && condition.Status == "True");
        return Is(JobConditionType.Complete) ? "Complete"
            : Is(JobConditionType.Failed) ? "Failed"
            : job.Metadata.DeletionTimestamp is not null ? "Terminating"
            : Is(JobConditionType.Suspended) ? "Suspended"
            : Is(JobConditionType.FailureTarget) ? "FailureTarget"
            : "Running";
    }

    public static string Completions(Job job) => job.Spec switch
    {
        { Completions: { } completions } => string.Create(CultureInfo.InvariantCulture, $"{job.Status.Succeeded}/{completions}"),
        { Parallelism: > 1 and var parallelism } => string.Create(CultureInfo.InvariantCulture, $"{job.Status.Succeeded}/1 of {parallelism}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{job.Status.Succeeded}/1"),
    };

    public static string Duration(Job job, DateTimeOffset now) => job.Status.StartTime is { } start
        ? Ages.Text((job.Status.CompletionTime?.ToDateTimeOffset() ?? now) - start.ToDateTimeOffset()) : "";
}
