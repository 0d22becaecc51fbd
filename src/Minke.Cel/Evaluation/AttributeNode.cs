using Minke.Cel.Values;

namespace Minke.Cel.Evaluation;

/// <summary>Where a path begins.</summary>
internal abstract record Root
{
    /// <summary>Any expression that is no path: <c>f(x).a</c>.</summary>
    public sealed record Computed(Node Node) : Root;

    public sealed record Variable(string Name) : Root;

    public sealed record Local(int Slot) : Root;

    /// <summary><c>c ? a : b</c> is a path as well; a branch that is one costs only its steps.</summary>
    public sealed record Conditional(Node Condition, AttributeNode WhenTrue, AttributeNode WhenFalse) : Root;
}

/// <summary>One step along a path.</summary>
/// <param name="Key">A field, a key or an index.</param>
/// <param name="IsOptional"><c>.?a</c>: nothing there is no error.</param>
/// <param name="IsTest">Only whether it is there.</param>
/// <param name="Cost">Beyond what finding out the key costs.</param>
internal sealed record Qualifier(Node Key, bool IsOptional, bool IsTest, ulong Cost);

/// <summary>A path: <c>a.b[c].d</c>, charged one for its beginning and one for each step.</summary>
internal sealed class AttributeNode(Root root, IReadOnlyList<Qualifier> qualifiers) : Node
{
    public AttributeNode With(Qualifier qualifier) => new(root, [.. qualifiers, qualifier]);

    public override CelValue Evaluate(Run run)
    {
        var value = Resolve(run);
        if (root is not Root.Conditional)
            run.Charge(1);
        return value;
    }

    private CelValue Resolve(Run run)
    {
        var value = root switch
        {
            Root.Variable variable => run.Variable(variable.Name),
            Root.Local local => run.Local(local.Slot),
            Root.Computed computed => computed.Node.Evaluate(run),
            Root.Conditional choice => Choose(run, choice),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
        if (value is ErrorValue || qualifiers.Count == 0)
            return value;

        var isOptional = false;
        if (value is OptionalValue optional)
        {
            if (optional.Value is null)
                return qualifiers[^1].IsTest ? BoolValue.False : optional;
            isOptional = true;
            value = optional.Value;
        }
        foreach (var qualifier in qualifiers)
        {
            var key = qualifier.Key.Evaluate(run);
            if (key is ErrorValue)
                return key;
            isOptional |= qualifier.IsOptional;
            if (qualifier.IsTest)
                return Find(value, key, isTest: true) is var found && found is ErrorValue ? found : BoolValue.Of(found is not null);
            var next = Find(value, key, isOptional);
            // A step that may lead nowhere is charged only when it led somewhere.
            if (!isOptional || next is not (null or ErrorValue))
                run.Charge(qualifier.Cost);
            if (next is null)
                return !isOptional ? Missing(value, key) : qualifiers[^1].IsTest ? BoolValue.False : OptionalValue.None;
            if (next is ErrorValue)
                return next;
            value = next;
        }
        return isOptional ? new OptionalValue(value) : value;
    }

    private static CelValue Choose(Run run, Root.Conditional choice) => choice.Condition.Evaluate(run) switch
    {
        BoolValue flag => flag.Value ? choice.WhenTrue.Resolve(run) : choice.WhenFalse.Resolve(run),
        ErrorValue error => error,
        _ => ErrorValue.NoSuchOverload,
    };

    private static CelValue? Find(CelValue value, CelValue key, bool isTest) => value switch
    {
        MapValue map => map.Find(key),
        ObjectValue target => key is StringValue name ? isTest && !target.Has(name.Value) ? null : target.Field(name.Value) : null,
        ListValue list => Index(key) is not { } index
            ? new ErrorValue($"unsupported index type '{key.Type.Name}' in list")
            : index >= 0 && index < list.Count ? list[(int)index] : null,
        // A value that was read with errors has the error to tell, whatever is asked of it.
        ErrorValue error => error,
        _ => null,
    };

    private static ErrorValue Missing(CelValue value, CelValue key) =>
        new($"{(value is ListValue ? "index out of bounds" : "no such key")}: {Display.Of(key)}");

    private static long? Index(CelValue key) => key switch
    {
        IntValue number => number.Value,
        UintValue number => number.Value <= long.MaxValue ? (long)number.Value : long.MaxValue,
        DoubleValue number => number.Value == Math.Truncate(number.Value) && Math.Abs(number.Value) < 9e15 ? (long)number.Value : null,
        _ => null,
    };
}
