namespace Minke.Cel.Syntax;

/// <summary>The free names of an expression: variables, or the first word of a path.</summary>
internal static class References
{
    public static HashSet<string> Of(Expression root)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        Tree.Visit(root, expression =>
        {
            if (expression is IdentifierExpression identifier)
                names.Add(identifier.Name.TrimStart('.').Split('.')[0]);
        });
        return names;
    }
}

/// <summary>Walks an expression, each node once, the outer before the inner.</summary>
internal static class Tree
{
    public static void Visit(Expression root, Action<Expression> visit) => Visit(root, visit, new HashSet<Expression>(ReferenceEqualityComparer.Instance));

    public static IEnumerable<Expression> Children(Expression expression)
    {
        switch (expression)
        {
            case SelectExpression select:
                return [select.Operand];
            case CallExpression call:
                return call.Target is null ? call.Arguments : [call.Target, .. call.Arguments];
            case ListExpression list:
                return list.Elements;
            case MapExpression map:
                return map.Entries.SelectMany(entry => new[] { entry.Key, entry.Value });
            case StructExpression made:
                return made.Fields.Select(field => field.Value);
            case ComprehensionExpression loop:
                return [loop.Range, loop.Initial, loop.Condition, loop.Step, loop.Result];
            default:
                return [];
        }
    }

    private static void Visit(Expression expression, Action<Expression> visit, HashSet<Expression> seen)
    {
        if (!seen.Add(expression))
            return;
        visit(expression);
        foreach (var child in Children(expression))
            Visit(child, visit, seen);
    }
}
