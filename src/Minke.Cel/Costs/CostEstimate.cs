namespace Minke.Cel.Costs;

/// <summary>The least and the most that something can cost, or be long. Saturates.</summary>
public readonly record struct CostEstimate(ulong Min, ulong Max)
{
    public static CostEstimate Unknown { get; } = new(0, ulong.MaxValue);

    public static CostEstimate Fixed(ulong cost) => new(cost, cost);

    internal CostEstimate Add(CostEstimate other) => new(Add(Min, other.Min), Add(Max, other.Max));
    internal CostEstimate Multiply(CostEstimate other) => new(Multiply(Min, other.Min), Multiply(Max, other.Max));
    internal CostEstimate Scale(double factor) => new(Scale(Min, factor), Scale(Max, factor));
    internal CostEstimate Union(CostEstimate other) => new(Math.Min(Min, other.Min), Math.Max(Max, other.Max));

    private static ulong Add(ulong a, ulong b) => ulong.MaxValue - a < b ? ulong.MaxValue : a + b;

    private static ulong Multiply(ulong a, ulong b) => (UInt128)a * b is var product && product > ulong.MaxValue ? ulong.MaxValue : (ulong)product;

    private static ulong Scale(ulong value, double factor)
    {
        var scaled = Math.Ceiling(value * factor);
        return scaled >= 18446744073709551616.0 ? ulong.MaxValue : (ulong)scaled;
    }
}
