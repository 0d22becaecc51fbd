using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary>Functions as libraries declare them.</summary>
internal sealed class FunctionTable
{
    private readonly Dictionary<string, Function> _functions = new(StringComparer.Ordinal);

    public int LongestName => _functions.Keys.Max(name => name.Length);

    public Function? Find(string name) => _functions.GetValueOrDefault(name);

    public Library Standard => new(this, isStandard: true);
    public Library Extension => new(this, isStandard: false);

    private void Add(string name, bool isStandard, Overload overload) =>
        _functions[name] = _functions.TryGetValue(name, out var function)
            ? function with { Overloads = [.. function.Overloads, overload] }
            : new Function(name, [overload], isStandard);

    internal readonly struct Library(FunctionTable table, bool isStandard)
    {
        public void Global(string name, string id, CelType[] parameters, CelType result, Implementation implementation) =>
            table.Add(name, isStandard, new Overload(id, false, parameters, result, implementation));

        /// <param name="parameters">The target first.</param>
        public void Member(string name, string id, CelType[] parameters, CelType result, Implementation implementation) =>
            table.Add(name, isStandard, new Overload(id, true, parameters, result, implementation));
    }
}

/// <summary>Arguments as what the declaration says they are.</summary>
internal static class Arguments
{
    extension(CelValue value)
    {
        public string Text => ((StringValue)value).Value;
        public long Int => ((IntValue)value).Value;
        public ulong Uint => ((UintValue)value).Value;
        public double Double => ((DoubleValue)value).Value;
        public bool Bool => ((BoolValue)value).Value;
        public ListValue List => (ListValue)value;
    }
}
