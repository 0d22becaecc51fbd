using Minke.Cel;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Server.Admission.Policies;

/// <summary>A request together with a policy's parameters and variables. A variable is evaluated when it is first used.</summary>
internal sealed class ComposedActivation(
    IActivation request, CelValue? parameters, IReadOnlyDictionary<string, CompiledExpression> variables, CancellationToken cancellationToken) : IActivation
{
    private VariablesValue? _variables;
    private ulong _cost;

    public CelValue? Find(string name) => name switch
    {
        AdmissionEnvironment.Params => parameters ?? NullValue.Instance,
        AdmissionEnvironment.Variables => _variables ??= new VariablesValue(this),
        _ => request.Find(name),
    };

    /// <summary>What variables have cost since it was last asked.</summary>
    public ulong TakeCost()
    {
        var cost = _cost;
        _cost = 0;
        return cost;
    }

    private CelValue Evaluate(string name, CompiledExpression expression)
    {
        if (expression.Program is not { } program)
            return new ErrorValue($"composited variable \"{name}\" fails to compile: {expression.Error}");
        var result = program.Evaluate(this, CelProgram.PerCallLimit, cancellationToken);
        _cost += result.Cost;
        return result.Error is { } error ? new ErrorValue($"composited variable \"{name}\" fails to evaluate: {error}") : result.Value;
    }

    private sealed class VariablesValue(ComposedActivation owner) : ObjectValue
    {
        private readonly Dictionary<string, CelValue> _values = new(StringComparer.Ordinal);

        public override CelType Type { get; } = new CelObjectType("kubernetes.variables", new Dictionary<string, CelType>());

        public override IEnumerable<string> FieldNames => owner.Variables.Keys.Order(StringComparer.Ordinal);

        public override bool Has(string name) => owner.Variables.ContainsKey(name);

        public override CelValue? Field(string name)
        {
            if (_values.TryGetValue(name, out var known))
                return known;
            return owner.Variables.TryGetValue(name, out var expression) ? _values[name] = owner.Evaluate(name, expression) : null;
        }
    }

    private IReadOnlyDictionary<string, CompiledExpression> Variables => variables;
}
