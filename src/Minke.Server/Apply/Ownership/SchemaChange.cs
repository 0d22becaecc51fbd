namespace Minke.Server.Apply;

/// <summary>
/// A set written under an older schema, as the present one would have it: what is owned as a whole now is owned at its root. The other
/// way round nothing is done, as if it had always been owned in parts.
/// </summary>
internal static class SchemaChange
{
    /// <summary>The same set where nothing has changed.</summary>
    public static FieldSet Reconcile(FieldSet fields, TypeShape shape)
    {
        // Of an untyped value nothing can be said.
        if (shape.Scalar == ScalarShape.Untyped)
            return fields;
        List<FieldSet.Node>? changed = null;
        for (var i = 0; i < fields.Nodes.Length; i++)
        {
            var node = fields.Nodes[i];
            var below = node.Children is null || ShapeBelow(shape, node.Element) is not { } type ? node : Reconcile(node, type);
            if (changed is null && !below.Equals(node))
                changed = [.. fields.Nodes[..i]];
            changed?.Add(below);
        }
        return changed is null ? fields : FieldSet.Of(changed);
    }

    private static FieldSet.Node Reconcile(FieldSet.Node node, TypeShape shape)
    {
        if (shape.Scalar != ScalarShape.Untyped && (shape.Map is { IsAtomic: true } || shape.List is { IsAssociative: false }))
            return new(node.Element, true, null);
        var children = Reconcile(node.Children!, shape);
        return ReferenceEquals(children, node.Children) ? node : new(node.Element, node.IsMember, children);
    }

    private static TypeShape? ShapeBelow(TypeShape shape, PathElement element) => element.IsField
        ? shape.Map is null ? null : shape.Map.Fields.Find(element.FieldName)?.Shape ?? shape.Map.Element
        : shape.List?.Element;
}
