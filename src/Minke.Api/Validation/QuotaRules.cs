using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a ResourceQuota may limit, and where. (ValidateResourceQuotaSpec)</summary>
internal static class QuotaRules
{
    private static readonly string[] Scopes =
    [
        ResourceQuotaScope.Terminating, ResourceQuotaScope.NotTerminating, ResourceQuotaScope.BestEffort, ResourceQuotaScope.NotBestEffort,
        ResourceQuotaScope.PriorityClass, ResourceQuotaScope.CrossNamespacePodAffinity,
    ];

    private static readonly string[] Computed = ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];

    private static readonly (string One, string Other)[] Conflicts =
        [(ResourceQuotaScope.BestEffort, ResourceQuotaScope.NotBestEffort), (ResourceQuotaScope.Terminating, ResourceQuotaScope.NotTerminating)];

    public static void ValidateSpec(ResourceQuotaSpec spec, FieldPath path, FieldErrors errors)
    {
        ValidateAmounts(spec.Hard, path.Child("hard"), errors);
        ValidateScopes(spec, path.Child("scopes"), errors);
        if (spec.ScopeSelector is { } selector)
            ValidateSelector(selector, spec, path.Child("scopeSelector").Child("matchExpressions"), errors);
    }

    public static void ValidateStatus(ResourceQuotaStatus status, FieldPath path, FieldErrors errors)
    {
        ValidateAmounts(status.Hard, path.Child("hard"), errors);
        ValidateAmounts(status.Used, path.Child("used"), errors);
    }

    /// <summary>As Go prints them.</summary>
    public static GoText Show(ApiList<string> scopes) => new("[]core.ResourceQuotaScope" + (scopes.IsNull ? "(nil)" : $"{{{string.Join(", ", scopes.Select(FieldErrors.Quote))}}}"));

    private static void ValidateAmounts(ApiMap<Quantity> amounts, FieldPath path, FieldErrors errors)
    {
        foreach (var (name, amount) in amounts)
        {
            ResourceRules.ValidateQuotaName(name, path.Key(name), errors);
            ResourceRules.ValidateAmount(name, amount, path.Key(name), errors);
        }
    }

    private static void ValidateScopes(ResourceQuotaSpec spec, FieldPath path, FieldErrors errors)
    {
        foreach (var scope in spec.Scopes)
        {
            if (!Scopes.Contains(scope))
                errors.Invalid(path, Show(spec.Scopes), "unsupported scope");
            foreach (var _ in Unscoped(scope, spec.Hard))
                errors.Invalid(path, Show(spec.Scopes), "unsupported scope applied to resource");
        }
        ValidateTogether(spec.Scopes, spec, path, errors);
    }

    private static void ValidateSelector(ScopeSelector selector, ResourceQuotaSpec spec, FieldPath path, FieldErrors errors)
    {
        foreach (var requirement in selector.MatchExpressions)
        {
            if (!Scopes.Contains(requirement.ScopeName))
                errors.Invalid(path.Child("scopeName"), requirement.ScopeName, "unsupported scope");
            foreach (var _ in Unscoped(requirement.ScopeName, spec.Hard))
                errors.Invalid(path, Show(selector), "unsupported scope applied to resource");
            // The missing letter is upstream's.
            if (requirement is { ScopeName: not ResourceQuotaScope.PriorityClass, Operator: not ScopeSelectorOperator.Exists } && Scopes.Contains(requirement.ScopeName))
            {
                errors.Invalid(path.Child("operator"), requirement.Operator, "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
                    + "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
            }
            ValidateOperator(requirement, path, errors);
        }
        ValidateTogether(selector.MatchExpressions.Select(requirement => requirement.ScopeName), spec, path, errors);
    }

    private static void ValidateOperator(ScopedResourceSelectorRequirement requirement, FieldPath path, FieldErrors errors)
    {
        switch (requirement.Operator)
        {
            case ScopeSelectorOperator.In or ScopeSelectorOperator.NotIn:
                if (requirement.Values.IsEmpty)
                    errors.Required(path.Child("values"), "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
                break;
            case ScopeSelectorOperator.Exists or ScopeSelectorOperator.DoesNotExist:
                if (!requirement.Values.IsEmpty)
                    errors.Invalid(path.Child("values"), requirement.Values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
                break;
            default:
                errors.Invalid(path.Child("operator"), requirement.Operator, "not a valid selector operator");
                break;
        }
    }

    // What is told is the scopes of the spec, for selectors too: upstream's slip.
    private static void ValidateTogether(IEnumerable<string> scopes, ResourceQuotaSpec spec, FieldPath path, FieldErrors errors)
    {
        var all = scopes.ToHashSet(StringComparer.Ordinal);
        foreach (var (one, other) in Conflicts)
        {
            if (all.Contains(one) && all.Contains(other))
                errors.Invalid(path, Show(spec.Scopes), "conflicting scopes");
        }
    }

    /// <summary>Resources that a scope knows nothing of.</summary>
    private static IEnumerable<string> Unscoped(string scope, ApiMap<Quantity> hard) => hard.Keys.Where(name => ResourceRules.IsStandardQuota(name) && !(scope switch
    {
        ResourceQuotaScope.BestEffort => name == "pods",
        _ when Scopes.Contains(scope) => name == "pods" || Computed.Contains(name),
        _ => true,
    }));

    private static GoText Show(ScopeSelector selector) => new("core.ScopeSelector{MatchExpressions:[]core.ScopedResourceSelectorRequirement{" + string.Join(", ",
        selector.MatchExpressions.Select(one => $"core.ScopedResourceSelectorRequirement{{ScopeName:{FieldErrors.Quote(one.ScopeName)}, "
            + $"Operator:{FieldErrors.Quote(one.Operator)}, Values:{GoText.Of(one.Values)}}}")) + "}}");
}
