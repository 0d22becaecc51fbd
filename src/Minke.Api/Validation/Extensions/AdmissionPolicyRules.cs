using System.Globalization;
using System.Text;
using Minke.Api.Admissionregistration.V1;

namespace Minke.Api;

/// <summary>Admission policies and their bindings but for what their expressions mean. (pkg/apis/admissionregistration/validation)</summary>
internal static class AdmissionPolicyRules
{
    private const int MaxAuditAnnotations = 20;
    private const int MaxAuditExpressionBytes = 5 * 1024;
    private const string OneThing = "validations or auditAnnotations must contain at least one item";
    private static readonly string[] FailurePolicies = ["Fail", "Ignore"];
    private static readonly string[] Reasons = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
    private static readonly string[] Actions = ["Audit", "Deny", "Warn"];
    private static readonly string[] NotFoundActions = ["Deny", "Allow"];
    private static readonly HashSet<string> Reserved = new(StringComparer.Ordinal)
    {
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace",
        "return", "var", "void", "while",
    };

    public static MatchResources? Default(MatchResources? match) => match is null ? null : match with
    {
        NamespaceSelector = match.NamespaceSelector ?? new(),
        ObjectSelector = match.ObjectSelector ?? new(),
    };

    public static void ValidatePolicy(ValidatingAdmissionPolicy policy, ValidatingAdmissionPolicy? old, FieldPath path, FieldErrors errors)
    {
        var spec = policy.Spec;
        if (spec.FailurePolicy is null)
            errors.Required(path.Child("failurePolicy"));
        else if (!FailurePolicies.Contains(spec.FailurePolicy))
            errors.NotSupported(path.Child("failurePolicy"), spec.FailurePolicy, FailurePolicies);
        if (spec.ParamKind is { } kind)
            ValidateParamKind(kind, path.Child("paramKind"), errors);
        if (spec.MatchConstraints is null)
            errors.Required(path.Child("matchConstraints"));
        AdmissionRules.ValidateMatch(spec.MatchConstraints, path.Child("matchConstraints"), errors);
        if (spec.MatchConstraints is { ResourceRules.IsEmpty: true })
            errors.Required(path.Child("matchConstraints").Child("resourceRules"));
        if (old is null || !AreSame(spec.MatchConditions, old.Spec.MatchConditions) || !Json.Same(spec.ParamKind, old.Spec.ParamKind))
            AdmissionRules.ValidateConditions(spec.MatchConditions, path.Child("matchConditions"), errors);
        for (var i = 0; i < spec.Variables.Count; i++)
            ValidateVariable(spec.Variables[i], path.Child("variables").Index(i), errors);
        if (spec.Validations.IsEmpty && spec.AuditAnnotations.IsEmpty)
        {
            errors.Required(path.Child("validations"), OneThing);
            errors.Required(path.Child("auditAnnotations"), OneThing);
            return;
        }
        for (var i = 0; i < spec.Validations.Count; i++)
            ValidateValidation(spec.Validations[i], path.Child("validations").Index(i), errors);
        ValidateAudit(policy.Metadata.Name, spec.AuditAnnotations, path.Child("auditAnnotations"), errors);
    }

    public static void ValidateBinding(ValidatingAdmissionPolicyBindingSpec spec, FieldPath path, FieldErrors errors)
    {
        if (spec.PolicyName.Length == 0)
            errors.Required(path.Child("policyName"));
        else
            PodRules.Each(Names.Dns1123Subdomain(spec.PolicyName), path.Child("policyName"), spec.PolicyName, errors);
        ValidateParameter(spec.ParamRef, path.Child("paramRef"), errors);
        AdmissionRules.ValidateMatch(spec.MatchResources, path.Child("matchResources"), errors);
        ValidateActions(spec.ValidationActions, path.Child("validationActions"), errors);
    }

    private static void ValidateParamKind(ParamKind kind, FieldPath path, FieldErrors errors)
    {
        var at = path.Child("apiVersion");
        var parts = kind.ApiVersion.Split('/');
        if (kind.ApiVersion.Length == 0)
        {
            errors.Required(at);
        }
        else if (parts.Length > 2)
        {
            errors.Invalid(at, kind.ApiVersion, "unexpected GroupVersion string: " + kind.ApiVersion);
        }
        else
        {
            var (group, version) = kind.ApiVersion == "/" ? ("", "") : parts.Length == 2 ? (parts[0], parts[1]) : ("", parts[0]);
            if (group.Length > 0)
                Joined(Names.Dns1123Subdomain(group), "", at, group, errors);
            if (version.Length == 0)
                errors.Invalid(at, kind.ApiVersion, "version must be specified");
            else
                Joined(Names.Dns1035Label(version), "", at, version, errors);
        }
        if (kind.Kind.Length == 0)
            errors.Required(path.Child("kind"));
        else
            Joined(Names.Dns1035Label(kind.Kind.ToLowerInvariant()), "may have mixed case, but should otherwise match: ", path.Child("kind"), kind.Kind, errors);
    }

    private static void ValidateVariable(Variable variable, FieldPath path, FieldErrors errors)
    {
        if (string.IsNullOrWhiteSpace(variable.Name))
            errors.Required(path.Child("name"), "name is not specified");
        else if (!IsIdentifier(variable.Name))
            errors.Invalid(path.Child("name"), variable.Name, "must be a valid CEL identifier");
        if (string.IsNullOrWhiteSpace(variable.Expression))
            errors.Required(path.Child("expression"), "expression is not specified");
    }

    private static void ValidateValidation(Validation validation, FieldPath path, FieldErrors errors)
    {
        if (string.IsNullOrWhiteSpace(validation.Expression))
            errors.Required(path.Child("expression"), "expression is not specified");
        if (validation.MessageExpression.Length > 0 && string.IsNullOrWhiteSpace(validation.MessageExpression))
            errors.Invalid(path.Child("messageExpression"), validation.MessageExpression, "must be non-empty if specified");
        var message = validation.Message.Trim();
        if (validation.Message.Length > 0 && message.Length == 0)
            errors.Invalid(path.Child("message"), validation.Message, "must be non-empty if specified");
        else if (message.AsSpan().ContainsAny('\n', '\r'))
            errors.Invalid(path.Child("message"), validation.Message, "must not contain line breaks");
        if (validation.Reason is { } reason && !Reasons.Contains(reason))
            errors.NotSupported(path.Child("reason"), reason, Reasons);
    }

    private static void ValidateAudit(string policy, ApiList<AuditAnnotation> annotations, FieldPath path, FieldErrors errors)
    {
        if (annotations.Count > MaxAuditAnnotations)
        {
            errors.Invalid(path, new GoText("[]admissionregistration.AuditAnnotation{...}"),
                string.Create(CultureInfo.InvariantCulture, $"must not have more than {MaxAuditAnnotations} auditAnnotations"));
        }
        var keys = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < annotations.Count; i++)
        {
            var (annotation, at) = (annotations[i], path.Index(i));
            if (policy.Length == 0)
                errors.Invalid(at.Child("key"), annotation.Key, "requires metadata.name be non-empty");
            else
                PodRules.Each(Names.QualifiedName($"{policy}/{annotation.Key}"), at.Child("key"), $"{policy}/{annotation.Key}", errors);
            if (string.IsNullOrWhiteSpace(annotation.ValueExpression))
                errors.Required(at.Child("valueExpression"), "valueExpression is not specified");
            else if (Encoding.UTF8.GetByteCount(annotation.ValueExpression.Trim()) > MaxAuditExpressionBytes)
                errors.Required(at.Child("valueExpression"), string.Create(CultureInfo.InvariantCulture, $"must not exceed {MaxAuditExpressionBytes} bytes in length"));
            if (!keys.Add(annotation.Key))
                errors.Duplicate(at.Child("key"), annotation.Key);
        }
    }

    private static void ValidateParameter(ParamRef? parameter, FieldPath path, FieldErrors errors)
    {
        if (parameter is null)
            return;
        const string exclusive = "name and selector are mutually exclusive";
        if (parameter.Name.Length > 0)
        {
            PodRules.Each(Names.PathSegment(parameter.Name), path.Child("name"), parameter.Name, errors);
            if (parameter.Selector is not null)
                errors.Forbidden(path.Child("name"), exclusive);
        }
        SchedulingRules.ValidateLabelSelector(parameter.Selector, path.Child("selector"), errors);
        if (parameter is { Selector: not null, Name.Length: > 0 })
            errors.Forbidden(path.Child("selector"), exclusive);
        if (parameter is { Selector: null, Name.Length: 0 })
            errors.Required(path, "one of name or selector must be specified");
        if (string.IsNullOrEmpty(parameter.ParameterNotFoundAction))
            errors.Required(path.Child("parameterNotFoundAction"));
        else if (!NotFoundActions.Contains(parameter.ParameterNotFoundAction))
            errors.NotSupported(path.Child("parameterNotFoundAction"), parameter.ParameterNotFoundAction, NotFoundActions);
    }

    private static void ValidateActions(ApiList<string> actions, FieldPath path, FieldErrors errors)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < actions.Count; i++)
        {
            if (!Actions.Contains(actions[i]))
                errors.NotSupported(path.Index(i), actions[i], Actions);
            if (!seen.Add(actions[i]))
                errors.Duplicate(path.Index(i), actions[i]);
        }
        if (seen.Contains("Deny") && seen.Contains("Warn"))
        {
            errors.Invalid(path, new GoText($"[]admissionregistration.ValidationAction{{{string.Join(", ", actions.Select(FieldErrors.Quote))}}}"),
                "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)");
        }
        if (actions.IsEmpty)
            errors.Required(path, "at least one validation action is required");
    }

    private static bool IsIdentifier(string name) =>
        (char.IsAsciiLetter(name[0]) || name[0] == '_') && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '_') && !Reserved.Contains(name);

    private static bool AreSame(ApiList<MatchCondition> a, ApiList<MatchCondition> b) => a.Count == b.Count && a.Zip(b).All(pair => Json.Same(pair.First, pair.Second));

    private static void Joined(IEnumerable<string> messages, string prefix, FieldPath path, string value, FieldErrors errors)
    {
        var wrong = string.Join(',', messages);
        if (wrong.Length > 0)
            errors.Invalid(path, value, prefix + wrong);
    }
}
