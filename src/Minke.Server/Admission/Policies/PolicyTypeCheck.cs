using Minke.Api;
using Minke.Api.Admissionregistration.V1;
using Minke.Cel;
using Minke.Server.Registry;

namespace Minke.Server.Admission.Policies;

/// <summary>Checks a policy's expressions against the kinds that its rules name. What is found are warnings: the policy holds all the same.</summary>
internal sealed class PolicyTypeCheck(ResourceCatalog catalog)
{
    private const int MaxTypes = 10;

    public ApiList<ExpressionWarning> Check(ValidatingAdmissionPolicySpec spec)
    {
        var warnings = new List<ExpressionWarning>();
        var kinds = KindsOf(spec);
        for (var i = 0; i < spec.Validations.Count; i++)
        {
            Check(spec, kinds, $"spec.validations[{i}].expression", spec.Validations[i].Expression, warnings);
            if (spec.Validations[i].MessageExpression.Length > 0)
                Check(spec, kinds, $"spec.validations[{i}].messageExpression", spec.Validations[i].MessageExpression, warnings);
        }
        return warnings.ToApiList();
    }

    private static void Check(ValidatingAdmissionPolicySpec spec, List<Resource> kinds, string path, string text, List<ExpressionWarning> warnings)
    {
        var found = new List<string>();
        foreach (var resource in kinds)
        {
            if (ObjectTypes.Of(resource) is not { } type)
                continue;
            var environments = PolicyVariables.Compile(spec, _ => CelLanguage.StoredExpressions, (_, _) => { }, type);
            var compilation = environments(CelLanguage.StoredExpressions).Compile(text);
            if (compilation.Program is null)
                found.Add($"{resource.Kind.Group}/{resource.Kind.Version}, Kind={resource.Kind.Kind}: {compilation.ErrorText}\n");
        }
        if (found.Count > 0)
            warnings.Add(new ExpressionWarning { FieldRef = path, Warning = string.Join('\n', found) });
    }

    /// <summary>Rules with a wildcard name no kind in particular; subresources have other types.</summary>
    private List<Resource> KindsOf(ValidatingAdmissionPolicySpec spec)
    {
        var found = new List<Resource>();
        foreach (var rule in spec.MatchConstraints?.ResourceRules ?? [])
        {
            if (rule.ApiGroups.Any(IsWild) || rule.ApiVersions.Any(IsWild))
                continue;
            foreach (var group in rule.ApiGroups.Order(StringComparer.Ordinal))
            {
                foreach (var version in rule.ApiVersions.Order(StringComparer.Ordinal))
                {
                    found.AddRange(rule.Resources.Order(StringComparer.Ordinal).Where(name => !IsWild(name) && !name.Contains('/', StringComparison.Ordinal))
                        .Select(name => catalog.Find(group, version, name)).OfType<Resource>());
                }
            }
        }
        return [.. found.Distinct().Take(MaxTypes).OrderBy(one => one.Kind.Group, StringComparer.Ordinal).ThenBy(one => one.Kind.Version, StringComparer.Ordinal)
            .ThenBy(one => one.Kind.Kind, StringComparer.Ordinal)];
    }

    private static bool IsWild(string name) => name.Contains('*', StringComparison.Ordinal);
}
