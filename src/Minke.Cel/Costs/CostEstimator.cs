using Minke.Cel.Syntax;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Costs;

/// <summary>
/// What an expression can cost at most, before any value is seen: cel-go's estimator (0.22) with Kubernetes' sizes and library costs. What is
/// refused as too expensive goes by it, so its quirks are kept.
/// </summary>
internal sealed class CostEstimator(CelEnvironment environment)
{
    private const double StringFactor = RuntimeCosts.StringFactor, RegexFactor = RuntimeCosts.RegexFactor;
    private const ulong MaxFormatSize = 64;

    private static readonly CostEstimate One = CostEstimate.Fixed(1);

    private readonly Dictionary<Expression, CostEstimate> _costs = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Expression, string[]> _paths = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Expression, CostEstimate> _sizes = new(ReferenceEqualityComparer.Instance);
    private readonly Stack<(string Name, Expression Range)> _loops = new();

    public CostEstimate Estimate(Expression expression)
    {
        if (_costs.TryGetValue(expression, out var known))
            return known;
        var cost = expression switch
        {
            LiteralExpression => default,
            IdentifierExpression identifier => Identifier(identifier),
            SelectExpression { Resolved: { } whole } select => Whole(select, whole),
            SelectExpression select => Select(select),
            CallExpression call => Call(call),
            ListExpression list => list.Elements.Aggregate(CostEstimate.Fixed(10), (sum, element) => sum.Add(Estimate(element))),
            MapExpression map => map.Entries.Aggregate(CostEstimate.Fixed(30), (sum, entry) => sum.Add(Estimate(entry.Key)).Add(Estimate(entry.Value))),
            ComprehensionExpression comprehension => Comprehension(comprehension),
            _ => default,
        };
        return _costs[expression] = cost;
    }

    private CostEstimate Identifier(IdentifierExpression identifier)
    {
        _paths[identifier] = [identifier.Name];
        foreach (var (name, range) in _loops)
        {
            if (name != identifier.Name)
                continue;
            var path = _paths.GetValueOrDefault(range, []);
            _paths[identifier] = range.Type!.Kind switch
            {
                CelTypeKind.List => [.. path, "@items"],
                CelTypeKind.Map => [.. path, "@keys"],
                _ => [],
            };
            break;
        }
        return One;
    }

    private CostEstimate Whole(SelectExpression select, IdentifierExpression whole)
    {
        _paths[select] = [whole.Name];
        return One;
    }

    private CostEstimate Select(SelectExpression select)
    {
        var cost = Estimate(select.Operand);
        if (select.IsTest)
            return cost;
        _paths[select] = [.. _paths.GetValueOrDefault(select.Operand, []), select.Field];
        return select.Operand.Type!.Kind is CelTypeKind.Map or CelTypeKind.Object or CelTypeKind.TypeParameter ? cost.Add(One) : cost;
    }

    private CostEstimate Call(CallExpression call)
    {
        if (call.Function == "dyn")
        {
            var inner = Estimate(call.Arguments[0]);
            if (_sizes.TryGetValue(call.Arguments[0], out var size))
                _sizes[call] = size;
            return inner.Add(One);
        }

        var argumentCosts = call.Arguments.Select(Estimate).ToList();
        var sum = call.Target is null ? default : Estimate(call.Target);
        var total = new CostEstimate(ulong.MaxValue, 0);
        CostEstimate? resultSize = null;
        foreach (var overload in call.Overloads)
        {
            var (cost, size) = Function(call, overload.Id, argumentCosts);
            total = total.Union(cost);
            if (size is { } known)
                resultSize = resultSize?.Union(known) ?? known;
            if (overload.Id is "index_list" or "index_map")
                _paths[call] = [.. _paths.GetValueOrDefault(call.Arguments[0], []), overload.Id == "index_list" ? "@items" : "@values"];
        }
        if (resultSize is { } result)
            _sizes[call] = result;
        return sum.Add(total);
    }

    private CostEstimate Comprehension(ComprehensionExpression comprehension)
    {
        var sum = Estimate(comprehension.Range).Add(Estimate(comprehension.Initial));
        _loops.Push((comprehension.Variable, comprehension.Range));
        if (comprehension.SecondVariable is { } second)
            _loops.Push((second, comprehension.Range));
        var condition = Estimate(comprehension.Condition);
        var step = Estimate(comprehension.Step);
        if (comprehension.SecondVariable is not null)
            _loops.Pop();
        _loops.Pop();
        sum = sum.Add(Estimate(comprehension.Result));
        var count = Size(comprehension.Range);
        _sizes[comprehension] = count;
        return sum.Add(count.Multiply(step.Add(condition)));
    }

    private (CostEstimate Cost, CostEstimate? Size) Function(CallExpression call, string overloadId, List<CostEstimate> argumentCosts)
    {
        var arguments = argumentCosts.Aggregate(default(CostEstimate), (sum, cost) => sum.Add(cost));
        if (Library(call, overloadId) is var (libraryCost, librarySize))
            return (libraryCost.Add(arguments), librarySize);

        var values = call.Arguments;
        switch (overloadId)
        {
            case "string_format":
                return (Size(call.Target!).Scale(StringFactor).Add(arguments), null);
            case "string_to_bytes":
                var text = Size(values[0]);
                return (text.Scale(StringFactor).Add(arguments), new(text.Min, unchecked(text.Max * 4)));
            case "bytes_to_string":
                var bytes = Size(values[0]);
                return (bytes.Scale(StringFactor).Add(arguments), new(bytes.Min / 4, bytes.Max));
            case "strings_quote":
                var quoted = Size(values[0]);
                return (quoted.Scale(StringFactor).Add(arguments), new(unchecked(quoted.Min + 2), unchecked((quoted.Max * 2) + 2)));
            case "starts_with_string" or "ends_with_string":
                return (Size(values[0]).Scale(StringFactor).Add(arguments), null);
            case "in_list":
                return (Size(values[1]).Scale(1).Add(arguments), null);
            case "matches_string":
                return (Size(call.Target!).Add(One).Scale(StringFactor).Multiply(Size(values[0]).Scale(RegexFactor)).Add(arguments), null);
            case "contains_string":
                return (Size(call.Target!).Scale(StringFactor).Multiply(Size(values[0]).Scale(StringFactor)).Add(arguments), null);
            case "logical_or" or "logical_and":
                // The first decides, or all are needed.
                return (new(argumentCosts[0].Min, arguments.Max), null);
            case "conditional":
                return (argumentCosts[0].Add(argumentCosts[1].Union(argumentCosts[2])), Size(values[1]).Union(Size(values[2])));
            case "add_string" or "add_bytes" or "add_list":
                var sum = Size(values[0]).Add(Size(values[1]));
                return ((overloadId == "add_list" ? One : sum.Scale(StringFactor)).Add(arguments), sum);
            case "less_string" or "greater_string" or "less_equals_string" or "greater_equals_string"
                or "less_bytes" or "greater_bytes" or "less_equals_bytes" or "greater_equals_bytes" or "equals" or "not_equals":
                var most = Math.Min(Size(values[0]).Max, Size(values[1]).Max);
                return (new CostEstimate(most > 0 ? 1UL : 0UL, most).Scale(StringFactor).Add(arguments), null);
            default:
                return (One.Add(arguments), null);
        }
    }

    private (CostEstimate Cost, CostEstimate? Size)? Library(CallExpression call, string overloadId)
    {
        var target = call.Target;
        var arguments = call.Arguments;
        switch (call.Function)
        {
            case "check":
                return (CostEstimate.Fixed(350_000), null);
            case "serviceAccount" or "path" or "group" or "resource" or "subresource" or "namespace" or "name" or "allowed" or "reason" or "error"
                or "errored":
                return (One, null);
            case "fieldSelector" or "labelSelector" when arguments.Count == 1:
                return (RuntimeCosts.Selector(Size(arguments[0])), null);
            case "isSorted" or "sum" or "max" or "min" or "indexOf" or "lastIndexOf" when target is not null:
                return (Comparing(target), null);
            case "url" when arguments.Count == 1:
                return (Size(arguments[0]).Scale(StringFactor), null);
            case "lowerAscii" or "upperAscii" or "substring" or "trim" when target is not null:
                return (Size(target).Scale(StringFactor), Size(target));
            case "replace" when target is not null && arguments.Count >= 2:
                return (Size(target).Scale(2 * StringFactor), Replaced(Size(target), Size(arguments[0]), Size(arguments[1])));
            case "split" when target is not null:
                var most = arguments is [_, LiteralExpression { Value: IntValue { Value: >= 0 } limit }, ..] ? (ulong)limit.Value : Size(target).Max;
                return (Size(target).Scale(2 * StringFactor), new(0, most));
            case "join" when target is not null:
                var joined = Joined(target, arguments);
                return (joined.Scale(StringFactor), joined);
            case "find" or "findAll" when target is not null && arguments.Count >= 1:
                var cost = Size(target).Add(One).Scale(StringFactor).Multiply(Size(arguments[0]).Scale(RegexFactor));
                return (cost, new(0, Size(target).Max));
            case "cidr" or "isIP" or "isCIDR" or "quantity" or "isQuantity" when arguments.Count == 1:
                return (Size(arguments[0]).Scale(StringFactor), null);
            case "ip":
                return (arguments.Count >= 1 ? Size(arguments[0]).Scale(StringFactor) : One, null);
            case "ip.isCanonical" when arguments.Count >= 1:
                return (Size(arguments[0]).Scale(2 * StringFactor), null);
            case "masked" or "prefixLength" or "family" or "isUnspecified" or "isLoopback" or "isLinkLocalMulticast" or "isLinkLocalUnicast" or "isGlobalUnicast":
                return (One, null);
            case "containsIP" or "containsCIDR" when target is not null && arguments.Count >= 1:
                return (Containing(call.Function == "containsCIDR", overloadId, arguments[0]), null);
            case "validate" when target is not null && arguments.Count >= 1:
                return (Size(arguments[0]).Scale(StringFactor).Scale(MaxFormatSize * RegexFactor), null);
            case "format.named" or "sign" or "asInteger" or "isInteger" or "asApproximateFloat" or "isGreaterThan" or "isLessThan" or "compareTo" or "add" or "sub":
                return (One, null);
            case "sets.contains" or "sets.intersects" or "sets.equivalent" when arguments.Count == 2:
                return (Size(arguments[0]).Multiply(Size(arguments[1])).Scale(call.Function == "sets.equivalent" ? 2 : 1).Add(One), null);
            default:
                return null;
        }
    }

    private CostEstimate Comparing(Expression target)
    {
        if (target.Type!.Parameters.Count == 0)
            return Size(target).Scale(StringFactor);
        var element = target.Type.Parameters[0];
        var each = element.Kind is CelTypeKind.String or CelTypeKind.Bytes ? One.Add(ElementSize(target).Scale(StringFactor)) : One;
        return Size(target).Multiply(each);
    }

    private CostEstimate Joined(Expression target, IReadOnlyList<Expression> arguments)
    {
        var list = Size(target);
        var joined = target.Type!.Parameters.Count > 0 ? list.Multiply(ElementSize(target)) : default;
        if (arguments.Count == 0)
            return joined;
        var separators = new CostEstimate(list.Min > 0 ? list.Min - 1 : 0, list.Max > 0 ? list.Max - 1 : 0);
        return joined.Add(Size(arguments[0]).Multiply(separators));
    }

    private static CostEstimate Replaced(CostEstimate text, CostEstimate replaced, CostEstimate replacement)
    {
        ulong mostTimes, mostKept = 0, leastTimes, leastKept = 0;
        if (replaced.Min == 0)
            (mostTimes, mostKept) = (text.Max < ulong.MaxValue ? text.Max + 1 : text.Max, text.Max);
        else if (replacement.Max <= replaced.Min)
            (mostTimes, mostKept) = (0, text.Max);
        else
            mostTimes = Divided(text.Max, replaced.Min);
        if (replaced.Max == 0)
            (leastTimes, leastKept) = (text.Min < ulong.MaxValue ? text.Min + 1 : text.Min, text.Min);
        else if (replaced.Max <= replacement.Min)
            (leastTimes, leastKept) = (0, text.Min);
        else
            leastTimes = Divided(text.Min, replaced.Max);
        return new CostEstimate(leastTimes, mostTimes).Multiply(replacement).Add(new(leastKept, mostKept));
    }

    private static ulong Divided(ulong a, ulong b) => Math.Ceiling((double)a / b) is var quotient && quotient >= 18446744073709551616.0 ? ulong.MaxValue : (ulong)quotient;

    private CostEstimate Containing(bool isCidr, string overloadId, Expression argument)
    {
        // Addresses are four or sixteen bytes.
        var address = new CostEstimate(4, 16);
        var cost = address.Add(address).Scale(StringFactor);
        if (isCidr)
            cost = cost.Add(address.Scale(StringFactor)).Add(One);
        return overloadId is "cidr_contains_ip_string" or "cidr_contains_cidr_string" ? cost.Add(Size(argument).Scale(StringFactor)) : cost;
    }

    private CostEstimate Size(Expression expression)
    {
        if (_sizes.TryGetValue(expression, out var computed))
            return computed;
        switch (expression)
        {
            case LiteralExpression literal: return CostEstimate.Fixed((ulong)(literal.Value.Size ?? 1));
            case ListExpression list: return CostEstimate.Fixed((ulong)list.Elements.Count);
            case MapExpression map: return CostEstimate.Fixed((ulong)map.Entries.Count);
        }
        return DeclaredSize(_paths.GetValueOrDefault(expression, [])) ?? (expression.Type!.IsScalar ? One : CostEstimate.Unknown);
    }

    private CostEstimate ElementSize(Expression list) =>
        _paths.TryGetValue(list, out var path) && path.Length > 0 && DeclaredSize([.. path, "@items"]) is { } size ? size : CostEstimate.Unknown;

    /// <summary>What the variable's type says of the place a path leads to.</summary>
    private CostEstimate? DeclaredSize(string[] path)
    {
        if (path.Length == 0 || environment.Variable(path[0]) is not { } type)
            return null;
        foreach (var step in path.AsSpan(1))
        {
            CelType? next = (step, type.Kind) switch
            {
                ("@items", CelTypeKind.List) => type.Parameters[0],
                ("@values", CelTypeKind.Map) => type.Parameters[1],
                ("@keys", CelTypeKind.Map) => type.Parameters[0],
                (_, CelTypeKind.Object) when type is CelObjectType fields => fields.Fields.GetValueOrDefault(step),
                _ => null,
            };
            if (next is null)
                return null;
            type = next;
        }
        if (type.MaxElements is { } most)
            return new CostEstimate(0, (ulong)most);
        // What has no length counts as nothing: so comparing two objects, or two numbers of an object, is free, and that is relied on.
        return type.IsScalar || type.Kind == CelTypeKind.Object ? new CostEstimate(0, 0) : null;
    }
}
