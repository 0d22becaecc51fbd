using Minke.Api.Admissionregistration.V1;

namespace Minke.Api;

/// <summary>Which requests webhooks and policies are asked about. (pkg/apis/admissionregistration/validation)</summary>
internal static class AdmissionRules
{
    private const int MaxConditions = 64;
    public static readonly string[] MatchPolicies = ["Equivalent", "Exact"];
    private static readonly string[] Operations = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    private static readonly string[] Scopes = ["*", "Cluster", "Namespaced"];

    public static void ValidateRule(
        ApiList<string> operations, ApiList<string> groups, ApiList<string> versions, ApiList<string> resources, string? scope, FieldPath path, FieldErrors errors)
    {
        var at = path.Child("operations");
        if (operations.IsEmpty)
            errors.Required(at);
        if (operations.Count > 1 && operations.Contains("*"))
        {
            errors.Invalid(at, new GoText($"[]admissionregistration.OperationType{{{string.Join(", ", operations.Select(FieldErrors.Quote))}}}"),
                "if '*' is present, must not specify other operations");
        }
        for (var i = 0; i < operations.Count; i++)
        {
            if (!Operations.Contains(operations[i]))
                errors.NotSupported(at.Index(i), operations[i], Operations);
        }
        Star(groups, "API groups", path.Child("apiGroups"), errors);
        Star(versions, "API versions", path.Child("apiVersions"), errors);
        for (var i = 0; i < versions.Count; i++)
        {
            if (versions[i].Length == 0)
                errors.Required(path.Child("apiVersions").Index(i));
        }
        ValidateResources(resources, path.Child("resources"), errors);
        if (scope is not null && !Scopes.Contains(scope))
            errors.NotSupported(path.Child("scope"), scope, Scopes);
    }

    public static void ValidateConditions(ApiList<MatchCondition> conditions, FieldPath path, FieldErrors errors)
    {
        if (conditions.Count > MaxConditions)
            errors.TooMany(path, conditions.Count, MaxConditions);
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < conditions.Count; i++)
        {
            var (condition, at) = (conditions[i], path.Index(i));
            if (string.IsNullOrWhiteSpace(condition.Expression))
                errors.Required(at.Child("expression"));
            if (condition.Name.Length == 0)
                errors.Required(at.Child("name"));
            else
                PodRules.Each(Names.QualifiedName(condition.Name), at.Child("name"), condition.Name, errors);
            if (condition.Name.Length > 0 && !names.Add(condition.Name))
                errors.Duplicate(at.Child("name"), condition.Name);
        }
    }

    public static void ValidateMatch(MatchResources? match, FieldPath path, FieldErrors errors)
    {
        if (match is null)
            return;
        if (match.MatchPolicy is null)
            errors.Required(path.Child("matchPolicy"));
        else if (!MatchPolicies.Contains(match.MatchPolicy))
            errors.NotSupported(path.Child("matchPolicy"), match.MatchPolicy, MatchPolicies);
        if (match.NamespaceSelector is null)
            errors.Required(path.Child("namespaceSelector"));
        SchedulingRules.ValidateLabelSelector(match.NamespaceSelector, path.Child("namespaceSelector"), errors);
        if (match.ObjectSelector is null)
            errors.Required(path.Child("objectSelector"));
        SchedulingRules.ValidateLabelSelector(match.ObjectSelector, path.Child("objectSelector"), errors);
        for (var i = 0; i < match.ResourceRules.Count; i++)
            ValidateNamed(match.ResourceRules[i], path.Child("resourceRules").Index(i), errors);
        for (var i = 0; i < match.ExcludeResourceRules.Count; i++)
            ValidateNamed(match.ExcludeResourceRules[i], path.Child("excludeResourceRules").Index(i), errors);
    }

    private static void ValidateNamed(NamedRuleWithOperations rule, FieldPath path, FieldErrors errors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < rule.ResourceNames.Count; i++)
        {
            var at = path.Child("resourceNames").Index(i);
            PodRules.Each(Names.PathSegment(rule.ResourceNames[i]), at, rule.ResourceNames[i], errors);
            if (!names.Add(rule.ResourceNames[i]))
                errors.Duplicate(at, rule.ResourceNames[i]);
        }
        ValidateRule(rule.Operations, rule.ApiGroups, rule.ApiVersions, rule.Resources, rule.Scope, path, errors);
    }

    private static void Star(ApiList<string> values, string what, FieldPath path, FieldErrors errors)
    {
        if (values.IsEmpty)
            errors.Required(path);
        if (values.Count > 1 && values.Contains("*"))
            errors.Invalid(path, values, $"if '*' is present, must not specify other {what}");
    }

    private static void ValidateResources(ApiList<string> resources, FieldPath path, FieldErrors errors)
    {
        if (resources.IsEmpty)
            errors.Required(path);
        var (whole, everywhere) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
        var hasPlain = false;
        for (var i = 0; i < resources.Count; i++)
        {
            var (text, at) = (resources[i], path.Index(i));
            if (text.Length == 0)
            {
                errors.Required(at);
                continue;
            }
            if (text.Split('/', 2) is not [var resource, var sub])
            {
                // The last one decides: upstream's slip.
                hasPlain = text != "*";
                continue;
            }
            if (whole.Contains(resource))
                errors.Invalid(at, text, $"if '{resource}/*' is present, must not specify {text}");
            if (everywhere.Contains(sub))
                errors.Invalid(at, text, $"if '*/{sub}' is present, must not specify {text}");
            if (sub == "*")
                whole.Add(resource);
            if (resource == "*")
                everywhere.Add(sub);
        }
        if (resources.Count > 1 && resources.Contains("*/*"))
            errors.Invalid(path, resources, "if '*/*' is present, must not specify other resources");
        if (resources.Contains("*") && hasPlain)
            errors.Invalid(path, resources, "if '*' is present, must not specify other resources without subresources");
    }
}
