using Minke.Api.Batch.V1;

namespace Minke.Api;

/// <summary>What a CronJob does beyond its fields. (pkg/registry/batch/cronjob/strategy.go)</summary>
internal sealed class CronJobKind : KindBehavior<CronJob>
{
    // Its Jobs are named after it and eleven characters more, and a Job's name becomes a label.
    private const int MaxNameLength = 52;
    private const string Template = "spec.jobTemplate.spec.template";
    private static readonly string[] Policies = [ConcurrencyPolicy.Allow, ConcurrencyPolicy.Forbid, ConcurrencyPolicy.Replace];

    public override bool CountsGeneration => true;

    /// <summary>The defaults of a Job wait until one is made: here they would be in the way of what the template leaves open.</summary>
    public override CronJob Default(CronJob job) => With(job, PodTemplates.Default(job.Spec.JobTemplate.Spec.Template));

    public override CronJob PrepareForCreate(CronJob job) => Drop(job with { Status = CronJobStatus.Empty });

    public override CronJob PrepareForUpdate(CronJob job, CronJob old) => Drop(job with { Status = old.Status });

    public override CronJob PrepareForStatusUpdate(CronJob job, CronJob old) => job with { Spec = old.Spec };

    public override void Validate(CronJob job, CronJob? old, FieldErrors errors)
    {
        WorkloadRules.ValidateMetadata(job.Metadata, old?.Metadata, errors);
        ValidateSpec(job.Spec, old?.Spec, "spec", errors);
        if (old is null && job.Metadata.Name.Length > MaxNameLength)
            errors.Invalid("metadata.name", job.Metadata.Name, "must be no more than 52 characters");
    }

    public override IEnumerable<string> Dropped(CronJob job) => PodTemplates.Dropped(job.Spec.JobTemplate.Spec.Template, Template);

    public override IEnumerable<string> Warnings(CronJob job, CronJob? old)
    {
        if (old is not null && job.Metadata.Generation == old.Metadata.Generation)
            return [];
        var warnings = JobKind.Warnings(job.Spec.JobTemplate.Spec, "spec.jobTemplate.spec");
        if (old is null)
            warnings = PodTemplates.NameWarnings(job.Metadata.Name).Concat(warnings);
        // "spec.spec" is upstream's path.
        return HasZone(job.Spec.Schedule)
            ? warnings.Append("CRON_TZ or TZ used in spec.spec.schedule is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details")
            : warnings;
    }

    private static void ValidateSpec(CronJobSpec spec, CronJobSpec? old, FieldPath path, FieldErrors errors)
    {
        if (spec.Schedule.Length == 0)
            errors.Required(path.Child("schedule"));
        else
            ValidateSchedule(spec, old, path.Child("schedule"), errors);
        WorkloadRules.NotNegative(spec.StartingDeadlineSeconds, path.Child("startingDeadlineSeconds"), errors);
        if (old is null || old.TimeZone != spec.TimeZone)
            ValidateTimeZone(spec.TimeZone, path.Child("timeZone"), errors);
        if (!Policies.Contains(spec.ConcurrencyPolicy))
            errors.NotSupported(path.Child("concurrencyPolicy"), spec.ConcurrencyPolicy, Policies);
        JobRules.ValidateTemplate(spec.JobTemplate, path.Child("jobTemplate"), errors);
        WorkloadRules.NotNegative(spec.SuccessfulJobsHistoryLimit, path.Child("successfulJobsHistoryLimit"), errors);
        WorkloadRules.NotNegative(spec.FailedJobsHistoryLimit, path.Child("failedJobsHistoryLimit"), errors);
    }

    private static void ValidateSchedule(CronJobSpec spec, CronJobSpec? old, FieldPath path, FieldErrors errors)
    {
        try
        {
            CronSchedule.Parse(spec.Schedule);
        }
        catch (FormatException e)
        {
            errors.Invalid(path, spec.Schedule, e.Message);
        }
        // One that had a zone in its schedule before there was a field for it may keep it.
        if (!HasZone(spec.Schedule))
            return;
        if (old is null || !HasZone(old.Schedule))
            errors.Invalid(path, spec.Schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
        else if (spec.TimeZone is not null)
            errors.Invalid(path, spec.Schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule");
    }

    private static void ValidateTimeZone(string? zone, FieldPath path, FieldErrors errors)
    {
        if (zone is null)
            return;
        if (zone.Length == 0)
        {
            errors.Invalid(path, zone, "timeZone must be nil or non-empty string");
            return;
        }
        if (!TimeZones.IsWellFormed(zone))
        {
            errors.Invalid(path, zone, $"unknown time zone {zone}");
            return;
        }
        if (string.Equals(zone, "Local", StringComparison.OrdinalIgnoreCase))
            errors.Invalid(path, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
        if (TimeZones.Refusal(zone) is { } refusal)
            errors.Invalid(path, zone, refusal);
    }

    private static bool HasZone(string schedule) => schedule.Contains("TZ", StringComparison.Ordinal);

    private static CronJob Drop(CronJob job) => With(job, PodTemplates.Drop(job.Spec.JobTemplate.Spec.Template, Template));

    private static CronJob With(CronJob job, Core.V1.PodTemplateSpec template) => job with
    {
        Spec = job.Spec with { JobTemplate = job.Spec.JobTemplate with { Spec = job.Spec.JobTemplate.Spec with { Template = template } } },
    };
}
