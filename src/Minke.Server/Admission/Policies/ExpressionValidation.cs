using Minke.Api;
using Minke.Api.Admissionregistration.V1;
using Minke.Cel;
using Minke.Cel.Types;

namespace Minke.Server.Admission.Policies;

/// <summary>
/// Expressions in policies and webhook configurations are compiled when they are written. What was stored before stays allowed, also if it could
/// not be written anew today.
/// </summary>
internal sealed class ExpressionValidation : IAdmission
{
    public ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Subresource.Length > 0)
            return default;
        var errors = new FieldErrors();
        switch (request.Object)
        {
            case ValidatingAdmissionPolicy policy:
                Policy(policy.Spec, (request.Old as ValidatingAdmissionPolicy)?.Spec, errors);
                break;
            case ValidatingWebhookConfiguration configuration:
                var validating = (request.Old as ValidatingWebhookConfiguration)?.Webhooks.SelectMany(webhook => webhook.MatchConditions);
                for (var i = 0; i < configuration.Webhooks.Count; i++)
                    Conditions(configuration.Webhooks[i].MatchConditions, validating, hasParams: false, $"webhooks[{i}].matchConditions", errors);
                break;
            case MutatingWebhookConfiguration configuration:
                var mutating = (request.Old as MutatingWebhookConfiguration)?.Webhooks.SelectMany(webhook => webhook.MatchConditions);
                for (var i = 0; i < configuration.Webhooks.Count; i++)
                    Conditions(configuration.Webhooks[i].MatchConditions, mutating, hasParams: false, $"webhooks[{i}].matchConditions", errors);
                break;
        }
        return errors.Count == 0 ? default : throw StatusException.Invalid(request.Kind, request.Name, errors);
    }

    private static void Policy(ValidatingAdmissionPolicySpec spec, ValidatingAdmissionPolicySpec? old, FieldErrors errors)
    {
        var hasParams = spec.ParamKind is not null;
        Conditions(spec.MatchConditions, old?.MatchConditions, hasParams, "spec.matchConditions", errors);

        var known = (old?.Variables ?? []).Select(variable => variable.Expression).ToHashSet(StringComparer.Ordinal);
        var place = 0;
        var environment = PolicyVariables.Compile(spec, variable => Language(known.Contains(variable.Expression)), (_, expression) =>
        {
            var path = $"spec.variables[{place++}].expression";
            if (expression.Text.Trim().Length > 0)
                Tell(path, expression, errors);
        });

        var validations = (old?.Validations ?? []).SelectMany(one => new[] { one.Expression, one.MessageExpression }).ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < spec.Validations.Count; i++)
        {
            var validation = spec.Validations[i];
            if (validation.Expression.Trim().Length > 0)
                Tell($"spec.validations[{i}].expression", CompiledExpression.Compile(environment(Language(validations.Contains(validation.Expression))), validation.Expression, CelType.Bool), errors);
            if (validation.MessageExpression.Trim().Length > 0)
            {
                Tell($"spec.validations[{i}].messageExpression",
                    CompiledExpression.Compile(environment(Language(validations.Contains(validation.MessageExpression))), validation.MessageExpression, CelType.String), errors);
            }
        }

        var annotations = (old?.AuditAnnotations ?? []).Select(one => one.ValueExpression).ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < spec.AuditAnnotations.Count; i++)
        {
            var text = spec.AuditAnnotations[i].ValueExpression;
            if (text.Trim().Length > 0)
                Tell($"spec.auditAnnotations[{i}].valueExpression", CompiledExpression.Compile(environment(Language(annotations.Contains(text))), text, CelType.String, CelType.Null), errors);
        }
    }

    private static void Conditions(ApiList<MatchCondition> conditions, IEnumerable<MatchCondition>? old, bool hasParams, string path, FieldErrors errors)
    {
        if (conditions.IsEmpty)
            return;
        var known = (old ?? []).Select(condition => condition.Expression.Trim()).ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < conditions.Count; i++)
        {
            var text = conditions[i].Expression.Trim();
            if (text.Length > 0)
                Tell($"{path}[{i}].expression", CompiledExpression.Compile(AdmissionEnvironment.Create(Language(known.Contains(text)), hasParams), text, CelType.Bool), errors);
        }
    }

    private static CelLanguage Language(bool isStored) => isStored ? CelLanguage.StoredExpressions : CelLanguage.NewExpressions;

    private static void Tell(string path, CompiledExpression expression, FieldErrors errors)
    {
        if (expression.IsInternalError)
            errors.Internal(path, expression.Error!);
        else if (expression.Error is { } error)
            errors.Invalid(path, expression.Text, error);
    }
}
