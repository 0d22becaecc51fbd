using Minke.Api.Batch.V1;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>What a Job does beyond its fields. Unless told otherwise, it selects its pods by its own uid. (pkg/registry/batch/job/strategy.go)</summary>
internal sealed class JobKind : KindBehavior<Job>
{
    private const int BackoffLimit = 6;
    private const int CompletionsSoftLimit = 100_000;
    private const int ParallelismSoftLimit = 10_000;

    public override bool CountsGeneration => true;

    public override Job Default(Job job)
    {
        var spec = job.Spec;
        var labels = spec.Template.Metadata.Labels;
        return job with
        {
            Metadata = job.Metadata.Labels.IsEmpty && !labels.IsNull ? job.Metadata with { Labels = labels } : job.Metadata,
            Spec = spec with
            {
                Completions = spec.Completions ?? (spec.Parallelism is null ? 1 : null),
                Parallelism = spec.Parallelism ?? 1,
                BackoffLimit = spec.BackoffLimit ?? (spec.BackoffLimitPerIndex is null ? BackoffLimit : int.MaxValue),
                CompletionMode = spec.CompletionMode ?? CompletionMode.NonIndexed,
                Suspend = spec.Suspend ?? false,
                ManualSelector = spec.ManualSelector ?? false,
                PodReplacementPolicy = spec.PodReplacementPolicy ?? (spec.PodFailurePolicy is null ? PodReplacementPolicy.TerminatingOrFailed : PodReplacementPolicy.Failed),
                Template = PodTemplates.Default(spec.Template),
            },
        };
    }

    public override Job PrepareForCreate(Job job) => job with { Status = JobStatus.Empty, Spec = Drop(job.Spec) };

    /// <summary>Labels that are there already stay: should they be wrong, validation says so.</summary>
    public override Job CompleteCreate(Job job)
    {
        if (job.Spec.ManualSelector == true)
            return job;
        var metadata = job.Spec.Template.Metadata;
        var labels = metadata.Labels;
        foreach (var (key, value) in JobRules.GeneratedLabels(job.Metadata))
            labels = labels.ContainsKey(key) ? labels : labels.With(key, value);
        var selector = job.Spec.Selector ?? LabelSelector.Empty;
        if (!selector.MatchLabels.ContainsKey(JobRules.ControllerUid))
            selector = selector with { MatchLabels = selector.MatchLabels.With(JobRules.ControllerUid, job.Metadata.Uid) };
        return job with { Spec = job.Spec with { Selector = selector, Template = job.Spec.Template with { Metadata = metadata with { Labels = labels } } } };
    }

    public override Job PrepareForUpdate(Job job, Job old) => job with { Status = old.Status, Spec = Drop(job.Spec) };

    public override Job PrepareForStatusUpdate(Job job, Job old) => job with { Spec = old.Spec };

    public override void Validate(Job job, Job? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(job.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        JobRules.ValidateGeneratedSelector(job, old, errors);
        JobRules.ValidateSpec(job.Spec, "spec", errors);
        JobRules.ValidateHostname(job, errors);
        if (old is null)
            return;
        ObjectMetaRules.ValidateUpdate(job.Metadata, old.Metadata, errors);
        JobRules.ValidateSpec(job.Spec, "spec", errors);
        JobRules.ValidateSpecUpdate(job, old, "spec", errors);
    }

    public override void ValidateStatus(Job job, Job old, FieldErrors errors) => JobStatusRules.Validate(job, old, errors);

    public override IEnumerable<string> Dropped(Job job) => PodTemplates.Dropped(job.Spec.Template, "spec.template");

    public override IEnumerable<string> Warnings(Job job, Job? old) =>
        old is null ? PodTemplates.NameWarnings(job.Metadata.Name).Concat(Warnings(job.Spec, "spec"))
        : job.Metadata.Generation != old.Metadata.Generation ? Warnings(job.Spec, "spec") : [];

    /// <summary>Of a Job's spec, its own or that of a CronJob's template.</summary>
    public static IEnumerable<string> Warnings(JobSpec spec, FieldPath path)
    {
        if (spec is { CompletionMode: CompletionMode.Indexed, Completions: > CompletionsSoftLimit, Parallelism: > ParallelismSoftLimit })
        {
            yield return $"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, "
                + "Kubernetes might not be able to track completedIndexes when a big number of indexes fail";
        }
        foreach (var warning in PodTemplates.Warnings(spec.Template, path.Child("template")))
            yield return warning;
    }

    private static JobSpec Drop(JobSpec spec) => spec with { Template = PodTemplates.Drop(spec.Template, "spec.template") };
}
