using System.Globalization;
using System.Text.RegularExpressions;
using Minke.Api.Batch.V1;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using ConditionStatus = Minke.Api.Core.V1.ConditionStatus;

namespace Minke.Api;

/// <summary>Jobs and the templates of CronJobs. (pkg/apis/batch/validation)</summary>
internal static partial class JobRules
{
    public const string ControllerUid = "batch.kubernetes.io/controller-uid";
    private const string JobName = "batch.kubernetes.io/job-name";
    private const string LegacyControllerUid = "controller-uid";
    private const string LegacyJobName = "job-name";

    private const int MaxIndexedParallelism = 100_000;
    private const int MaxFailedIndexes = 100_000;
    private const int ManyCompletions = 100_000;
    private const int MaxForManyCompletions = 10_000;
    private const int MaxFailureRules = 20;
    private const int MaxExitCodes = 255;
    private const int MaxConditions = 20;
    private const int MaxManagedByLength = 63;
    private const int MaxSuccessRules = 20;
    private const int MaxIndexesLength = 64 * 1024;

    private static readonly string[] CompletionModes = [CompletionMode.NonIndexed, CompletionMode.Indexed];
    private static readonly string[] Actions = [PodFailurePolicyAction.Count, PodFailurePolicyAction.FailIndex, PodFailurePolicyAction.FailJob, PodFailurePolicyAction.Ignore];
    private static readonly string[] Operators = [PodFailurePolicyOnExitCodesOperator.In, PodFailurePolicyOnExitCodesOperator.NotIn];
    private static readonly string[] Statuses = [ConditionStatus.False, ConditionStatus.True, ConditionStatus.Unknown];
    private static readonly string[] ReplacementPolicies = [PodReplacementPolicy.Failed, PodReplacementPolicy.TerminatingOrFailed];
    private static readonly string[] RestartPolicies = [RestartPolicy.OnFailure, RestartPolicy.Never];

    /// <summary>By which a Job finds its pods, in the order they are checked.</summary>
    public static IReadOnlyList<(string Key, string Value)> GeneratedLabels(ObjectMeta metadata) =>
        [(LegacyControllerUid, metadata.Uid), (LegacyJobName, metadata.Name), (ControllerUid, metadata.Uid), (JobName, metadata.Name)];

    public static void ValidateGeneratedSelector(Job job, Job? old, FieldErrors errors)
    {
        if (job.Spec.ManualSelector == true || job.Spec.Selector is null)
            return;
        if (job.Metadata.Uid.Length == 0)
            errors.Required("metadata.uid");
        // Jobs from before the labels had a domain do without those.
        var before = old?.Spec.Template.Metadata.Labels;
        var hasDomain = before is not { } labels || (labels.ContainsKey(JobName) && labels.ContainsKey(ControllerUid));
        var expected = GeneratedLabels(job.Metadata).Take(hasDomain ? 4 : 2).ToList();
        FieldPath path = "spec.template.metadata.labels";
        var actual = job.Spec.Template.Metadata.Labels;
        foreach (var (key, value) in expected)
        {
            if (!actual.TryGetValue(key, out var found))
                errors.Required(path.Key(key), $"must be '{value}'");
            else if (found != value)
                errors.Invalid(path.Key(key), actual, $"must be '{value}'");
        }
        var all = default(ApiMap<string>);
        foreach (var (key, value) in expected)
            all = all.With(key, value);
        if (!LabelSelectors.Matches(job.Spec.Selector, all))
            errors.Invalid("spec.selector", WorkloadRules.Show(job.Spec.Selector), "`selector` not auto-generated");
    }

    public static void ValidateSpec(JobSpec spec, FieldPath path, FieldErrors errors)
    {
        ValidateAnySpec(spec, path, errors);
        var before = errors.Count;
        if (spec.Selector is null)
            errors.Required(path.Child("selector"));
        else
            SchedulingRules.ValidateLabelSelector(spec.Selector, path.Child("selector"), errors);
        if (spec.Selector is null || errors.Count == before)
            WorkloadRules.Matches(spec.Template, spec.Selector, path.Child("template"), errors);
    }

    /// <summary>The last pod's hostname is the Job's name and its index.</summary>
    public static void ValidateHostname(Job job, FieldErrors errors)
    {
        if (job.Spec is not { CompletionMode: CompletionMode.Indexed, Completions: > 0 and var completions })
            return;
        var hostname = string.Create(CultureInfo.InvariantCulture, $"{job.Metadata.Name}-{completions - 1}");
        if (Names.Dns1123Label(hostname).Any())
            errors.Invalid("metadata.name", job.Metadata.Name, $"will not able to create pod with invalid DNS label: {hostname}");
    }

    /// <summary>A CronJob's template: as a Job, but its selector is made when the Job is.</summary>
    public static void ValidateTemplate(JobTemplateSpec template, FieldPath path, FieldErrors errors)
    {
        var at = path.Child("spec");
        ValidateAnySpec(template.Spec, at, errors);
        if (template.Spec.Selector is not null)
            errors.Invalid(at.Child("selector"), WorkloadRules.Show(template.Spec.Selector), "`selector` will be auto-generated");
        if (template.Spec.ManualSelector == true)
            errors.NotSupported(at.Child("manualSelector"), true, ["nil", "false"]);
    }

    public static void ValidateSpecUpdate(Job job, Job old, FieldPath path, FieldErrors errors)
    {
        var (now, then) = (job.Spec, old.Spec);
        if (now.CompletionMode != CompletionMode.Indexed)
            Stays(now.Completions, then.Completions, path.Child("completions"), errors);
        else if (now.Completions != then.Completions && now.Completions is { } completions && completions != now.Parallelism)
            errors.Invalid(path.Child("completions"), completions, "can only be modified in tandem with spec.parallelism");
        WorkloadRules.SelectorStays(now.Selector, then.Selector, errors);
        // What is suspended and was never started may still be told where to run.
        var template = then is { Suspend: true } && old.Status.StartTime is null ? WithSchedulingOf(then.Template, now.Template) : then.Template;
        if (!Json.Same(now.Template, template))
            errors.Invalid(path.Child("template"), new GoText(now.Template.ToString()), "field is immutable");
        Stays(now.CompletionMode, then.CompletionMode, path.Child("completionMode"), errors);
        if (!Json.Same(now.PodFailurePolicy, then.PodFailurePolicy))
            errors.Invalid(path.Child("podFailurePolicy"), new GoText(now.PodFailurePolicy?.ToString() ?? "null"), "field is immutable");
        Stays(now.BackoffLimitPerIndex, then.BackoffLimitPerIndex, path.Child("backoffLimitPerIndex"), errors);
        Stays(now.ManagedBy, then.ManagedBy, path.Child("managedBy"), errors);
        if (!Json.Same(now.SuccessPolicy, then.SuccessPolicy))
            errors.Invalid(path.Child("successPolicy"), new GoText(now.SuccessPolicy?.ToString() ?? "null"), "field is immutable");
    }

    private static void Stays<T>(T value, T old, FieldPath path, FieldErrors errors)
    {
        if (!EqualityComparer<T>.Default.Equals(value, old))
            errors.Invalid(path, value, "field is immutable");
    }

    private static PodTemplateSpec WithSchedulingOf(PodTemplateSpec template, PodTemplateSpec other)
    {
        var (affinity, wanted) = (template.Spec.Affinity, other.Spec.Affinity);
        affinity = (wanted, affinity) switch
        {
            (null, { PodAffinity: null, PodAntiAffinity: null }) => null,
            (null, { }) => affinity with { NodeAffinity = null },
            ({ }, null) => new() { NodeAffinity = wanted.NodeAffinity },
            ({ }, { }) => affinity with { NodeAffinity = wanted.NodeAffinity },
            _ => null,
        };
        return template with
        {
            Metadata = template.Metadata with { Annotations = other.Metadata.Annotations, Labels = other.Metadata.Labels },
            Spec = template.Spec with
            {
                Affinity = affinity,
                NodeSelector = other.Spec.NodeSelector,
                Tolerations = other.Spec.Tolerations,
                SchedulingGates = other.Spec.SchedulingGates,
            },
        };
    }

    private static void ValidateAnySpec(JobSpec spec, FieldPath path, FieldErrors errors)
    {
        WorkloadRules.NotNegative(spec.Parallelism, path.Child("parallelism"), errors);
        WorkloadRules.NotNegative(spec.Completions, path.Child("completions"), errors);
        WorkloadRules.NotNegative(spec.ActiveDeadlineSeconds, path.Child("activeDeadlineSeconds"), errors);
        WorkloadRules.NotNegative(spec.BackoffLimit, path.Child("backoffLimit"), errors);
        WorkloadRules.NotNegative(spec.TtlSecondsAfterFinished, path.Child("ttlSecondsAfterFinished"), errors);
        WorkloadRules.NotNegative(spec.BackoffLimitPerIndex, path.Child("backoffLimitPerIndex"), errors);
        WorkloadRules.NotNegative(spec.MaxFailedIndexes, path.Child("maxFailedIndexes"), errors);
        if (spec is { MaxFailedIndexes: not null, BackoffLimitPerIndex: null })
            errors.Required(path.Child("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
        if (spec.ManagedBy is { } manager)
            ValidateManager(manager, path.Child("managedBy"), errors);
        if (spec.CompletionMode is { } mode && !CompletionModes.Contains(mode))
            errors.NotSupported(path.Child("completionMode"), mode, CompletionModes);
        if (spec.CompletionMode == CompletionMode.Indexed)
            ValidateIndexed(spec, path, errors);
        if (spec.CompletionMode is null or CompletionMode.NonIndexed)
        {
            if (spec.BackoffLimitPerIndex is not null)
                errors.Invalid(path.Child("backoffLimitPerIndex"), spec.BackoffLimitPerIndex, "requires indexed completion mode");
            if (spec.MaxFailedIndexes is not null)
                errors.Invalid(path.Child("maxFailedIndexes"), spec.MaxFailedIndexes, "requires indexed completion mode");
        }
        if (spec.PodFailurePolicy is { } failure)
            ValidateFailurePolicy(failure, spec, path.Child("podFailurePolicy").Child("rules"), errors);
        if (spec.SuccessPolicy is { } success)
        {
            if (spec.CompletionMode == CompletionMode.Indexed)
                ValidateSuccessPolicy(success, spec.Completions ?? 0, path.Child("successPolicy").Child("rules"), errors);
            else
                errors.Invalid(path.Child("successPolicy"), new GoText(success.ToString()), "requires indexed completion mode");
        }
        if (spec.PodReplacementPolicy is { } replacement)
        {
            var supported = spec.PodFailurePolicy is null ? ReplacementPolicies : [PodReplacementPolicy.Failed];
            if (!supported.Contains(replacement))
                errors.NotSupported(path.Child("podReplacementPolicy"), replacement, supported);
        }
        PodRules.ValidateTemplate(spec.Template, path.Child("template"), errors);
        ValidateRestartPolicy(spec, path.Child("template").Child("spec").Child("restartPolicy"), errors);
    }

    private static void ValidateRestartPolicy(JobSpec spec, FieldPath path, FieldErrors errors)
    {
        var policy = spec.Template.Spec.RestartPolicy;
        if (policy is "" or RestartPolicy.Always)
            errors.Required(path, "valid values: \"OnFailure\", \"Never\"");
        else if (!RestartPolicies.Contains(policy))
            errors.NotSupported(path, policy, RestartPolicies);
        else if (spec.PodFailurePolicy is not null && policy != RestartPolicy.Never)
            errors.Invalid(path, policy, "only \"Never\" is supported when podFailurePolicy is specified");
    }

    /// <summary>Who else may act on the Job: <c>example.com/controller</c>. (IsDomainPrefixedPath)</summary>
    private static void ValidateManager(string manager, FieldPath path, FieldErrors errors)
    {
        var slash = manager.IndexOf('/', StringComparison.Ordinal);
        if (manager.Length == 0)
        {
            errors.Required(path);
        }
        else if (slash <= 0 || slash == manager.Length - 1)
        {
            errors.Invalid(path, manager, "must be a domain-prefixed path (such as \"acme.io/foo\")");
        }
        else
        {
            PodRules.Each(Names.Dns1123Subdomain(manager[..slash]), path, manager[..slash], errors);
            if (!HttpPathPattern().IsMatch(manager[(slash + 1)..]))
                errors.Invalid(path, manager[(slash + 1)..], $"Invalid path (regex used for validation is '{HttpPath}')");
        }
        if (manager.Length > MaxManagedByLength)
            errors.TooLong(path, MaxManagedByLength);
    }

    private static void ValidateIndexed(JobSpec spec, FieldPath path, FieldErrors errors)
    {
        if (spec.Completions is null)
            errors.Required(path.Child("completions"), "when completion mode is Indexed");
        if (spec.Parallelism > MaxIndexedParallelism)
            errors.Invalid(path.Child("parallelism"), spec.Parallelism, $"must be less than or equal to {PodRules.Number(MaxIndexedParallelism)} when completion mode is Indexed");
        if (spec.MaxFailedIndexes > spec.Completions)
            errors.Invalid(path.Child("maxFailedIndexes"), spec.MaxFailedIndexes, "must be less than or equal to completions");
        if (spec.MaxFailedIndexes > MaxFailedIndexes)
            errors.Invalid(path.Child("maxFailedIndexes"), spec.MaxFailedIndexes, $"must be less than or equal to {PodRules.Number(MaxFailedIndexes)}");
        if (spec is not { Completions: > ManyCompletions, BackoffLimitPerIndex: not null })
            return;
        var why = $"must be less than or equal to {PodRules.Number(MaxForManyCompletions)} when completions are above {PodRules.Number(ManyCompletions)} and used with backoff limit per index";
        if (spec.MaxFailedIndexes is null)
            errors.Required(path.Child("maxFailedIndexes"), $"must be specified when completions is above {PodRules.Number(ManyCompletions)}");
        if (spec.Parallelism > MaxForManyCompletions)
            errors.Invalid(path.Child("parallelism"), spec.Parallelism, why);
        if (spec.MaxFailedIndexes > MaxForManyCompletions)
            errors.Invalid(path.Child("maxFailedIndexes"), spec.MaxFailedIndexes, why);
    }

    private static void ValidateFailurePolicy(PodFailurePolicy policy, JobSpec spec, FieldPath path, FieldErrors errors)
    {
        if (policy.Rules.Count > MaxFailureRules)
            errors.TooMany(path, policy.Rules.Count, MaxFailureRules);
        var containers = spec.Template.Spec.Containers.Concat(spec.Template.Spec.InitContainers).Select(container => container.Name).ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < policy.Rules.Count; i++)
        {
            var (rule, at) = (policy.Rules[i], path.Index(i));
            if (rule.Action.Length == 0)
                errors.Required(at.Child("action"), Valid(Actions));
            else if (rule.Action == PodFailurePolicyAction.FailIndex && spec.BackoffLimitPerIndex is null)
                errors.Invalid(at.Child("action"), rule.Action, "requires the backoffLimitPerIndex to be set");
            else if (!Actions.Contains(rule.Action))
                errors.NotSupported(at.Child("action"), rule.Action, Actions);
            if (rule.OnExitCodes is { } codes)
                ValidateExitCodes(codes, containers, at.Child("onExitCodes"), errors);
            if (!rule.OnPodConditions.IsEmpty)
                ValidateConditions(rule.OnPodConditions, at.Child("onPodConditions"), errors);
            if (rule.OnExitCodes is not null && !rule.OnPodConditions.IsEmpty)
                errors.InvalidWithoutValue(at, "specifying both OnExitCodes and OnPodConditions is not supported");
            if (rule.OnExitCodes is null && rule.OnPodConditions.IsEmpty)
                errors.InvalidWithoutValue(at, "specifying one of OnExitCodes and OnPodConditions is required");
        }
    }

    private static void ValidateConditions(ApiList<PodFailurePolicyOnPodConditionsPattern> patterns, FieldPath path, FieldErrors errors)
    {
        if (patterns.Count > MaxConditions)
            errors.TooMany(path, patterns.Count, MaxConditions);
        for (var i = 0; i < patterns.Count; i++)
        {
            var (pattern, at) = (patterns[i], path.Index(i));
            PodRules.Each(Names.QualifiedName(pattern.Type), at.Child("type"), pattern.Type, errors);
            if (pattern.Status.Length == 0)
                errors.Required(at.Child("status"), Valid(Statuses));
            else if (!Statuses.Contains(pattern.Status))
                errors.NotSupported(at.Child("status"), pattern.Status, Statuses);
        }
    }

    private static void ValidateExitCodes(PodFailurePolicyOnExitCodesRequirement codes, HashSet<string> containers, FieldPath path, FieldErrors errors)
    {
        if (codes.Operator.Length == 0)
            errors.Required(path.Child("operator"), Valid(Operators));
        else if (!Operators.Contains(codes.Operator))
            errors.NotSupported(path.Child("operator"), codes.Operator, Operators);
        if (codes.ContainerName is { } container && !containers.Contains(container))
            errors.Invalid(path.Child("containerName"), container, "must be one of the container or initContainer names in the pod template");
        var values = path.Child("values");
        var shown = new GoText(codes.Values.IsNull ? "[]int32(nil)" : $"[]int32{{{string.Join(", ", codes.Values.Select(value => PodRules.Number(value)))}}}");
        if (codes.Values.IsEmpty)
            errors.Invalid(values, shown, "at least one value is required");
        else if (codes.Values.Count > MaxExitCodes)
            errors.TooMany(values, codes.Values.Count, MaxExitCodes);
        var (seen, isOrdered) = (new HashSet<int>(), true);
        for (var i = 0; i < codes.Values.Count; i++)
        {
            var code = codes.Values[i];
            if (codes.Operator == PodFailurePolicyOnExitCodesOperator.In && code == 0)
                errors.Invalid(values.Index(i), code, "must not be 0 for the In operator");
            if (!seen.Add(code))
                errors.Duplicate(values.Index(i), code);
            isOrdered &= i == 0 || codes.Values[i - 1] <= code;
        }
        if (!isOrdered)
            errors.Invalid(values, shown, "must be ordered");
    }

    private static void ValidateSuccessPolicy(SuccessPolicy policy, int completions, FieldPath path, FieldErrors errors)
    {
        if (policy.Rules.IsEmpty)
            errors.Required(path, "at least one rules must be specified when the successPolicy is specified");
        if (policy.Rules.Count > MaxSuccessRules)
            errors.TooMany(path, policy.Rules.Count, MaxSuccessRules);
        for (var i = 0; i < policy.Rules.Count; i++)
        {
            var (rule, at) = (policy.Rules[i], path.Index(i));
            if (rule.SucceededCount is null && rule.SucceededIndexes is null)
                errors.Required(at, "at least one of succeededCount or succeededIndexes must be specified");
            var total = 0;
            if (rule.SucceededIndexes is { } indexes)
            {
                if (indexes.Length > MaxIndexesLength)
                    errors.TooLong(at.Child("succeededIndexes"), MaxIndexesLength);
                if (JobIndexes.TryCount(indexes, completions, out total) is { } wrong)
                    errors.Invalid(at.Child("succeededIndexes"), indexes, $"error parsing succeededIndexes: {wrong}");
            }
            if (rule.SucceededCount is not { } count)
                continue;
            WorkloadRules.NotNegative(count, at.Child("succeededCount"), errors);
            if (count > completions)
                errors.Invalid(at.Child("succeededCount"), count, $"must be less than or equal to {PodRules.Number(completions)} (the number of specified completions)");
            if (rule.SucceededIndexes is not null && count > total)
                errors.Invalid(at.Child("succeededCount"), count, $"must be less than or equal to {PodRules.Number(total)} (the number of indexes in the specified succeededIndexes field)");
        }
    }

    private static string Valid(string[] values) => $"valid values: [{string.Join(' ', values.Select(FieldErrors.Quote))}]";

    private const string HttpPath = @"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+";

    [GeneratedRegex(@"\A" + HttpPath + @"\z", RegexOptions.CultureInvariant)]
    private static partial Regex HttpPathPattern();
}
