using Minke.Cel.Values;

namespace Minke.Cel.Syntax;

/// <summary>The calls that are rewritten while they are parsed, since their arguments are not values: names and loop bodies.</summary>
internal sealed class MacroSet(bool hasTwoVariables, bool hasOptionals, bool hasBindings)
{
    private const string Accumulator = "__result__";

    /// <summary>Null when the call is no macro.</summary>
    /// <exception cref="SyntaxException">It is one, with arguments that will not do.</exception>
    public Expression? Expand(int position, string name, Expression? target, IReadOnlyList<Expression> arguments)
    {
        if (target is null)
            return name == "has" && arguments.Count == 1 ? Has(position, arguments[0]) : null;
        if (hasBindings && name == "bind" && arguments.Count == 3 && target is IdentifierExpression { Name: "cel" })
            return Bind(position, NameOf(arguments[0], "cel.bind() variable names must be simple identifiers"), arguments[1], arguments[2]);
        switch (name, arguments.Count)
        {
            case ("all", 2): return All(position, target, Variable(arguments[0]), null, arguments[1]);
            case ("exists", 2): return Exists(position, target, Variable(arguments[0]), null, arguments[1]);
            case ("exists_one", 2): return ExistsOne(position, target, Variable(arguments[0]), null, arguments[1]);
            case ("map", 2): return Map(position, target, Variable(arguments[0], "argument is not an identifier"), null, null, arguments[1]);
            case ("map", 3): return Map(position, target, Variable(arguments[0], "argument is not an identifier"), null, arguments[1], arguments[2]);
            case ("filter", 2):
                return Map(position, target, Variable(arguments[0], "argument is not an identifier"), null, arguments[1], arguments[0]);
            case ("optMap", 2) when hasOptionals: return OptionalMap(position, target, arguments, isFlat: false);
            case ("optFlatMap", 2) when hasOptionals: return OptionalMap(position, target, arguments, isFlat: true);
        }
        return hasTwoVariables ? ExpandTwoVariables(position, name, target, arguments) : null;
    }

    private static ComprehensionExpression? ExpandTwoVariables(int position, string name, Expression target, IReadOnlyList<Expression> arguments)
    {
        var filter = arguments.Count == 4 ? arguments[2] : null;
        switch (name, arguments.Count)
        {
            case ("all", 3):
                var (a1, a2) = Variables(arguments);
                return All(position, target, a1, a2, arguments[2]);
            case ("exists", 3):
                var (e1, e2) = Variables(arguments);
                return Exists(position, target, e1, e2, arguments[2]);
            case ("existsOne" or "exists_one", 3):
                var (o1, o2) = Variables(arguments);
                return ExistsOne(position, target, o1, o2, arguments[2]);
            case ("transformList", 3 or 4):
                var (l1, l2) = Variables(arguments);
                return Map(position, target, l1, l2, filter, arguments[^1]);
            case ("transformMap", 3 or 4):
                var (m1, m2) = Variables(arguments);
                return MapInsert(position, target, m1, m2, filter, [new IdentifierExpression(position, m1), arguments[^1]]);
            case ("transformMapEntry", 3 or 4):
                var (t1, t2) = Variables(arguments);
                return MapInsert(position, target, t1, t2, filter, [arguments[^1]]);
            default: return null;
        }
    }

    private static SelectExpression Has(int position, Expression argument) => argument is SelectExpression { IsTest: false } select
        ? new SelectExpression(position, select.Operand, select.Field, isTest: true)
        : throw new SyntaxException(argument.Position, "invalid argument to has() macro");

    private static ComprehensionExpression All(int position, Expression target, string variable, string? second, Expression predicate) => new(position)
    {
        Range = target,
        Variable = variable,
        SecondVariable = second,
        Accumulator = Accumulator,
        Initial = new LiteralExpression(position, BoolValue.True),
        Condition = Call(position, Operators.NotStrictlyFalse, Result(position)),
        Step = Call(position, Operators.And, Result(position), predicate),
        Result = Result(position),
    };

    private static ComprehensionExpression Exists(int position, Expression target, string variable, string? second, Expression predicate) => new(position)
    {
        Range = target,
        Variable = variable,
        SecondVariable = second,
        Accumulator = Accumulator,
        Initial = new LiteralExpression(position, BoolValue.False),
        Condition = Call(position, Operators.NotStrictlyFalse, Call(position, Operators.Not, Result(position))),
        Step = Call(position, Operators.Or, Result(position), predicate),
        Result = Result(position),
    };

    private static ComprehensionExpression ExistsOne(int position, Expression target, string variable, string? second, Expression predicate) => new(position)
    {
        Range = target,
        Variable = variable,
        SecondVariable = second,
        Accumulator = Accumulator,
        Initial = new LiteralExpression(position, new IntValue(0)),
        Condition = new LiteralExpression(position, BoolValue.True),
        Step = Call(position, Operators.Conditional, predicate,
            Call(position, Operators.Add, Result(position), new LiteralExpression(position, new IntValue(1))), Result(position)),
        Result = Call(position, Operators.Equal, Result(position), new LiteralExpression(position, new IntValue(1))),
    };

    private static ComprehensionExpression Map(
        int position, Expression target, string variable, string? second, Expression? filter, Expression transform)
    {
        var step = Call(position, Operators.Add, Result(position), new ListExpression(position, [transform], []));
        return Fold(position, target, variable, second, filter, step, new ListExpression(position, [], []));
    }

    private static ComprehensionExpression MapInsert(
        int position, Expression target, string variable, string second, Expression? filter, IReadOnlyList<Expression> inserted)
    {
        var step = Call(position, "cel.@mapInsert", [Result(position), .. inserted]);
        return Fold(position, target, variable, second, filter, step, new MapExpression(position, []));
    }

    private static ComprehensionExpression Fold(
        int position, Expression target, string variable, string? second, Expression? filter, Expression step, Expression initial) => new(position)
        {
            Range = target,
            Variable = variable,
            SecondVariable = second,
            Accumulator = Accumulator,
            Initial = initial,
            Condition = new LiteralExpression(position, BoolValue.True),
            Step = filter is null ? step : Call(position, Operators.Conditional, filter, step, Result(position)),
            Result = Result(position),
        };

    private static ComprehensionExpression Bind(int position, string variable, Expression value, Expression result) => new(position)
    {
        Range = new ListExpression(position, [], []),
        Variable = "#unused",
        Accumulator = variable,
        Initial = value,
        Condition = new LiteralExpression(position, BoolValue.False),
        Step = new IdentifierExpression(position, variable),
        Result = result,
    };

    private static CallExpression OptionalMap(int position, Expression target, IReadOnlyList<Expression> arguments, bool isFlat)
    {
        var macro = isFlat ? "optFlatMap" : "optMap";
        var variable = NameOf(arguments[0], $"{macro}() variable name must be a simple identifier");
        var bound = Bind(position, variable, new CallExpression(position, "value", target, []), arguments[1]);
        return Call(position, Operators.Conditional, new CallExpression(position, "hasValue", target, []),
            isFlat ? bound : Call(position, "optional.of", bound), Call(position, "optional.none"));
    }

    private static (string, string) Variables(IReadOnlyList<Expression> arguments)
    {
        var (first, second) = (Variable(arguments[0]), Variable(arguments[1]));
        if (first == second)
            throw new SyntaxException(arguments[1].Position, $"duplicate variable name: {first}");
        return (first, second);
    }

    private static string Variable(Expression argument, string complaint = "argument must be a simple name") =>
        NameOf(argument, complaint) is var name && name != Accumulator
            ? name
            : throw new SyntaxException(argument.Position, "iteration variable overwrites accumulator variable");

    private static string NameOf(Expression argument, string complaint) =>
        argument is IdentifierExpression identifier && identifier.Name[0] != '.'
            ? identifier.Name
            : throw new SyntaxException(argument.Position, complaint);

    private static IdentifierExpression Result(int position) => new(position, Accumulator);

    private static CallExpression Call(int position, string function, params IReadOnlyList<Expression> arguments) => new(position, function, null, arguments);
}
