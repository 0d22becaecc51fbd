using Minke.Api;
using Minke.Cel.Libraries;
using Minke.Cel.Syntax;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Checking;

/// <summary>What can be told of constants before anything is evaluated: durations, timestamps, patterns, formats and mixed literals.</summary>
internal static class LiteralRules
{
    public static void Check(Expression root, SourceText source, List<CelIssue> issues)
    {
        Visit(root, isFormatted: false, source, issues, new HashSet<Expression>(ReferenceEqualityComparer.Instance));
    }

    private static void Visit(Expression expression, bool isFormatted, SourceText source, List<CelIssue> issues, HashSet<Expression> seen)
    {
        if (!seen.Add(expression))
            return;
        switch (expression)
        {
            case CallExpression call:
                Call(call, source, issues);
                isFormatted |= call.Function == "format";
                break;
            case ListExpression list when !isFormatted:
                SameTypes(list.Elements.Select((element, i) => (element, list.Optionals.Contains(i))), source, issues);
                break;
            case MapExpression map when !isFormatted:
                SameTypes(map.Entries.Select(entry => (entry.Key, false)), source, issues);
                SameTypes(map.Entries.Select(entry => (entry.Value, entry.IsOptional)), source, issues);
                break;
        }
        foreach (var child in Tree.Children(expression))
            Visit(child, isFormatted, source, issues, seen);
    }

    private static void Call(CallExpression call, SourceText source, List<CelIssue> issues)
    {
        if (call.Function == "format" && call is { Target: LiteralExpression { Value: StringValue format }, Arguments: [ListExpression arguments] })
            StringFormat.Check(call, format.Value, arguments, source, issues);
        if (call.Arguments is not [LiteralExpression literal, ..])
            return;
        var isWrong = (call.Function, literal.Value) switch
        {
            ("duration", StringValue text) => !GoDuration.TryParse(text.Value, out _),
            ("timestamp", StringValue text) => !Rfc3339.TryParse(text.Value, out var timestamp) || timestamp is ErrorValue,
            ("matches", StringValue pattern) when call.Target is not null => !GoRegex.TryGet(pattern.Value, out _, out _),
            _ => false,
        };
        if (isWrong)
            issues.Add(CelIssue.At(source, literal.Position, $"invalid {call.Function} argument"));
    }

    private static void SameTypes(IEnumerable<(Expression Expression, bool IsOptional)> elements, SourceText source, List<CelIssue> issues)
    {
        CelType? first = null;
        foreach (var (element, isOptional) in elements)
        {
            var type = isOptional && element.Type!.IsOptional ? element.Type.Parameters[0] : element.Type!;
            if (first is null)
            {
                first = type;
            }
            else if (!IsEquivalent(first, type))
            {
                issues.Add(CelIssue.At(source, element.Position, $"expected type '{first}' but found '{type}'"));
                return;
            }
        }
    }

    private static bool IsEquivalent(CelType a, CelType b)
    {
        if (a.Kind != b.Kind || a.Name != b.Name || a.Parameters.Count != b.Parameters.Count)
            return false;
        for (var i = 0; i < a.Parameters.Count; i++)
        {
            if (!IsEquivalent(a.Parameters[i], b.Parameters[i]))
                return false;
        }
        return true;
    }
}
