using Minke.Api;
using Minke.Api.Admissionregistration.V1;
using Minke.Cel;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Server.Admission.Policies;

/// <summary>Whether a request concerns a policy or webhook at all; or that this could not be found out.</summary>
/// <param name="Error">Set only when the failure policy is Fail: the request is to be refused with it.</param>
internal readonly record struct MatchOutcome(bool Matches, string? Error);

/// <summary>The <c>matchConditions</c> of a policy or of a webhook, compiled. Keep it as long as the object it comes from.</summary>
internal sealed class MatchConditions
{
    /// <summary>A quarter of what a policy may cost.</summary>
    private const ulong Budget = CelProgram.RuntimeCostBudget / 4;

    private readonly CompiledExpression[] _conditions;

    private MatchConditions(CompiledExpression[] conditions) => _conditions = conditions;

    public static MatchConditions Compile(ApiList<MatchCondition> conditions, bool hasParams = false)
    {
        if (conditions.IsEmpty)
            return new([]);
        var environment = AdmissionEnvironment.Create(CelLanguage.StoredExpressions, hasParams);
        return new([.. conditions.Select(condition => CompiledExpression.Compile(environment, condition.Expression.Trim(), CelType.Bool))]);
    }

    /// <summary>One that is false decides; else an error does, by the failure policy.</summary>
    /// <param name="variables">The request, as <see cref="AdmissionActivation"/> shows it.</param>
    /// <param name="failurePolicy">Of <see cref="FailurePolicyType"/>; null means Fail.</param>
    public MatchOutcome Match(IActivation variables, string? failurePolicy, CancellationToken cancellationToken)
    {
        if (_conditions.Length == 0)
            return new(true, null);
        var errors = new List<string>();
        try
        {
            var run = new ExpressionRun(variables, Budget, cancellationToken);
            foreach (var condition in _conditions)
            {
                var outcome = run.Evaluate(condition);
                if (outcome.Error is { } error)
                    errors.Add(error);
                else if (outcome.Value is BoolValue { Value: false })
                    return new(false, null);
            }
        }
        catch (BudgetException error)
        {
            errors = [error.Message];
        }
        if (errors.Count == 0)
            return new(true, null);
        if (failurePolicy == FailurePolicyType.Ignore)
            return new(false, null);
        var distinct = errors.Distinct(StringComparer.Ordinal).ToList();
        return new(false, distinct.Count == 1 ? distinct[0] : $"[{string.Join(", ", distinct)}]");
    }
}
