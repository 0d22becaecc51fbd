using Minke.Api.Admissionregistration.V1;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>What both kinds of admission webhooks have.</summary>
internal sealed record AdmissionHook(
    string Name, WebhookClientConfig Client, ApiList<RuleWithOperations> Rules, string? FailurePolicy, string? MatchPolicy, LabelSelector? NamespaceSelector,
    LabelSelector? ObjectSelector, string? SideEffects, int? TimeoutSeconds, ApiList<string> ReviewVersions, string? ReinvocationPolicy, ApiList<MatchCondition> Conditions)
{
    public static AdmissionHook Of(ValidatingWebhook hook) => new(
        hook.Name, hook.ClientConfig, hook.Rules, hook.FailurePolicy, hook.MatchPolicy, hook.NamespaceSelector, hook.ObjectSelector,
        hook.SideEffects, hook.TimeoutSeconds, hook.AdmissionReviewVersions, null, hook.MatchConditions);

    public static AdmissionHook Of(MutatingWebhook hook) => new(
        hook.Name, hook.ClientConfig, hook.Rules, hook.FailurePolicy, hook.MatchPolicy, hook.NamespaceSelector, hook.ObjectSelector,
        hook.SideEffects, hook.TimeoutSeconds, hook.AdmissionReviewVersions, hook.ReinvocationPolicy, hook.MatchConditions);
}

/// <summary>Webhooks of admission but for what their expressions mean. (pkg/apis/admissionregistration/validation)</summary>
internal static class AdmissionHookRules
{
    private static readonly string[] FailurePolicies = ["Fail", "Ignore"];
    private static readonly string[] NoSideEffects = ["None", "NoneOnDryRun"];
    private static readonly string[] AnySideEffects = ["None", "NoneOnDryRun", "Some", "Unknown"];
    private static readonly string[] ReviewVersions = ["v1", "v1beta1"];
    private static readonly string[] ReinvocationPolicies = ["IfNeeded", "Never"];

    /// <summary>What was wrong before an update may stay wrong.</summary>
    public static void Validate(AdmissionHook[] hooks, AdmissionHook[]? old, FieldErrors errors)
    {
        var sideEffects = old is null || old.All(hook => NoSideEffects.Contains(hook.SideEffects)) ? NoSideEffects : AnySideEffects;
        var needsKnownVersion = old is null || old.All(hook => hook.ReviewVersions.IsEmpty || hook.ReviewVersions.Any(ReviewVersions.Contains));
        var needsUniqueNames = old is null || old.Select(hook => hook.Name).Distinct(StringComparer.Ordinal).Count() == old.Length;
        var areConditionsNew = old is null || old.Length != hooks.Length || old.Zip(hooks).Any(pair =>
            pair.First.Conditions.Count != pair.Second.Conditions.Count || pair.First.Conditions.Zip(pair.Second.Conditions).Any(both => !Json.Same(both.First, both.Second)));
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < hooks.Length; i++)
        {
            var (hook, at) = (hooks[i], new FieldPath("webhooks").Index(i));
            ValidateHook(hook, sideEffects, areConditionsNew, at, errors);
            ValidateVersions(hook.ReviewVersions, needsKnownVersion, at.Child("admissionReviewVersions"), errors);
            if (needsUniqueNames && hook.Name.Length > 0 && !names.Add(hook.Name))
                errors.Duplicate(at.Child("name"), hook.Name);
        }
    }

    private static void ValidateHook(AdmissionHook hook, string[] sideEffects, bool areConditionsNew, FieldPath path, FieldErrors errors)
    {
        FullyQualified(hook.Name, path.Child("name"), errors);
        for (var i = 0; i < hook.Rules.Count; i++)
            AdmissionRules.ValidateRule(hook.Rules[i].Operations, hook.Rules[i].ApiGroups, hook.Rules[i].ApiVersions, hook.Rules[i].Resources, hook.Rules[i].Scope, path.Child("rules").Index(i), errors);
        OneOf(hook.FailurePolicy, FailurePolicies, path.Child("failurePolicy"), errors);
        OneOf(hook.MatchPolicy, AdmissionRules.MatchPolicies, path.Child("matchPolicy"), errors);
        if (hook.SideEffects is null)
            errors.Required(path.Child("sideEffects"), "must specify one of " + string.Join(", ", sideEffects));
        OneOf(hook.SideEffects, sideEffects, path.Child("sideEffects"), errors);
        if (hook.TimeoutSeconds is < 1 or > 30)
            errors.Invalid(path.Child("timeoutSeconds"), hook.TimeoutSeconds, "the timeout value must be between 1 and 30 seconds");
        SchedulingRules.ValidateLabelSelector(hook.NamespaceSelector, path.Child("namespaceSelector"), errors);
        SchedulingRules.ValidateLabelSelector(hook.ObjectSelector, path.Child("objectSelector"), errors);
        OneOf(hook.ReinvocationPolicy, ReinvocationPolicies, path.Child("reinvocationPolicy"), errors);
        var client = path.Child("clientConfig");
        if (hook.Client.Url is null == hook.Client.Service is null)
            errors.Required(client, "exactly one of url or service is required");
        else if (hook.Client.Url is { } url)
            WebhookRules.ValidateUrl(url, client.Child("url"), errors);
        else if (hook.Client.Service is { } service)
            // Upstream hands name and namespace over in the wrong order, so what it misses has the other's name.
            WebhookRules.ValidateService(service.Name, service.Namespace, service.Path, service.Port ?? 0, client.Child("service"), errors);
        if (areConditionsNew)
            AdmissionRules.ValidateConditions(hook.Conditions, path.Child("matchConditions"), errors);
    }

    private static void ValidateVersions(ApiList<string> versions, bool needsKnown, FieldPath path, FieldErrors errors)
    {
        if (versions.IsEmpty)
        {
            errors.Required(path, "must specify one of " + string.Join(", ", ReviewVersions));
            return;
        }
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < versions.Count; i++)
        {
            if (!seen.Add(versions[i]))
                errors.Invalid(path.Index(i), versions[i], "duplicate version");
            else
                PodRules.Each(Names.Dns1035Label(versions[i]), path.Index(i), versions[i], errors);
        }
        if (needsKnown && !versions.Any(ReviewVersions.Contains))
            errors.Invalid(path, versions, "must include at least one of " + string.Join(", ", ReviewVersions));
    }

    /// <summary>A domain with at least three parts. (IsFullyQualifiedName)</summary>
    private static void FullyQualified(string name, FieldPath path, FieldErrors errors)
    {
        if (name.Length == 0)
        {
            errors.Required(path);
            return;
        }
        var wrong = string.Join(',', Names.Dns1123Subdomain(name));
        if (wrong.Length > 0)
            errors.Invalid(path, name, wrong);
        else if (name.Split('.').Length < 3)
            errors.Invalid(path, name, "should be a domain with at least three segments separated by dots");
    }

    private static void OneOf(string? value, string[] supported, FieldPath path, FieldErrors errors)
    {
        if (value is not null && !supported.Contains(value))
            errors.NotSupported(path, value, supported);
    }
}
