using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Syntax;

/// <summary>A node of a parsed expression. The checker writes down its type and what it refers to.</summary>
internal abstract class Expression(int position)
{
    /// <summary>In code points: where errors about it point.</summary>
    public int Position { get; } = position;

    /// <summary>How many operators and steps are on top of each other; the parser limits it, and everything that walks a tree relies on that.</summary>
    public int Depth { get; set; }

    /// <summary>Null until checked.</summary>
    public CelType? Type { get; set; }
}

internal sealed class LiteralExpression(int position, CelValue value) : Expression(position)
{
    public CelValue Value { get; } = value;
}

/// <summary>A name; a leading dot asks for the outermost one. Checking replaces it by the name found.</summary>
internal sealed class IdentifierExpression(int position, string name) : Expression(position)
{
    public string Name { get; set; } = name;

    /// <summary>Of type names such as <c>int</c>.</summary>
    public CelValue? Constant { get; set; }
}

internal sealed class SelectExpression(int position, Expression operand, string field, bool isTest) : Expression(position)
{
    public Expression Operand { get; } = operand;
    public string Field { get; } = field;

    /// <summary><c>has(a.b)</c>: is it there.</summary>
    public bool IsTest { get; } = isTest;

    /// <summary>Set when the whole path is the name of one variable: <c>a.b</c>.</summary>
    public IdentifierExpression? Resolved { get; set; }
}

/// <summary>A function, a method or an operator; operators are named as in cel-go: <c>_+_</c>.</summary>
internal sealed class CallExpression(int position, string function, Expression? target, IReadOnlyList<Expression> arguments) : Expression(position)
{
    public string Function { get; set; } = function;

    /// <summary>Of methods. Checking takes it away when it was a namespace: <c>format.named(x)</c>.</summary>
    public Expression? Target { get; set; } = target;
    public IReadOnlyList<Expression> Arguments { get; } = arguments;

    /// <summary>The overloads that fit, once checked. More than one means that the values decide.</summary>
    public IReadOnlyList<Overload> Overloads { get; set; } = [];
}

internal sealed class ListExpression(int position, IReadOnlyList<Expression> elements, IReadOnlyList<int> optionals) : Expression(position)
{
    public IReadOnlyList<Expression> Elements { get; } = elements;

    /// <summary>Places of the elements written <c>?e</c>.</summary>
    public IReadOnlyList<int> Optionals { get; } = optionals;
}

internal sealed record MapEntry(int Position, Expression Key, Expression Value, bool IsOptional);

internal sealed class MapExpression(int position, IReadOnlyList<MapEntry> entries) : Expression(position)
{
    public IReadOnlyList<MapEntry> Entries { get; } = entries;
}

internal sealed record FieldEntry(int Position, string Name, Expression Value, bool IsOptional);

/// <summary><c>Type{field: value}</c>. No type of Kubernetes 1.32 can be made so: the checker says so.</summary>
internal sealed class StructExpression(int position, string name, IReadOnlyList<FieldEntry> fields) : Expression(position)
{
    public string Name { get; } = name;
    public IReadOnlyList<FieldEntry> Fields { get; } = fields;
}

/// <summary>What all the looping macros become: a fold over a list or the keys of a map.</summary>
internal sealed class ComprehensionExpression(int position) : Expression(position)
{
    public required Expression Range { get; init; }
    public required string Variable { get; init; }

    /// <summary>Of the macros with two variables: index and item, key and value. Else null.</summary>
    public string? SecondVariable { get; init; }
    public required string Accumulator { get; init; }
    public required Expression Initial { get; init; }
    public required Expression Condition { get; init; }
    public required Expression Step { get; init; }
    public required Expression Result { get; init; }

    /// <summary>No loop, only a name for a value: <c>cel.bind</c>, <c>optMap</c>.</summary>
    public bool IsBinding => Range is ListExpression { Elements.Count: 0 } && Condition is LiteralExpression { Value: BoolValue { Value: false } };
}

/// <summary>The names that operators have as functions.</summary>
internal static class Operators
{
    public const string Conditional = "_?_:_", And = "_&&_", Or = "_||_", Not = "!_", Negate = "-_";
    public const string Equal = "_==_", NotEqual = "_!=_", Less = "_<_", LessEqual = "_<=_", Greater = "_>_", GreaterEqual = "_>=_";
    public const string Add = "_+_", Subtract = "_-_", Multiply = "_*_", Divide = "_/_", Modulo = "_%_";
    public const string In = "@in", Index = "_[_]", OptionalIndex = "_[?_]", OptionalSelect = "_?._", NotStrictlyFalse = "@not_strictly_false";
}
