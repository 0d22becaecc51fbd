using Minke.Cel.Costs;
using Minke.Cel.Evaluation;
using Minke.Cel.Syntax;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel;

/// <summary>An expression that compiled. Safe to share; every evaluation has its own state.</summary>
public sealed class CelProgram
{
    /// <summary>What one evaluation may cost in Kubernetes, and what all of one object's rules may.</summary>
    public const ulong PerCallLimit = 1_000_000, RuntimeCostBudget = 10_000_000;

    private readonly Expression _root;
    private readonly Node _plan;
    private readonly int _locals;
    private readonly CelEnvironment _environment;
    private CostEstimate? _estimate;

    internal CelProgram(string text, Expression root, Node plan, int locals, CelEnvironment environment)
    {
        Text = text;
        _root = root;
        _plan = plan;
        _locals = locals;
        _environment = environment;
    }

    public string Text { get; }

    /// <summary>What the checker knows of the result; <see cref="CelType.Dyn"/> when only evaluation tells.</summary>
    public CelType OutputType => _root.Type!;

    /// <summary>As cel-go estimates it with Kubernetes' estimators. Made when first asked for.</summary>
    public CostEstimate EstimatedCost => _estimate ??= new CostEstimator(_environment).Estimate(_root);

    /// <summary>Whether a variable (or a path that begins with it) is used at all.</summary>
    public bool Uses(string variable) => References.Of(_root).Contains(variable);

    /// <summary>Evaluates. What goes wrong is an <see cref="ErrorValue"/>, never an exception.</summary>
    /// <param name="costLimit">Beyond it evaluation ends with an error.</param>
    /// <exception cref="OperationCanceledException"/>
    public CelResult Evaluate(IActivation variables, ulong costLimit = PerCallLimit, CancellationToken cancellationToken = default)
    {
        var run = new Run(variables, _locals, costLimit, cancellationToken);
        try
        {
            return new CelResult(_plan.Evaluate(run), run.Cost, IsOverBudget: false);
        }
        catch (CostLimitException)
        {
            return new CelResult(new ErrorValue("operation cancelled: actual cost limit exceeded"), run.Cost, IsOverBudget: true);
        }
    }
}

/// <summary>What came out, and what it took.</summary>
/// <param name="IsOverBudget">The value is the error that says so.</param>
public readonly record struct CelResult(CelValue Value, ulong Cost, bool IsOverBudget)
{
    /// <summary>The error's text, or null.</summary>
    public string? Error => (Value as ErrorValue)?.Message;
}
