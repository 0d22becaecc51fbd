using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary>Kubernetes' functions on lists: order, sums, extremes and places.</summary>
internal static class ListLibrary
{
    private static readonly (CelType Type, string Name)[] Ordered =
    [
        (CelType.Int, "int"), (CelType.Uint, "uint"), (CelType.Double, "double"), (CelType.Bool, "bool"), (CelType.Duration, "duration"),
        (CelType.Timestamp, "timestamp"), (CelType.String, "string"), (CelType.Bytes, "bytes"),
    ];

    public static void AddTo(FunctionTable table)
    {
        var library = table.Extension;
        foreach (var (type, name) in Ordered)
        {
            CelType[] list = [CelType.List(type)];
            library.Member("isSorted", $"list_{name}_is_sorted_bool", list, CelType.Bool, IsSorted);
            library.Member("min", $"list_{name}_min_{name}", list, type, a => Extreme(a[0].List, "min", -1));
            library.Member("max", $"list_{name}_max_{name}", list, type, a => Extreme(a[0].List, "max", 1));
        }
        Sum(CelType.Int, "int", new IntValue(0));
        Sum(CelType.Uint, "uint", new UintValue(0));
        Sum(CelType.Double, "double", new DoubleValue(0));
        Sum(CelType.Duration, "duration", new DurationValue(0));

        var item = CelType.Parameter("T");
        library.Member("indexOf", "list_a_index_of_int", [CelType.List(item), item], CelType.Int, a => IndexOf(a, isLast: false));
        library.Member("lastIndexOf", "list_a_last_index_of_int", [CelType.List(item), item], CelType.Int, a => IndexOf(a, isLast: true));

        void Sum(CelType type, string name, CelValue zero) =>
            library.Member("sum", $"list_{name}_sum_{name}", [CelType.List(type)], type, a => Total(a[0].List, zero));
    }

    // Which kind of number a list of unknown type holds, only its items tell: the zero is for an empty one.
    private static CelValue Total(ListValue list, CelValue zero)
    {
        if (list.Count == 0)
            return zero;
        var total = list[0];
        for (var i = 1; i < list.Count && total is not ErrorValue; i++)
            total = AddAny(total, list[i]);
        return total is IntValue or UintValue or DoubleValue or DurationValue or ErrorValue ? total : ErrorValue.NoSuchOverload;
    }

    private static CelValue AddAny(CelValue a, CelValue b) => (a, b) switch
    {
        (IntValue x, IntValue y) => Integers.Add(x.Value, y.Value),
        (UintValue x, UintValue y) => Integers.Add(x.Value, y.Value),
        (DoubleValue x, DoubleValue y) => new DoubleValue(x.Value + y.Value),
        (DurationValue, DurationValue) => Durations.Add(a, b),
        _ => ErrorValue.NoSuchOverload,
    };

    private static CelValue IsSorted(CelValue[] a)
    {
        var list = a[0].List;
        for (var i = 1; i < list.Count; i++)
        {
            if (CelOrder.Compare(list[i - 1], list[i]) is not { } order)
                return ErrorValue.NoSuchOverload;
            if (order > 0)
                return BoolValue.False;
        }
        return BoolValue.True;
    }

    private static CelValue Extreme(ListValue list, string name, int wanted)
    {
        if (list.Count == 0)
            return new ErrorValue($"{name} called on empty list");
        var best = list[0];
        foreach (var item in list.Items)
        {
            if (CelOrder.Compare(item, best) is not { } order)
                return ErrorValue.NoSuchOverload;
            if (Math.Sign(order) == wanted)
                best = item;
        }
        return best;
    }

    private static IntValue IndexOf(CelValue[] a, bool isLast)
    {
        var list = a[0].List;
        for (var i = 0; i < list.Count; i++)
        {
            var place = isLast ? list.Count - 1 - i : i;
            if (CelEquality.AreEqual(list[place], a[1]))
                return new IntValue(place);
        }
        return new IntValue(-1);
    }
}
