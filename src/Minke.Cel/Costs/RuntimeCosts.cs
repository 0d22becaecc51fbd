using Minke.Cel.Values;

namespace Minke.Cel.Costs;

/// <summary>What calls cost with the values they get: cel-go's tracker with Kubernetes' library costs.</summary>
internal static class RuntimeCosts
{
    public const double StringFactor = 0.1, RegexFactor = 0.25;

    /// <summary>False when the cost depends on the result: ask <see cref="After"/>.</summary>
    public static bool TryBefore(string function, string overloadId, CelValue[] arguments, out ulong cost)
    {
        cost = 0;
        if (function == "join")
            return false;
        cost = Library(function, overloadId, arguments) ?? Standard(overloadId, arguments);
        return true;
    }

    /// <summary>Of <c>join</c>: its result is walked twice.</summary>
    public static ulong After(CelValue result) => Scaled(SizeOf(result), 2 * StringFactor);

    /// <summary>Of a selector that is this long: a list of requirements, each with values of its own and at least two characters.</summary>
    public static CostEstimate Selector(CostEstimate length) =>
        CostEstimate.Fixed(10).Add(length.Scale(StringFactor)).Add(length.Scale(0.5).Scale(50));

    private static ulong? Library(string function, string overloadId, CelValue[] arguments)
    {
        switch (function)
        {
            case "check":
                return 350_000;
            case "serviceAccount" or "path" or "group" or "resource" or "subresource" or "namespace" or "name" or "allowed" or "reason"
                or "error" or "errored":
                return 1;
            case "fieldSelector" or "labelSelector":
                return Selector(CostEstimate.Fixed(SizeOf(arguments[1]))).Max;
            case "isSorted" or "sum" or "max" or "min" or "indexOf" or "lastIndexOf":
                var steps = 0;
                return Traversal(arguments[0], ref steps);
            case "url" or "lowerAscii" or "upperAscii" or "substring" or "trim" or "cidr" or "isIP" or "isCIDR" or "quantity" or "isQuantity":
                return Scaled(SizeOf(arguments[0]), StringFactor);
            case "replace" or "split" or "ip.isCanonical":
                return Scaled(SizeOf(arguments[0]), 2 * StringFactor);
            case "find" or "findAll":
                return Saturated(Scaled(1 + SizeOf(arguments[0]), StringFactor), Scaled(SizeOf(arguments[1]), RegexFactor));
            case "ip":
                return overloadId == "cidr_ip" ? 1 : Scaled(SizeOf(arguments[0]), StringFactor);
            case "masked" or "prefixLength" or "family" or "isUnspecified" or "isLoopback" or "isLinkLocalMulticast" or "isLinkLocalUnicast" or "isGlobalUnicast":
                return 1;
            case "containsIP":
                return Scaled(2 * SizeOf(arguments[0]), StringFactor)
                    + (overloadId == "cidr_contains_ip_string" ? Scaled(SizeOf(arguments[1]), StringFactor) : 0);
            case "containsCIDR":
                return Scaled(2 * SizeOf(arguments[0]), StringFactor) + Scaled(SizeOf(arguments[0]), StringFactor) + 1
                    + (overloadId == "cidr_contains_cidr_string" ? Scaled(SizeOf(arguments[1]), StringFactor) : 0);
            case "validate" when arguments[0] is Libraries.FormatValue format:
                return Saturated(Scaled(SizeOf(arguments[1]), StringFactor), Scaled((ulong)format.MaxRegexSize, RegexFactor));
            case "format.named" or "sign" or "asInteger" or "isInteger" or "asApproximateFloat" or "isGreaterThan" or "isLessThan" or "compareTo"
                or "add" or "sub":
                return 1;
            case "sets.contains" or "sets.intersects":
                return Saturating(1, Saturated(SizeOf(arguments[0]), SizeOf(arguments[1])));
            case "sets.equivalent":
                return Saturating(1, Saturated(2, Saturated(SizeOf(arguments[0]), SizeOf(arguments[1]))));
            default:
                return null;
        }
    }

    private static ulong Standard(string overloadId, CelValue[] arguments)
    {
        switch (overloadId)
        {
            case "starts_with_string" or "ends_with_string" or "string_to_bytes" or "bytes_to_string" or "strings_quote" or "string_format":
                return Scaled(SizeOf(arguments[0]), StringFactor);
            case "in_list":
                return SizeOf(arguments[1]);
            case "less_string" or "greater_string" or "less_equals_string" or "greater_equals_string"
                or "less_bytes" or "greater_bytes" or "less_equals_bytes" or "greater_equals_bytes" or "equals" or "not_equals":
                return Scaled(Math.Min(SizeOf(arguments[0]), SizeOf(arguments[1])), StringFactor);
            case "add_string" or "add_bytes":
                return Scaled(SizeOf(arguments[0]) + SizeOf(arguments[1]), StringFactor);
            case "matches_string":
                return Saturated(Scaled(1 + SizeOf(arguments[0]), StringFactor), Scaled(SizeOf(arguments[1]), RegexFactor));
            case "contains_string":
                return Saturated(Scaled(SizeOf(arguments[0]), StringFactor), Scaled(SizeOf(arguments[1]), StringFactor));
            default:
                return 1;
        }
    }

    private static ulong SizeOf(CelValue value) => (ulong)(value.Size ?? 1);

    private static ulong Scaled(ulong size, double factor) => (ulong)Math.Ceiling(size * factor);

    private static ulong Saturated(ulong a, ulong b) => (UInt128)a * b is var product && product > ulong.MaxValue ? ulong.MaxValue : (ulong)product;

    private static ulong Saturating(ulong a, ulong b) => ulong.MaxValue - a < b ? ulong.MaxValue : a + b;

    private static ulong Traversal(CelValue value, ref int steps)
    {
        if (++steps > 10_000_000)
            throw new CostLimitException();
        switch (value)
        {
            case StringValue text:
                return (ulong)(System.Text.Encoding.UTF8.GetByteCount(text.Value) * StringFactor);
            case BytesValue bytes:
                return (ulong)(bytes.Value.Length * StringFactor);
            case ListValue list:
                ulong sum = 0;
                for (var i = 0; i < list.Count; i++)
                    sum += Traversal(list[i], ref steps);
                return sum;
            case MapValue map:
                ulong total = 0;
                foreach (var key in map.Keys)
                    total += Traversal(key, ref steps) + Traversal(map.Find(key)!, ref steps);
                return total;
            default:
                return 1;
        }
    }
}
