using Minke.Api;
using Minke.Cel.Syntax;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Evaluation;

/// <summary>From a checked expression to the steps that evaluate it. What is constant is worked out here.</summary>
internal sealed class Planner(CelEnvironment environment)
{
    private static readonly HashSet<string> Conversions = new(StringComparer.Ordinal)
    {
        "bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "uint",
    };

    private readonly Dictionary<Expression, Node> _planned = new(ReferenceEqualityComparer.Instance);
    private readonly Stack<(string Name, int Slot)> _locals = new();

    /// <summary>How many variables of loops there are; each has a place of its own, since bound values are evaluated late.</summary>
    public int Locals { get; private set; }

    /// <exception cref="PlanException">A constant part has no value.</exception>
    public Node Plan(Expression expression)
    {
        if (_planned.TryGetValue(expression, out var known))
            return known;
        var node = expression switch
        {
            LiteralExpression literal => new ConstantNode(literal.Value),
            IdentifierExpression identifier => Identifier(identifier),
            SelectExpression { Resolved: { } whole } => Identifier(whole),
            SelectExpression select => Path(select.Operand).With(
                new Qualifier(new ConstantNode(new StringValue(select.Field)), IsOptional: false, select.IsTest, select.IsTest ? 0UL : 1UL)),
            CallExpression call => Call(call),
            ListExpression list => List(list),
            MapExpression map => Map(map),
            ComprehensionExpression comprehension => Comprehension(comprehension),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
        _planned[expression] = node;
        return node;
    }

    private Node Identifier(IdentifierExpression identifier)
    {
        if (identifier.Constant is { } constant)
            return new ConstantNode(constant);
        foreach (var (name, slot) in _locals)
        {
            if (name == identifier.Name)
                return new AttributeNode(new Root.Local(slot), []);
        }
        return new AttributeNode(new Root.Variable(identifier.Name.TrimStart('.')), []);
    }

    private AttributeNode Path(Expression expression) => Plan(expression) as AttributeNode ?? new AttributeNode(new Root.Computed(Plan(expression)), []);

    private Node Call(CallExpression call)
    {
        switch (call.Function)
        {
            case Operators.Conditional:
                return new AttributeNode(new Root.Conditional(Plan(call.Arguments[0]), Path(call.Arguments[1]), Path(call.Arguments[2])), []);
            case Operators.And or Operators.Or:
                return new LogicNode([.. call.Arguments.Select(Plan)], decides: call.Function == Operators.Or);
            case Operators.NotStrictlyFalse:
                return new NotStrictlyFalseNode(Plan(call.Arguments[0]));
            case Operators.Index or Operators.OptionalIndex:
                return Path(call.Arguments[0]).With(Step(call.Arguments[1], call.Function == Operators.OptionalIndex));
            case Operators.OptionalSelect:
                return Path(call.Arguments[0]).With(Step(call.Arguments[1], isOptional: true));
            case "or" or "orValue" when call.Target is not null && call.Overloads is [{ Id: "optional_or_optional" or "optional_orValue_value" }]:
                return new OptionalOrNode(Plan(call.Target), Plan(call.Arguments[0]), call.Function == "orValue");
        }

        Node[] arguments = call.Target is null ? [.. call.Arguments.Select(Plan)] : [Plan(call.Target), .. call.Arguments.Select(Plan)];
        var function = environment.Function(call.Function)!;
        var node = new CallNode(function, call.Overloads, arguments);
        if (call.Function == Operators.In && call.Overloads is [{ Id: "in_list" }] && arguments[1] is ConstantNode { Value: ListValue list })
            return InConstants(arguments[0], list) ?? node;
        if (call.Target is null && arguments is [ConstantNode single] && Conversions.Contains(call.Function))
            return node.Invoke([single.Value]) is var value && value is ErrorValue error ? throw new PlanException(error.Message) : new ConstantNode(value);
        if (arguments is not [_, ConstantNode { Value: StringValue { Value: var pattern } }, ..])
            return node;
        return call.Function switch
        {
            "matches" => Matches(call, function, arguments, pattern),
            "find" or "findAll" => GoRegex.TryGet(pattern, out _, out var wrong) ? node : throw new PlanException(wrong),
            _ => node,
        };
    }

    private Qualifier Step(Expression index, bool isOptional)
    {
        var node = Plan(index);
        // A path as index is charged as a path, and the step is free.
        return new Qualifier(node, isOptional, IsTest: false, node is AttributeNode ? 0UL : 1UL);
    }

    private static Node? InConstants(Node item, ListValue list)
    {
        if (list.Count == 0)
            return new ConstantNode(BoolValue.False);
        return list.Items.All(value => value is BoolValue or IntValue or UintValue or DoubleValue or StringValue)
            ? new InConstantsNode(item, new HashSet<CelValue>(list.Items, KeyComparer.Instance))
            : null;
    }

    private static CallNode Matches(CallExpression call, Function function, Node[] arguments, string pattern)
    {
        if (!GoRegex.TryGet(pattern, out var regex, out var error))
            throw new PlanException(error);
        var overloads = call.Overloads.Select(overload => overload with
        {
            Implementation = values => BoolValue.Of(regex.IsMatch(((StringValue)values[0]).Value)),
        });
        return new CallNode(function, [.. overloads], arguments);
    }

    private Node List(ListExpression list)
    {
        Node[] elements = [.. list.Elements.Select(Plan)];
        if (list.Optionals.Count == 0 && elements.All(element => element is ConstantNode))
            return new ConstantNode(new ItemList([.. elements.Select(element => ((ConstantNode)element).Value)]));
        var optionals = new bool[elements.Length];
        foreach (var place in list.Optionals)
            optionals[place] = true;
        return new ListNode(elements, optionals);
    }

    private Node Map(MapExpression map)
    {
        (Node Key, Node Value, bool IsOptional)[] entries = [.. map.Entries.Select(entry => (Plan(entry.Key), Plan(entry.Value), entry.IsOptional))];
        var node = new MapNode(entries);
        if (!entries.All(entry => !entry.IsOptional && entry.Key is ConstantNode && entry.Value is ConstantNode))
            return node;
        var value = node.Evaluate(new Run(Activation.Empty, 0, ulong.MaxValue, CancellationToken.None));
        return value is ErrorValue ? node : new ConstantNode(value);
    }

    private Node Comprehension(ComprehensionExpression comprehension)
    {
        var accumulator = Locals++;
        if (comprehension.IsBinding)
        {
            var value = Plan(comprehension.Initial);
            _locals.Push((comprehension.Accumulator, accumulator));
            var bound = Plan(comprehension.Result);
            _locals.Pop();
            return new BindNode(accumulator, value, bound);
        }

        var range = Plan(comprehension.Range);
        var initial = Plan(comprehension.Initial);
        _locals.Push((comprehension.Accumulator, accumulator));
        var slot = Locals++;
        _locals.Push((comprehension.Variable, slot));
        int? secondSlot = null;
        if (comprehension.SecondVariable is { } second)
        {
            secondSlot = Locals++;
            _locals.Push((second, secondSlot.Value));
        }
        var condition = Plan(comprehension.Condition);
        var step = Plan(comprehension.Step);
        if (secondSlot is not null)
            _locals.Pop();
        _locals.Pop();
        var result = Plan(comprehension.Result);
        _locals.Pop();
        return new FoldNode(range, slot, secondSlot, accumulator, initial, condition, step, result);
    }
}

internal sealed class PlanException(string message) : Exception(message);
