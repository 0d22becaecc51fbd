using Minke.Cel.Syntax;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Checking;

/// <summary>Gives every node a type and every call its overloads. Gradual: <c>dyn</c> fits everywhere and is decided by values.</summary>
internal sealed class Checker(CelEnvironment environment, SourceText source, List<CelIssue> issues)
{
    private readonly TypeBindings _bindings = new();
    private readonly List<Expression> _checked = [];
    private Scope? _scope;
    private int _freshParameters;

    public void Check(Expression root)
    {
        Visit(root);
        foreach (var expression in _checked)
            expression.Type = _bindings.Substitute(expression.Type!, unboundToDyn: true);
    }

    private CelType Visit(Expression expression)
    {
        // Macros may use one argument in two places.
        if (expression.Type is not null)
            return expression.Type;
        var type = expression switch
        {
            LiteralExpression literal => literal.Value.Type,
            IdentifierExpression identifier => Identifier(identifier),
            SelectExpression select => Select(select),
            CallExpression { Function: Operators.OptionalSelect } call => OptionalSelect(call),
            CallExpression call => Call(call),
            ListExpression list => List(list),
            MapExpression map => Map(map),
            StructExpression made => Struct(made),
            ComprehensionExpression comprehension => Comprehension(comprehension),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
        expression.Type = type;
        _checked.Add(expression);
        return type;
    }

    private CelType Identifier(IdentifierExpression identifier)
    {
        if (Resolve(identifier.Name, identifier) is { } type)
            return type;
        Report(identifier, $"undeclared reference to '{identifier.Name}' (in container '')");
        return CelType.Error;
    }

    /// <summary>A loop's variable, a variable or the name of a type.</summary>
    private CelType? Resolve(string name, IdentifierExpression identifier)
    {
        var isOutermost = name[0] == '.';
        name = isOutermost ? name[1..] : name;
        if (!isOutermost && Scope.Find(_scope, name) is { } local)
            return local;
        if (environment.Variable(name) is { } variable)
        {
            identifier.Name = name;
            return variable;
        }
        if (environment.NamedType(name) is not { } type)
            return null;
        identifier.Name = name;
        identifier.Constant = new TypeValue(type);
        return CelType.TypeOf(type);
    }

    private CelType Select(SelectExpression select)
    {
        // A path may be the name of one variable.
        if (!select.IsTest && Parser.QualifiedName(select, environment.LongestName) is { } path)
        {
            var whole = new IdentifierExpression(select.Position, path);
            var first = path[..path.IndexOf('.', StringComparison.Ordinal)];
            if ((first.Length == 0 || Scope.Find(_scope, first) is null) && Resolve(path, whole) is { } type)
            {
                whole.Type = type;
                select.Resolved = whole;
                return type;
            }
        }
        var field = Field(select, select.Operand, select.Field, isOptional: false);
        return select.IsTest ? CelType.Bool : _bindings.Substitute(field, unboundToDyn: false);
    }

    private CelType OptionalSelect(CallExpression call)
    {
        var name = (StringValue)((LiteralExpression)call.Arguments[1]).Value;
        call.Overloads = [environment.OptionalSelect];
        return _bindings.Substitute(Field(call, call.Arguments[0], name.Value, isOptional: true), unboundToDyn: false);
    }

    private CelType Field(Expression expression, Expression operand, string field, bool isOptional)
    {
        var operandType = _bindings.Substitute(Visit(operand), unboundToDyn: false);
        var target = operandType.IsOptional ? operandType.Parameters[0] : operandType;
        CelType result;
        switch (target)
        {
            case { Kind: CelTypeKind.Map }:
                result = target.Parameters[1];
                break;
            case CelObjectType objectType:
                if (!objectType.Fields.TryGetValue(field, out var found))
                {
                    Report(expression, $"undefined field '{field}'");
                    found = CelType.Error;
                }
                result = found;
                break;
            case { Kind: CelTypeKind.TypeParameter }:
                _bindings.IsAssignable(CelType.Dyn, target);
                result = CelType.Dyn;
                break;
            default:
                if (target.Kind == CelTypeKind.Object)
                    Report(expression, $"undefined field '{field}'");
                else if (!target.IsDynamic)
                    Report(expression, $"type '{target}' does not support field selection");
                result = CelType.Dyn;
                break;
        }
        return operandType.IsOptional || isOptional ? CelType.Optional(result) : result;
    }

    private CelType Call(CallExpression call)
    {
        foreach (var argument in call.Arguments)
            Visit(argument);
        if (call.Target is null)
            return environment.Function(call.Function) is { } function ? Overloads(call, function) : Undeclared(call);

        // a.b.c() is the function a.b.c, or the method c of a.b.
        if (Parser.QualifiedName(call.Target, environment.LongestName) is { } path && environment.Function($"{path}.{call.Function}") is { } qualified)
        {
            call.Function = qualified.Name;
            call.Target = null;
            return Overloads(call, qualified);
        }
        Visit(call.Target);
        return environment.Function(call.Function) is { } method ? Overloads(call, method) : Undeclared(call);
    }

    private CelType Undeclared(CallExpression call)
    {
        Report(call, $"undeclared reference to '{call.Function}' (in container '')");
        return CelType.Error;
    }

    private CelType Overloads(CallExpression call, Function function)
    {
        if (call.Function is Operators.And or Operators.Or)
            return Logic(call, function);

        var argumentTypes = new List<CelType>();
        if (call.Target is not null)
            argumentTypes.Add(call.Target.Type!);
        argumentTypes.AddRange(call.Arguments.Select(argument => argument.Type!));

        var fitting = new List<Overload>();
        CelType? result = null;
        foreach (var overload in function.Overloads)
        {
            if (overload.IsMember != call.Target is not null || overload.Parameters.Count != argumentTypes.Count)
                continue;
            var (parameters, overloadResult) = Instantiate(overload);
            if (!_bindings.AreAssignable(argumentTypes, parameters))
                continue;
            fitting.Add(overload);
            overloadResult = _bindings.Substitute(overloadResult, unboundToDyn: false);
            if (result is null)
                result = overloadResult;
            else if (result.Kind != CelTypeKind.Dyn && !result.IsSame(overloadResult))
                result = CelType.Dyn;
        }
        if (result is null)
        {
            var shown = argumentTypes.Select(type => _bindings.Substitute(type, unboundToDyn: true).ToString()).ToList();
            var signature = call.Target is null ? $"({string.Join(", ", shown)})" : $"{shown[0]}.({string.Join(", ", shown.Skip(1))})";
            Report(call, $"found no matching overload for '{function.Name}' applied to '{signature}'");
            return CelType.Error;
        }
        call.Overloads = fitting;
        return result;
    }

    private CelType Logic(CallExpression call, Function function)
    {
        call.Overloads = function.Overloads;
        var isWrong = false;
        foreach (var argument in call.Arguments)
        {
            if (_bindings.IsAssignable(argument.Type!, CelType.Bool))
                continue;
            Report(argument, $"expected type 'bool' but found '{Shown(argument.Type!)}'");
            isWrong = true;
        }
        return isWrong ? CelType.Error : CelType.Bool;
    }

    private (IReadOnlyList<CelType> Parameters, CelType Result) Instantiate(Overload overload)
    {
        if (overload.TypeParameters.Count == 0)
            return (overload.Parameters, overload.Result);
        var fresh = new TypeBindings();
        foreach (var parameter in overload.TypeParameters)
            fresh.Bind(parameter, FreshParameter());
        return ([.. overload.Parameters.Select(type => fresh.Substitute(type, unboundToDyn: false))], fresh.Substitute(overload.Result, unboundToDyn: false));
    }

    private CelType List(ListExpression list)
    {
        CelType? elementType = null;
        for (var i = 0; i < list.Elements.Count; i++)
        {
            var element = list.Elements[i];
            var type = Visit(element);
            elementType = Join(element, elementType, list.Optionals.Contains(i) ? Unwrapped(element, type) : type);
        }
        return CelType.List(elementType ?? FreshParameter());
    }

    private CelType Map(MapExpression map)
    {
        CelType? keyType = null, valueType = null;
        foreach (var entry in map.Entries)
        {
            keyType = Join(entry.Key, keyType, Visit(entry.Key));
            var type = Visit(entry.Value);
            valueType = Join(entry.Value, valueType, entry.IsOptional ? Unwrapped(entry.Value, type) : type);
        }
        return CelType.Map(keyType ?? FreshParameter(), valueType ?? FreshParameter());
    }

    private CelType Unwrapped(Expression element, CelType type)
    {
        if (type.IsOptional)
            return type.Parameters[0];
        if (!type.IsDynamic)
            Report(element, $"expected type '{Shown(CelType.Optional(type))}' but found '{Shown(type)}'");
        return type;
    }

    private CelType Join(Expression element, CelType? previous, CelType current)
    {
        if (previous is null)
            return current;
        if (_bindings.IsAssignable(previous, current))
            return TypeBindings.MostGeneral(previous, current);
        Report(element, $"expected type '{Shown(previous)}' but found '{Shown(current)}'");
        return CelType.Error;
    }

    private CelType Struct(StructExpression made)
    {
        Report(made, $"undeclared reference to '{made.Name}' (in container '')");
        return CelType.Error;
    }

    private CelType Comprehension(ComprehensionExpression comprehension)
    {
        var range = _bindings.Substitute(Visit(comprehension.Range), unboundToDyn: false);
        var accumulator = Visit(comprehension.Initial);
        CelType first, second;
        switch (range.Kind)
        {
            case CelTypeKind.List:
                (first, second) = comprehension.SecondVariable is null ? (range.Parameters[0], CelType.Dyn) : (CelType.Int, range.Parameters[0]);
                break;
            case CelTypeKind.Map:
                (first, second) = (range.Parameters[0], range.Parameters[1]);
                break;
            case CelTypeKind.Dyn or CelTypeKind.Error or CelTypeKind.TypeParameter:
                _bindings.IsAssignable(CelType.Dyn, range);
                (first, second) = (CelType.Dyn, CelType.Dyn);
                break;
            default:
                Report(comprehension.Range,
                    $"expression of type '{Shown(range)}' cannot be range of a comprehension (must be list, map, or dynamic)");
                (first, second) = (CelType.Error, CelType.Error);
                break;
        }

        var outer = _scope;
        var whole = new Scope(outer, comprehension.Accumulator, accumulator);
        _scope = new Scope(whole, comprehension.Variable, first);
        if (comprehension.SecondVariable is not null)
            _scope = new Scope(_scope, comprehension.SecondVariable, second);
        Visit(comprehension.Condition);
        Assert(comprehension.Condition, CelType.Bool);
        Visit(comprehension.Step);
        Assert(comprehension.Step, accumulator);
        _scope = whole;
        var result = Visit(comprehension.Result);
        _scope = outer;
        return _bindings.Substitute(result, unboundToDyn: false);
    }

    private void Assert(Expression expression, CelType type)
    {
        if (!_bindings.IsAssignable(type, expression.Type!))
            Report(expression, $"expected type '{Shown(type)}' but found '{Shown(expression.Type!)}'");
    }

    private CelType FreshParameter() => CelType.Parameter($"_var{_freshParameters++}");

    private string Shown(CelType type) => _bindings.Substitute(type, unboundToDyn: false).ToString();

    private void Report(Expression expression, string message) => issues.Add(CelIssue.At(source, expression.Position, message));
}
