using Minke.Cel.Values;

namespace Minke.Cel.Evaluation;

/// <summary>One run of a program: what names stand for, and what it has cost.</summary>
internal sealed class Run(IActivation variables, int locals, ulong limit, CancellationToken cancellationToken)
{
    private const int ChargesBetweenLooks = 1024;

    private readonly CelValue?[] _locals = new CelValue?[locals];
    private int _charges;

    public ulong Cost { get; private set; }

    public CelValue Variable(string name) => variables.Find(name) ?? new ErrorValue($"no such attribute(s): {name}");

    public CelValue Local(int slot)
    {
        if (_locals[slot] is not Deferred deferred)
            return _locals[slot]!;
        return _locals[slot] = deferred.Node.Evaluate(this);
    }

    public void Set(int slot, CelValue value) => _locals[slot] = value;

    /// <exception cref="CostLimitException">It is too much.</exception>
    public void Charge(ulong cost)
    {
        Cost = ulong.MaxValue - cost < Cost ? ulong.MaxValue : Cost + cost;
        if (Cost > limit)
            throw new CostLimitException();
        if (++_charges % ChargesBetweenLooks == 0)
            cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>A bound value that nobody has asked for yet.</summary>
    internal sealed class Deferred(Node node) : CelValue
    {
        public Node Node { get; } = node;
        public override Types.CelType Type => Types.CelType.Error;
    }
}
