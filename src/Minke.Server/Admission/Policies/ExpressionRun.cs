using Minke.Cel;
using Minke.Cel.Values;

namespace Minke.Server.Admission.Policies;

/// <summary>What came of one expression.</summary>
/// <param name="Value">Null when there is an error.</param>
internal readonly record struct Outcome(CelValue? Value, string? Error);

/// <summary>Evaluates the expressions of one policy for one request, out of one budget.</summary>
internal sealed class ExpressionRun(IActivation variables, ulong budget, CancellationToken cancellationToken)
{
    public const string OutOfBudget = "validation failed due to running out of cost budget, no further validation rules will be run";

    /// <summary>What is left.</summary>
    public ulong Budget { get; private set; } = budget;

    /// <exception cref="BudgetException">All was spent: what was found until then does not count.</exception>
    public Outcome Evaluate(CompiledExpression expression)
    {
        if (expression.Program is not { } program)
            return new(null, $"compilation error: {expression.Error}");
        var result = program.Evaluate(variables, CelProgram.PerCallLimit, cancellationToken);
        if (variables is ComposedActivation composed)
            Spend(composed.TakeCost());
        Spend(result.Cost);
        return result.Error is { } error ? new(null, $"expression '{expression.Text}' resulted in error: {error}") : new(result.Value, null);
    }

    private void Spend(ulong cost) => Budget = cost <= Budget ? Budget - cost : throw new BudgetException();
}

internal sealed class BudgetException() : Exception(ExpressionRun.OutOfBudget);
