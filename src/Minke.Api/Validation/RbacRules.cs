using Minke.Api.Rbac.V1;

namespace Minke.Api;

/// <summary>What roles and bindings share: rules, subjects, the role that a binding names. (pkg/apis/rbac/validation)</summary>
internal static class RbacRules
{
    private const string Group = "rbac.authorization.k8s.io";
    private static readonly string[] SubjectKinds = ["ServiceAccount", "User", "Group"];

    public static RoleRef Default(RoleRef role) => role.ApiGroup.Length > 0 ? role : role with { ApiGroup = Group };

    public static Subject Default(Subject subject) =>
        subject.ApiGroup.Length == 0 && subject.Kind is "User" or "Group" ? subject with { ApiGroup = Group } : subject;

    public static void ValidateRules(ApiList<PolicyRule> rules, bool isNamespaced, FieldErrors errors)
    {
        for (var i = 0; i < rules.Count; i++)
            ValidateRule(rules[i], isNamespaced, new FieldPath("rules").Index(i), errors);
    }

    public static void ValidateAggregation(AggregationRule aggregation, FieldPath path, FieldErrors errors)
    {
        var selectors = path.Child("clusterRoleSelectors");
        if (aggregation.ClusterRoleSelectors.IsEmpty)
            errors.Required(selectors, "at least one clusterRoleSelector required if aggregationRule is non-nil");
        for (var i = 0; i < aggregation.ClusterRoleSelectors.Count; i++)
            SchedulingRules.ValidateLabelSelector(aggregation.ClusterRoleSelectors[i], selectors.Index(i), errors);
    }

    public static void ValidateBinding(RoleRef role, string[] kinds, ApiList<Subject> subjects, bool isNamespaced, FieldErrors errors)
    {
        if (role.ApiGroup != Group)
            errors.NotSupported("roleRef.apiGroup", role.ApiGroup, [Group]);
        if (!kinds.Contains(role.Kind))
            errors.NotSupported("roleRef.kind", role.Kind, kinds);
        if (role.Name.Length == 0)
            errors.Required("roleRef.name");
        else
            PodRules.Each(Names.PathSegment(role.Name), "roleRef.name", role.Name, errors);
        for (var i = 0; i < subjects.Count; i++)
            ValidateSubject(subjects[i], isNamespaced, new FieldPath("subjects").Index(i), errors);
    }

    /// <summary>Who may bind one role may not be able to bind another, so a binding stays with its role.</summary>
    public static void ValidateSameRole(RoleRef role, RoleRef old, FieldErrors errors)
    {
        if (Json.Same(role, old))
            return;
        var shown = $"rbac.RoleRef{{APIGroup:{FieldErrors.Quote(role.ApiGroup)}, Kind:{FieldErrors.Quote(role.Kind)}, Name:{FieldErrors.Quote(role.Name)}}}";
        errors.Invalid("roleRef", new GoText(shown), "cannot change roleRef");
    }

    private static void ValidateRule(PolicyRule rule, bool isNamespaced, FieldPath path, FieldErrors errors)
    {
        if (rule.Verbs.IsEmpty)
            errors.Required(path.Child("verbs"), "verbs must contain at least one value");
        if (!rule.NonResourceURLs.IsEmpty)
        {
            if (isNamespaced)
                errors.Invalid(path.Child("nonResourceURLs"), rule.NonResourceURLs, "namespaced rules cannot apply to non-resource URLs");
            if (!rule.ApiGroups.IsEmpty || !rule.Resources.IsEmpty || !rule.ResourceNames.IsEmpty)
                errors.Invalid(path.Child("nonResourceURLs"), rule.NonResourceURLs, "rules cannot apply to both regular resources and non-resource URLs");
            return;
        }
        if (rule.ApiGroups.IsEmpty)
            errors.Required(path.Child("apiGroups"), "resource rules must supply at least one api group");
        if (rule.Resources.IsEmpty)
            errors.Required(path.Child("resources"), "resource rules must supply at least one resource");
    }

    private static void ValidateSubject(Subject subject, bool isNamespaced, FieldPath path, FieldErrors errors)
    {
        if (subject.Name.Length == 0)
            errors.Required(path.Child("name"));
        switch (subject.Kind)
        {
            case "ServiceAccount":
                if (subject.Name.Length > 0)
                    PodRules.Each(Names.Dns1123Subdomain(subject.Name), path.Child("name"), subject.Name, errors);
                if (subject.ApiGroup.Length > 0)
                    errors.NotSupported(path.Child("apiGroup"), subject.ApiGroup, [""]);
                if (!isNamespaced && subject.Namespace.Length == 0)
                    errors.Required(path.Child("namespace"));
                break;
            case "User" or "Group":
                if (subject.Name.Length == 0)
                    errors.Invalid(path.Child("name"), subject.Name, subject.Kind == "User" ? "user name cannot be empty" : "group name cannot be empty");
                if (subject.ApiGroup != Group)
                    errors.NotSupported(path.Child("apiGroup"), subject.ApiGroup, [Group]);
                break;
            default:
                errors.NotSupported(path.Child("kind"), subject.Kind, SubjectKinds);
                break;
        }
    }
}
