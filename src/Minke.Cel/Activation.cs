using Minke.Cel.Values;

namespace Minke.Cel;

/// <summary>What variables stand for in one evaluation.</summary>
public interface IActivation
{
    /// <summary>Null when nothing is bound to the name. Asked each time the name is evaluated: keep what is dear to make.</summary>
    CelValue? Find(string name);
}

/// <summary>Variables with their values.</summary>
public sealed class Activation(IReadOnlyDictionary<string, CelValue> values) : IActivation
{
    public static Activation Empty { get; } = new(new Dictionary<string, CelValue>());

    public CelValue? Find(string name) => values.GetValueOrDefault(name);

    public static Activation Of(params (string Name, CelValue Value)[] values) =>
        new(values.ToDictionary(pair => pair.Name, pair => pair.Value, StringComparer.Ordinal));
}
