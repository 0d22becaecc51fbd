using Minke.Cel.Costs;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Evaluation;

/// <summary>A step of a program. Costs are charged as cel-go's tracker does it, oddities included: they decide what may be written.</summary>
internal abstract class Node
{
    public abstract CelValue Evaluate(Run run);
}

internal sealed class ConstantNode(CelValue value) : Node
{
    public CelValue Value { get; } = value;

    public override CelValue Evaluate(Run run) => Value;
}

/// <summary>A function whose arguments are all evaluated; the first error among them is the result, and costs what the call would have.</summary>
internal sealed class CallNode(Function function, IReadOnlyList<Overload> overloads, Node[] arguments) : Node
{
    private const int ManyArguments = 3;

    // With more than one candidate the values decide, and then cel-go does not know the overload's cost.
    private readonly string _overloadId = overloads.Count == 1 ? overloads[0].Id : "";

    public override CelValue Evaluate(Run run)
    {
        var values = new CelValue[arguments.Length];
        ErrorValue? error = null;
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = arguments[i].Evaluate(run);
            error ??= values[i] as ErrorValue;
            // Of many arguments those after an error are not evaluated, and then there is no call to charge for.
            if (error is not null && values.Length >= ManyArguments && i < values.Length - 1)
                return error;
        }
        var isChargedBefore = RuntimeCosts.TryBefore(function.Name, _overloadId, values, out var cost);
        if (isChargedBefore)
            run.Charge(cost);
        var result = error ?? Invoke(values);
        if (!isChargedBefore)
            run.Charge(RuntimeCosts.After(result));
        return result;
    }

    public CelValue Invoke(CelValue[] values)
    {
        foreach (var overload in overloads)
        {
            if (overload.Accepts(values))
                return overload.Implementation(values);
        }
        return NoSuchOverload(values);
    }

    private ErrorValue NoSuchOverload(CelValue[] values)
    {
        if (!function.IsStandard)
            return new ErrorValue($"no such overload: {function.Name}({string.Join(", ", values.Select(value => value.Type.Name))})");
        // Texts and times refuse by themselves; what knows the function not at all is told which one it was.
        var first = values.Length > 0 ? values[0].Type.Kind : CelTypeKind.Error;
        var refusesItself = first is CelTypeKind.String or CelTypeKind.Timestamp or CelTypeKind.Duration
            || function.Overloads.Any(overload => overload.Parameters.Count > 0 && overload.Parameters[0].Kind == first);
        return refusesItself ? ErrorValue.NoSuchOverload : new ErrorValue($"no such overload: {function.Name}");
    }
}

/// <summary><c>&amp;&amp;</c> or <c>||</c>: one term that decides outweighs errors in others.</summary>
internal sealed class LogicNode(Node[] terms, bool decides) : Node
{
    public override CelValue Evaluate(Run run)
    {
        CelValue? error = null;
        foreach (var term in terms)
        {
            var value = term.Evaluate(run);
            if (value is BoolValue flag)
            {
                if (flag.Value == decides)
                    return flag;
            }
            else
            {
                error ??= value as ErrorValue ?? ErrorValue.NoSuchOverload;
            }
        }
        return error ?? BoolValue.Of(!decides);
    }
}

/// <summary>True for everything but <c>false</c>, errors too: a loop goes on past an error.</summary>
internal sealed class NotStrictlyFalseNode(Node operand) : Node
{
    public override CelValue Evaluate(Run run)
    {
        var value = operand.Evaluate(run);
        run.Charge(1);
        return BoolValue.Of(value is not BoolValue { Value: false });
    }
}

/// <summary><c>x in [constants]</c>: a look into a set, which cel-go does not charge for.</summary>
internal sealed class InConstantsNode(Node item, HashSet<CelValue> constants) : Node
{
    public override CelValue Evaluate(Run run)
    {
        var value = item.Evaluate(run);
        return value is ErrorValue ? value : BoolValue.Of(constants.Contains(value));
    }
}

/// <summary><c>a.or(b)</c> and <c>a.orValue(b)</c>: the second only when the first is not there.</summary>
internal sealed class OptionalOrNode(Node first, Node second, bool isValue) : Node
{
    public override CelValue Evaluate(Run run)
    {
        var value = first.Evaluate(run);
        return value switch
        {
            ErrorValue => value,
            OptionalValue { Value: null } => second.Evaluate(run),
            OptionalValue { Value: { } held } => isValue ? held : value,
            _ => ErrorValue.NoSuchOverload,
        };
    }
}

internal sealed class ListNode(Node[] elements, bool[] optionals) : Node
{
    private const ulong Cost = 10;

    public override CelValue Evaluate(Run run)
    {
        var value = Make(run);
        run.Charge(Cost);
        return value;
    }

    private CelValue Make(Run run)
    {
        var items = new List<CelValue>(elements.Length);
        for (var i = 0; i < elements.Length; i++)
        {
            var value = elements[i].Evaluate(run);
            if (value is ErrorValue)
                return value;
            if (!optionals[i])
                items.Add(value);
            else if (value is not OptionalValue optional)
                return new ErrorValue($"cannot initialize optional list element from non-optional value {Display.Of(value)}");
            else if (optional.Value is { } held)
                items.Add(held);
        }
        return new ItemList(items);
    }
}

internal sealed class MapNode((Node Key, Node Value, bool IsOptional)[] entries) : Node
{
    private const ulong Cost = 30;

    public override CelValue Evaluate(Run run)
    {
        var value = Make(run);
        run.Charge(Cost);
        return value;
    }

    private CelValue Make(Run run)
    {
        var made = new List<KeyValuePair<CelValue, CelValue>>(entries.Length);
        var seen = new HashSet<CelValue>(KeyComparer.Instance);
        foreach (var (keyNode, valueNode, isOptional) in entries)
        {
            var key = keyNode.Evaluate(run);
            if (key is ErrorValue)
                return key;
            if (key is not (StringValue or BoolValue or IntValue or UintValue or DoubleValue))
                return new ErrorValue($"unsupported key type: {key.Type.Name}");
            var value = valueNode.Evaluate(run);
            if (value is ErrorValue)
                return value;
            if (isOptional)
            {
                if (value is not OptionalValue optional)
                    return new ErrorValue($"cannot initialize optional entry '{Display.Of(key)}' from non-optional value {Display.Of(value)}");
                if (optional.Value is null)
                    continue;
                value = optional.Value;
            }
            if (!seen.Add(key))
                return new ErrorValue($"Failed with repeated key: {Display.Of(key)}");
            made.Add(new(key, value));
        }
        return new EntryMap(made);
    }
}

/// <summary>A loop over a list or the keys of a map.</summary>
internal sealed class FoldNode(Node range, int slot, int? secondSlot, int accumulatorSlot, Node initial, Node condition, Node step, Node result) : Node
{
    public override CelValue Evaluate(Run run)
    {
        var over = range.Evaluate(run);
        if (over is ErrorValue)
            return over;
        if (over is not (ListValue or MapValue))
            return new ErrorValue($"got '{over.Type.Name}', expected iterable type");
        run.Set(accumulatorSlot, initial.Evaluate(run));
        if (over is ListValue list)
        {
            for (var i = 0; i < list.Count; i++)
            {
                if (!Step(run, secondSlot is null ? list[i] : new IntValue(i), secondSlot is null ? null : list[i]))
                    break;
            }
        }
        else
        {
            var map = (MapValue)over;
            foreach (var key in map.Keys)
            {
                if (!Step(run, key, secondSlot is null ? null : map.Find(key)))
                    break;
            }
        }
        return result.Evaluate(run);
    }

    private bool Step(Run run, CelValue first, CelValue? second)
    {
        run.Set(slot, first);
        if (secondSlot is { } place)
            run.Set(place, second!);
        if (condition.Evaluate(run) is BoolValue { Value: false })
            return false;
        run.Set(accumulatorSlot, step.Evaluate(run));
        return true;
    }
}

/// <summary>A name for a value, which is evaluated when it is first needed.</summary>
internal sealed class BindNode(int slot, Node value, Node result) : Node
{
    public override CelValue Evaluate(Run run)
    {
        run.Set(slot, new Run.Deferred(value));
        return result.Evaluate(run);
    }
}
