using System.Text.RegularExpressions;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>What the kinds that make pods have in common: selectors that match their template, numbers or percentages. (pkg/apis/apps/validation)</summary>
internal static partial class WorkloadRules
{
    public const string NegativeMessage = "must be greater than or equal to 0";
    private const string PercentMessage =
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";

    /// <summary>Of an absent value there is nothing to say.</summary>
    public static void NotNegative(long? value, FieldPath path, FieldErrors errors)
    {
        if (value is < 0)
            errors.Invalid(path, value, NegativeMessage);
    }

    public static void ValidateMetadata(ObjectMeta metadata, ObjectMeta? old, FieldErrors errors)
    {
        if (old is null)
            ObjectMetaRules.Validate(metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        else
            ObjectMetaRules.ValidateUpdate(metadata, old, errors);
    }

    /// <summary>False when nothing can be selected with it, so that there is no point in comparing it with the template.</summary>
    /// <param name="kind">As upstream names it in "empty selector is invalid for KIND".</param>
    public static bool ValidateSelector(LabelSelector? selector, string kind, FieldPath path, FieldErrors errors)
    {
        if (selector is null)
        {
            errors.Required(path);
            return true;
        }
        var before = errors.Count;
        SchedulingRules.ValidateLabelSelector(selector, path, errors);
        var isFine = errors.Count == before;
        if (IsEmpty(selector))
            errors.Invalid(path, Show(selector), $"empty selector is invalid for {kind}");
        return isFine;
    }

    /// <summary>The rules of a template whose pods run for ever. (ValidatePodTemplateSpecForReplicaSet)</summary>
    public static void ValidateTemplate(PodTemplateSpec template, LabelSelector? selector, FieldPath path, FieldErrors errors)
    {
        Matches(template, selector, path, errors);
        PodRules.ValidateTemplate(template, path, errors);
        RunsForEver(template.Spec, "ReplicaSet", path.Child("spec"), errors);
    }

    /// <summary>An empty selector matches any template; the absent one matches none.</summary>
    public static void Matches(PodTemplateSpec template, LabelSelector? selector, FieldPath path, FieldErrors errors)
    {
        if (!LabelSelectors.Matches(selector, template.Metadata.Labels))
            errors.Invalid(path.Child("metadata").Child("labels"), template.Metadata.Labels, "`selector` does not match template `labels`");
    }

    public static void RunsForEver(PodSpec spec, string kind, FieldPath path, FieldErrors errors)
    {
        if (spec.RestartPolicy != RestartPolicy.Always)
            errors.NotSupported(path.Child("restartPolicy"), spec.RestartPolicy, [RestartPolicy.Always]);
        if (spec.ActiveDeadlineSeconds is not null)
            errors.Forbidden(path.Child("activeDeadlineSeconds"), $"activeDeadlineSeconds in {kind} is not Supported");
    }

    public static void SelectorStays(LabelSelector? selector, LabelSelector? old, FieldErrors errors)
    {
        if (!Json.Same(selector, old))
            errors.Invalid("spec.selector", Show(selector), "field is immutable");
    }

    public static void PositiveIntOrPercent(IntOrString value, FieldPath path, FieldErrors errors)
    {
        if (!value.IsText)
            NotNegative(value.Number, path, errors);
        else if (!IsPercent(value))
            errors.Invalid(path, GoText.Of(value), PercentMessage);
    }

    public static void AtMost100Percent(IntOrString value, FieldPath path, FieldErrors errors)
    {
        if (IsPercent(value) && ValueOf(value) > 100)
            errors.Invalid(path, GoText.Of(value), "must not be greater than 100%");
    }

    /// <summary>The number, with or without its percent sign; 0 for any other text.</summary>
    public static long ValueOf(IntOrString value) =>
        !value.IsText ? value.Number : long.TryParse(value.Text!.TrimEnd('%'), System.Globalization.CultureInfo.InvariantCulture, out var number) ? number : 0;

    public static bool IsEmpty(LabelSelector selector) => selector.MatchLabels.IsEmpty && selector.MatchExpressions.IsEmpty;

    /// <summary>A count of collisions only grows.</summary>
    public static void NotDecremented(int? count, int? old, FieldErrors errors)
    {
        if (old is not null && (count is null || count < old))
            errors.Invalid("status.collisionCount", count ?? 0, "cannot be decremented");
    }

    /// <summary>What a ReplicaSet and a ReplicationController may say of their pods. (ValidateReplicaSetStatus)</summary>
    public static void ValidateReplicas(int replicas, int labeled, int ready, int available, long observedGeneration, FieldPath path, FieldErrors errors)
    {
        const string above = "cannot be greater than status.replicas";
        NotNegative(replicas, path.Child("replicas"), errors);
        NotNegative(labeled, path.Child("fullyLabeledReplicas"), errors);
        NotNegative(ready, path.Child("readyReplicas"), errors);
        NotNegative(available, path.Child("availableReplicas"), errors);
        NotNegative(observedGeneration, path.Child("observedGeneration"), errors);
        NotAbove(labeled, replicas, path.Child("fullyLabeledReplicas"), above, errors);
        NotAbove(ready, replicas, path.Child("readyReplicas"), above, errors);
        NotAbove(available, replicas, path.Child("availableReplicas"), above, errors);
        NotAbove(available, ready, path.Child("availableReplicas"), "cannot be greater than readyReplicas", errors);
    }

    public static void NotAbove(long value, long limit, FieldPath path, string message, FieldErrors errors)
    {
        if (value > limit)
            errors.Invalid(path, value, message);
    }

    /// <summary>As Go prints it.</summary>
    public static GoText Show(LabelSelector? selector)
    {
        if (selector is null)
            return new("null");
        var labels = GoText.Of(selector.MatchLabels);
        var expressions = selector.MatchExpressions.IsNull
            ? "[]v1.LabelSelectorRequirement(nil)"
            : $"[]v1.LabelSelectorRequirement{{{string.Join(", ", selector.MatchExpressions.Select(one =>
                $"v1.LabelSelectorRequirement{{Key:{FieldErrors.Quote(one.Key)}, Operator:{FieldErrors.Quote(one.Operator)}, Values:{GoText.Of(one.Values)}}}"))}}}";
        return new($"v1.LabelSelector{{MatchLabels:{labels}, MatchExpressions:{expressions}}}");
    }

    private static bool IsPercent(IntOrString value) => value.IsText && PercentPattern().IsMatch(value.Text!);

    [GeneratedRegex(@"\A[0-9]+%\z", RegexOptions.CultureInvariant)]
    private static partial Regex PercentPattern();
}
