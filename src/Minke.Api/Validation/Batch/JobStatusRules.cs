using Minke.Api.Batch.V1;
using ConditionStatus = Minke.Api.Core.V1.ConditionStatus;

namespace Minke.Api;

/// <summary>
/// What a Job's status may say. Others than Kubernetes' own controller may keep it, so that a wrong step is refused here; but only what a
/// write changes is looked at, lest an old mistake stand in the way of all later ones. (validateJobStatus, getStatusValidationOptions)
/// </summary>
internal static class JobStatusRules
{
    private static readonly string[] LastingConditions = [JobConditionType.Failed, JobConditionType.Complete, JobConditionType.FailureTarget];

    public static void Validate(Job job, Job old, FieldErrors errors)
    {
        FieldPath path = "status";
        Counts(job.Status, path, errors);
        Conditions(job, old, path, errors);
        Transitions(job, old, path, errors);
    }

    private static void Counts(JobStatus status, FieldPath path, FieldErrors errors)
    {
        WorkloadRules.NotNegative(status.Active, path.Child("active"), errors);
        WorkloadRules.NotNegative(status.Succeeded, path.Child("succeeded"), errors);
        WorkloadRules.NotNegative(status.Failed, path.Child("failed"), errors);
        WorkloadRules.NotNegative(status.Ready, path.Child("ready"), errors);
        WorkloadRules.NotNegative(status.Terminating, path.Child("terminating"), errors);
        if (status.UncountedTerminatedPods is not { } uncounted)
            return;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, uids) in new[] { ("succeeded", uncounted.Succeeded), ("failed", uncounted.Failed) })
        {
            for (var i = 0; i < uids.Count; i++)
            {
                var at = path.Child("uncountedTerminatedPods").Child(name).Index(i);
                if (uids[i].Length == 0)
                    errors.Invalid(at, uids[i], "must not be empty");
                else if (!seen.Add(uids[i]))
                    errors.Duplicate(at, uids[i]);
            }
        }
    }

    private static void Conditions(Job job, Job old, FieldPath path, FieldErrors errors)
    {
        var (status, before) = (job.Status, old.Status);
        var conditions = path.Child("conditions");
        var (isComplete, isFailed, isFinished) = (Is(status, JobConditionType.Complete), Is(status, JobConditionType.Failed), IsFinished(status));
        bool Changed(string type) => Is(status, type) != Is(before, type);
        var (completeChanged, failedChanged) = (Changed(JobConditionType.Complete), Changed(JobConditionType.Failed));
        var finishedChanged = isFinished != IsFinished(before);
        var startChanged = status.StartTime != before.StartTime;
        var endChanged = status.CompletionTime != before.CompletionTime;

        if ((completeChanged || failedChanged) && isComplete && isFailed)
            errors.InvalidWithoutValue(conditions, "cannot set Complete=True and Failed=true conditions");
        if ((completeChanged || Changed(JobConditionType.FailureTarget)) && isComplete && Is(status, JobConditionType.FailureTarget))
            errors.InvalidWithoutValue(conditions, "cannot set Complete=True and FailureTarget=true conditions");
        if ((completeChanged || endChanged) && status.CompletionTime is not null && !isComplete)
            errors.Invalid(path.Child("completionTime"), Text(status.CompletionTime), "cannot set completionTime when there is no Complete=True condition");
        if ((completeChanged || endChanged) && status.CompletionTime is null && isComplete)
            errors.Required(path.Child("completionTime"), "completionTime is required for Complete jobs");
        if ((startChanged || endChanged) && status is { StartTime: { } start, CompletionTime: { } end } && end.UnixSeconds < start.UnixSeconds)
            errors.Invalid(path.Child("completionTime"), Text(status.CompletionTime), "must be equal to or after `startTime`");
        if ((failedChanged || Changed(JobConditionType.FailureTarget)) && isFailed && !Is(status, JobConditionType.FailureTarget))
            errors.InvalidWithoutValue(conditions, "cannot set Failed=True condition without the FailureTarget=true condition");
        if ((completeChanged || Changed(JobConditionType.SuccessCriteriaMet)) && isComplete && !Is(status, JobConditionType.SuccessCriteriaMet))
            errors.InvalidWithoutValue(conditions, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
        if ((finishedChanged || status.Active != before.Active) && isFinished && status.Active > 0)
            errors.Invalid(path.Child("active"), status.Active, "active>0 is invalid for finished job");
        if ((finishedChanged || startChanged) && isFinished && status.StartTime is null)
            errors.Required(path.Child("startTime"), "startTime is required for finished job");
        if ((finishedChanged || !Json.Same(status.UncountedTerminatedPods, before.UncountedTerminatedPods)) && isFinished
            && status.UncountedTerminatedPods is { } uncounted && uncounted.Succeeded.Count + uncounted.Failed.Count > 0)
        {
            errors.Invalid(path.Child("uncountedTerminatedPods"), new GoText(uncounted.ToString()), "must be empty for finished job");
        }
        Indexes(job, before, path, errors);
        if ((finishedChanged || status.Terminating != before.Terminating) && isFinished && status.Terminating > 0)
            errors.Invalid(path.Child("terminating"), status.Terminating, "terminating>0 is invalid for finished job");
        if ((status.Ready != before.Ready || status.Active != before.Active) && status.Ready > status.Active)
            errors.Invalid(path.Child("ready"), status.Ready, "cannot set more ready pods than active");
        if (Is(status, JobConditionType.SuccessCriteriaMet) && isFailed)
            errors.InvalidWithoutValue(conditions, "cannot set SuccessCriteriaMet=True and Failed=true conditions");
        if (Is(status, JobConditionType.SuccessCriteriaMet) && Is(status, JobConditionType.FailureTarget))
            errors.InvalidWithoutValue(conditions, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
        if (job.Spec.SuccessPolicy is not null && !Is(status, JobConditionType.SuccessCriteriaMet) && isComplete)
            errors.InvalidWithoutValue(conditions, "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True");
    }

    private static void Indexes(Job job, JobStatus before, FieldPath path, FieldErrors errors)
    {
        var (spec, status) = (job.Spec, job.Status);
        var completedChanged = status.CompletedIndexes != before.CompletedIndexes;
        var failedChanged = status.FailedIndexes != before.FailedIndexes;
        if (completedChanged && spec.Completions is { } completions && JobIndexes.TryCount(status.CompletedIndexes, completions, out _) is { } wrong)
            errors.Invalid(path.Child("completedIndexes"), status.CompletedIndexes, $"error parsing completedIndexes: {wrong}");
        if (failedChanged && spec is { Completions: { } all, BackoffLimitPerIndex: not null } && status.FailedIndexes is { } failed
            && JobIndexes.TryCount(failed, all, out _) is { } alsoWrong)
        {
            errors.Invalid(path.Child("failedIndexes"), failed, $"error parsing failedIndexes: {alsoWrong}");
        }
        if (completedChanged && status.CompletedIndexes.Length > 0 && spec.CompletionMode != CompletionMode.Indexed)
            errors.Invalid(path.Child("completedIndexes"), status.CompletedIndexes, "cannot set non-empty completedIndexes when non-indexed completion mode");
        if (failedChanged && spec.BackoffLimitPerIndex is null && status.FailedIndexes is not null)
            errors.Invalid(path.Child("failedIndexes"), status.FailedIndexes, "cannot set non-null failedIndexes when backoffLimitPerIndex is null");
        if ((failedChanged || completedChanged) && spec.Completions is { } count && status.FailedIndexes is { } others
            && JobIndexes.Overlap(status.CompletedIndexes, others, count) is { } both)
        {
            errors.Invalid(path.Child("failedIndexes"), others, $"failedIndexes and completedIndexes overlap at index: {PodRules.Number(both)}");
        }
    }

    private static void Transitions(Job job, Job old, FieldPath path, FieldErrors errors)
    {
        var (spec, status, before) = (job.Spec, job.Status, old.Status);
        foreach (var type in LastingConditions)
        {
            if (Is(before, type) && !Is(status, type))
                errors.InvalidWithoutValue(path.Child("conditions"), $"cannot disable the terminal {type}=True condition");
        }
        if (status.Failed < before.Failed)
            errors.Invalid(path.Child("failed"), status.Failed, "cannot decrease the failed counter");
        // Indexed Jobs that run all at once may be scaled down, and forget what succeeded beyond that.
        var mayShrink = spec.CompletionMode == CompletionMode.Indexed && spec.Completions == spec.Parallelism;
        if (!mayShrink && status.Succeeded < before.Succeeded)
            errors.Invalid(path.Child("succeeded"), status.Succeeded, "cannot decrease the succeeded counter");
        if (status.CompletionTime is not null && before.CompletionTime is not null && status.CompletionTime != before.CompletionTime)
            errors.Invalid(path.Child("completionTime"), Text(status.CompletionTime), "field is immutable");
        if (before.StartTime is not null && status.StartTime != before.StartTime && spec.Suspend != true)
            errors.Required(path.Child("startTime"), "startTime cannot be removed for unsuspended job");
        if (Is(before, JobConditionType.SuccessCriteriaMet) && !Is(status, JobConditionType.SuccessCriteriaMet))
            errors.InvalidWithoutValue(path.Child("conditions"), "cannot disable the SuccessCriteriaMet=True condition");
        if (Is(before, JobConditionType.Complete) && !Is(before, JobConditionType.SuccessCriteriaMet) && Is(status, JobConditionType.SuccessCriteriaMet))
            errors.InvalidWithoutValue(path.Child("conditions"), "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions");
    }

    // As Go prints a moment.
    private static GoText Text(Time? moment) => new(moment is { } time ? time.ToDateTimeOffset().ToString("yyyy-MM-dd HH:mm:ss '+0000 UTC'", System.Globalization.CultureInfo.InvariantCulture) : "null");

    private static bool IsFinished(JobStatus status) => Is(status, JobConditionType.Complete) || Is(status, JobConditionType.Failed);

    private static bool Is(JobStatus status, string type)
    {
        foreach (var condition in status.Conditions)
        {
            if (condition.Type == type && condition.Status == ConditionStatus.True)
                return true;
        }
        return false;
    }
}
