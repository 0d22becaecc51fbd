namespace Minke.Cel.Values;

/// <summary><c>==</c>: values of different types are not equal, but numbers are compared as numbers.</summary>
internal static class CelEquality
{
    // Values can share parts, so that one of few parts is endless to walk. What is met again and again is charged nowhere else.
    private const int MaxSteps = 10_000_000;

    public static bool AreEqual(CelValue a, CelValue b)
    {
        var steps = 0;
        return AreEqual(a, b, ref steps);
    }

    /// <exception cref="CostLimitException">The walk is too long.</exception>
    public static bool AreEqual(CelValue a, CelValue b, ref int steps)
    {
        if (++steps > MaxSteps)
            throw new CostLimitException();
        switch (a, b)
        {
            case (IntValue or UintValue or DoubleValue, IntValue or UintValue or DoubleValue): return CelOrder.CompareNumbers(a, b) == 0;
            case (StringValue x, StringValue y): return x.Value == y.Value;
            case (BoolValue x, BoolValue y): return x.Value == y.Value;
            case (NullValue, NullValue): return true;
            case (BytesValue x, BytesValue y): return x.Value.Span.SequenceEqual(y.Value.Span);
            case (DurationValue x, DurationValue y): return x.Nanoseconds == y.Nanoseconds;
            case (TimestampValue x, TimestampValue y): return (x.Seconds, x.Nanoseconds) == (y.Seconds, y.Nanoseconds);
            case (TypeValue x, TypeValue y): return x.Value.Name == y.Value.Name;
            case (OptionalValue x, OptionalValue y):
                return x.Value is null || y.Value is null ? x.Value is null && y.Value is null : AreEqual(x.Value, y.Value, ref steps);
            case (ListValue x, ListValue y): return x.IsEqualTo(y, ref steps) ?? y.IsEqualTo(x, ref steps) ?? SameItems(x, y, ref steps);
            case (MapValue x, MapValue y): return SameEntries(x, y, ref steps);
            case (ObjectValue x, ObjectValue y): return x.IsEqualTo(y, ref steps);
            case (OpaqueValue x, OpaqueValue y): return x.Type.Name == y.Type.Name && x.IsEqualTo(y);
            default: return false;
        }
    }

    private static bool SameItems(ListValue a, ListValue b, ref int steps)
    {
        if (a.Count != b.Count)
            return false;
        for (var i = 0; i < a.Count; i++)
        {
            if (!AreEqual(a[i], b[i], ref steps))
                return false;
        }
        return true;
    }

    private static bool SameEntries(MapValue a, MapValue b, ref int steps)
    {
        if (a.Count != b.Count)
            return false;
        foreach (var key in a.Keys)
        {
            if (b.Find(key) is not { } value || !AreEqual(a.Find(key)!, value, ref steps))
                return false;
        }
        return true;
    }
}

/// <summary>Keys of maps: <c>1</c>, <c>1u</c> and <c>1.0</c> are one key.</summary>
internal sealed class KeyComparer : IEqualityComparer<CelValue>
{
    public static KeyComparer Instance { get; } = new();

    public bool Equals(CelValue? a, CelValue? b) => a is not null && b is not null && CelEquality.AreEqual(a, b);

    public int GetHashCode(CelValue value) => value switch
    {
        StringValue text => string.GetHashCode(text.Value, StringComparison.Ordinal),
        BoolValue flag => flag.Value ? 1 : 2,
        IntValue number => ((double)number.Value).GetHashCode(),
        UintValue number => ((double)number.Value).GetHashCode(),
        DoubleValue number => number.Value.GetHashCode(),
        _ => 0,
    };
}

/// <summary><c>&lt;</c> and its kin, and what sorts.</summary>
internal static class CelOrder
{
    /// <summary>Negative, zero or positive; null when the two have no order (NaN, or numbers with anything else).</summary>
    public static int? Compare(CelValue a, CelValue b) => (a, b) switch
    {
        (IntValue or UintValue or DoubleValue, IntValue or UintValue or DoubleValue) => CompareNumbers(a, b),
        (StringValue x, StringValue y) => CompareCodePoints(x.Value, y.Value),
        (BoolValue x, BoolValue y) => x.Value.CompareTo(y.Value),
        (BytesValue x, BytesValue y) => x.Value.Span.SequenceCompareTo(y.Value.Span),
        (DurationValue x, DurationValue y) => x.Nanoseconds.CompareTo(y.Nanoseconds),
        (TimestampValue x, TimestampValue y) => (x.Seconds, x.Nanoseconds).CompareTo((y.Seconds, y.Nanoseconds)),
        _ => null,
    };

    /// <summary>Exact, also where a long does not fit a double.</summary>
    public static int? CompareNumbers(CelValue a, CelValue b)
    {
        switch (a, b)
        {
            case (IntValue x, IntValue y): return x.Value.CompareTo(y.Value);
            case (UintValue x, UintValue y): return x.Value.CompareTo(y.Value);
            case (IntValue x, UintValue y): return x.Value < 0 ? -1 : ((ulong)x.Value).CompareTo(y.Value);
            case (UintValue x, IntValue y): return y.Value < 0 ? 1 : x.Value.CompareTo((ulong)y.Value);
            case (DoubleValue x, DoubleValue y): return double.IsNaN(x.Value) || double.IsNaN(y.Value) ? null : x.Value.CompareTo(y.Value);
            case (DoubleValue x, _): return CompareDouble(x.Value, b);
            case (_, DoubleValue y): return CompareDouble(y.Value, a) is { } order ? -order : null;
            default: return null;
        }
    }

    private static int? CompareDouble(double x, CelValue integer)
    {
        if (double.IsNaN(x))
            return null;
        if (integer is IntValue i)
        {
            if (x < -9223372036854775808.0)
                return -1;
            if (x >= 9223372036854775808.0)
                return 1;
            return ((Int128)Math.Floor(x)).CompareTo((Int128)i.Value) is var order && order == 0 && x > Math.Floor(x) ? 1 : order;
        }
        var u = ((UintValue)integer).Value;
        if (x < 0)
            return -1;
        if (x >= 18446744073709551616.0)
            return 1;
        return ((Int128)Math.Floor(x)).CompareTo((Int128)u) is var rest && rest == 0 && x > Math.Floor(x) ? 1 : rest;
    }

    // UTF-8 order is that of code points; UTF-16's differs beyond the surrogates.
    private static int CompareCodePoints(string a, string b)
    {
        for (var i = 0; i < a.Length && i < b.Length; i++)
        {
            if (a[i] == b[i])
                continue;
            var (aIsSurrogate, bIsSurrogate) = (char.IsSurrogate(a[i]), char.IsSurrogate(b[i]));
            return aIsSurrogate == bIsSurrogate ? a[i].CompareTo(b[i]) : aIsSurrogate ? 1 : -1;
        }
        return a.Length.CompareTo(b.Length);
    }
}
