using Minke.Api.Admissionregistration.V1;
using Minke.Cel;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Server.Admission.Policies;

/// <summary>What one validation of a policy says of a request.</summary>
/// <param name="Index">Of the validation.</param>
/// <param name="Reason">Of the refusal; null for Invalid.</param>
internal readonly record struct PolicyDecision(int Index, bool IsDenied, string Message, string? Reason);

/// <summary>What an audit annotation came to: a value, an error that denies, or neither.</summary>
internal readonly record struct PolicyAnnotation(string Key, string? Value, string? Error);

/// <summary>A ValidatingAdmissionPolicy's expressions, compiled.</summary>
internal sealed class CompiledPolicy
{
    private const int MaxMessageBytes = 5 * 1024;

    private readonly ValidatingAdmissionPolicySpec _spec;
    private readonly MatchConditions _conditions;
    private readonly Dictionary<string, CompiledExpression> _variables = new(StringComparer.Ordinal);
    private readonly CompiledExpression[] _validations;
    private readonly CompiledExpression?[] _messages;
    private readonly CompiledExpression[] _annotations;

    public CompiledPolicy(ValidatingAdmissionPolicySpec spec)
    {
        _spec = spec;
        _conditions = MatchConditions.Compile(spec.MatchConditions, spec.ParamKind is not null);
        var environments = PolicyVariables.Compile(spec, _ => CelLanguage.StoredExpressions, (variable, expression) => _variables[variable.Name] = expression);
        var environment = environments(CelLanguage.StoredExpressions);
        _validations = [.. spec.Validations.Select(one => CompiledExpression.Compile(environment, one.Expression, CelType.Bool))];
        _messages = [.. spec.Validations.Select(one => one.MessageExpression.Length == 0 ? null : CompiledExpression.Compile(environment, one.MessageExpression, CelType.String))];
        _annotations = [.. spec.AuditAnnotations.Select(one => CompiledExpression.Compile(environment, one.ValueExpression, CelType.String, CelType.Null))];
    }

    private bool IgnoresErrors => _spec.FailurePolicy == FailurePolicyType.Ignore;

    /// <summary>No decision means that the policy does not concern the request.</summary>
    public (IReadOnlyList<PolicyDecision> Decisions, IReadOnlyList<PolicyAnnotation> Annotations) Judge(
        IActivation request, CelValue? parameters, CancellationToken cancellationToken)
    {
        var variables = new ComposedActivation(request, parameters, _variables, cancellationToken);
        var match = _conditions.Match(variables, _spec.FailurePolicy, cancellationToken);
        if (match.Error is { } error)
            return ([Failed(0, error)], []);
        if (!match.Matches)
            return ([], []);
        try
        {
            return (Decide(variables, cancellationToken), Annotate(variables, cancellationToken));
        }
        catch (BudgetException spent)
        {
            return ([Failed(0, spent.Message)], []);
        }
    }

    private List<PolicyDecision> Decide(ComposedActivation variables, CancellationToken cancellationToken)
    {
        var run = new ExpressionRun(variables, CelProgram.RuntimeCostBudget, cancellationToken);
        var outcomes = Array.ConvertAll(_validations, run.Evaluate);
        string? messageError = null;
        var messages = new Outcome?[_messages.Length];
        try
        {
            var messageRun = new ExpressionRun(variables, run.Budget, cancellationToken);
            for (var i = 0; i < messages.Length; i++)
                messages[i] = _messages[i] is { } expression ? messageRun.Evaluate(expression) : null;
        }
        catch (BudgetException error)
        {
            messageError = $"failed messageExpression: {error.Message}";
        }

        var decisions = new List<PolicyDecision>(outcomes.Length);
        for (var i = 0; i < outcomes.Length; i++)
        {
            if (outcomes[i].Error is { } error)
                decisions.Add(Failed(i, error));
            else if (messageError is not null)
                decisions.Add(Failed(i, messageError));
            else if (outcomes[i].Value is BoolValue { Value: true })
                decisions.Add(new(i, false, "", null));
            else
                decisions.Add(new(i, true, MessageOf(_spec.Validations[i], messages[i]), _spec.Validations[i].Reason));
        }
        return decisions;
    }

    private List<PolicyAnnotation> Annotate(ComposedActivation variables, CancellationToken cancellationToken)
    {
        var annotations = new List<PolicyAnnotation>();
        var run = new ExpressionRun(variables, CelProgram.RuntimeCostBudget, cancellationToken);
        for (var i = 0; i < _annotations.Length; i++)
        {
            var key = _spec.AuditAnnotations[i].Key;
            var outcome = run.Evaluate(_annotations[i]);
            switch (outcome)
            {
                case { Error: { } error } when !IgnoresErrors:
                    annotations.Add(new(key, null, error));
                    break;
                case { Value: StringValue { Value: var text } } when text.Trim().Length > 0:
                    annotations.Add(new(key, text.Trim(), null));
                    break;
            }
        }
        return annotations;
    }

    private PolicyDecision Failed(int index, string error) => new(index, !IgnoresErrors, error, null);

    private static string MessageOf(Validation validation, Outcome? evaluated)
    {
        var message = evaluated is { Value: StringValue { Value: var text } } ? text.Trim() : "";
        if (System.Text.Encoding.UTF8.GetByteCount(message) > MaxMessageBytes || message.Contains('\n', StringComparison.Ordinal))
            message = "";
        if (message.Length == 0)
            message = validation.Message.Trim();
        return message.Length > 0 ? message : $"failed expression: {validation.Expression.Trim()}";
    }
}
