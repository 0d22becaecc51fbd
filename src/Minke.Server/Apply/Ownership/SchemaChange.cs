namespace Minke.Server.Apply;

/// <summary>
/// A set written under an older schema, as the present one would have it: what is owned as a whole now is owned at its root, and what
/// was owned as a whole and is not now is owned in every part.
/// </summary>
internal static class SchemaChange
{
    public static FieldSet Reconcile(FieldSet fields, TypedObject live)
    {
        if (ReferenceEquals(live.Shape, TypeShape.Deduced))
            return fields;
        return Walk(fields, live.Shape, live.Fields);
    }

    private static FieldSet Walk(FieldSet fields, TypeShape shape, FieldSet? all)
    {
        List<FieldSet.Node>? changed = null;
        for (var i = 0; i < fields.Nodes.Length; i++)
        {
            var node = fields.Nodes[i];
            var below = Reconcile(node, ShapeBelow(shape, node.Element), all?.At(node.Element).Children);
            if (changed is null && below != node)
                changed = [.. fields.Nodes[..i]];
            changed?.Add(below);
        }
        return changed is null ? fields : FieldSet.Of(changed);
    }

    private static FieldSet.Node Reconcile(FieldSet.Node node, TypeShape? shape, FieldSet? all)
    {
        // An untyped value may be anything: nothing can be said of what it was.
        if (shape is null || shape.Scalar == ScalarShape.Untyped)
            return node;
        var isAtomic = shape.Map is { IsAtomic: true } || shape.List is { IsAssociative: false };
        var isGranular = shape.Map is { IsAtomic: false } || shape.List is { IsAssociative: true };
        if (isAtomic && node.Children is not null)
            return new(node.Element, true, null);
        if (isGranular && node is { IsMember: true, Children: null } && all is not null)
            return new(node.Element, true, all);
        if (node.Children is null)
            return node;
        var children = Walk(node.Children, shape, all);
        return ReferenceEquals(children, node.Children) ? node : new(node.Element, node.IsMember, children);
    }

    private static TypeShape? ShapeBelow(TypeShape shape, PathElement element) => element.IsField
        ? shape.Map is null ? null : shape.Map.Fields.Find(element.FieldName)?.Shape ?? shape.Map.Element
        : shape.List?.Element;
}
