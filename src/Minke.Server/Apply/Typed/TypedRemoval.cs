namespace Minke.Server.Apply;

/// <summary>An object without some of its fields and items, or with no others.</summary>
internal static class TypedRemoval
{
    /// <summary>Without the members of <paramref name="fields"/>. What is left empty becomes null.</summary>
    public static ReadOnlyMemory<byte> Remove(Value value, FieldSet fields, TypeShape shape)
    {
        using var text = new JsonText(value.Raw.Length);
        Walk(value, fields, shape, isExtraction: false, text);
        return text.ToArray();
    }

    /// <summary>The members of <paramref name="fields"/> alone.</summary>
    public static ReadOnlyMemory<byte> Extract(Value value, FieldSet fields, TypeShape shape)
    {
        using var text = new JsonText(value.Raw.Length);
        Walk(value, fields, shape, isExtraction: true, text);
        return text.ToArray();
    }

    private static void Walk(Value value, FieldSet fields, TypeShape shape, bool isExtraction, JsonText text)
    {
        var start = text.Length;
        var isEmpty = false;
        switch (shape.FormOf(value))
        {
            case ShapeForm.Map when !value.IsObject || value.Count == 0:
            case ShapeForm.List when !value.IsArray || value.Count == 0:
                isEmpty = true;
                break;
            case ShapeForm.Map when shape.Map!.IsAtomic:
            case ShapeForm.List when !shape.List!.IsAssociative:
                isEmpty = !isExtraction;
                if (isExtraction)
                    text.Append(value.Raw);
                break;
            case ShapeForm.Map:
                text.Append("{"u8);
                WalkMembers(value, fields, shape.Map!, isExtraction, text, start);
                isEmpty = text.Length == start + 1;
                text.Append("}"u8);
                break;
            case ShapeForm.List:
                text.Append("["u8);
                WalkItems(value, fields, shape.List!, isExtraction, text, start);
                isEmpty = text.Length == start + 1;
                text.Append("]"u8);
                break;
            default:
                text.Append(value.Raw);
                break;
        }
        if (isEmpty)
        {
            text.BackTo(start);
            text.Append("null"u8);
        }
    }

    private static void WalkMembers(Value value, FieldSet fields, MapShape map, bool isExtraction, JsonText text, int start)
    {
        var cursor = 0;
        foreach (var member in value)
        {
            var field = map.Fields.Find(member.RawName, ref cursor);
            var shape = field?.Shape ?? map.Element ?? TypeShape.UntypedAtomic;
            var node = fields.At(field?.Element ?? PathElement.Field(member.Name));
            if (!isExtraction && node.IsMember)
                continue;
            if (isExtraction && !node.IsMember && node.Children is null)
                continue;
            text.BeginMember(member.RawName, start);
            if (node.Children is not null)
                Walk(member, node.Children, shape, isExtraction, text);
            else if (isExtraction)
                Walk(member, FieldSet.Empty, shape, isExtraction, text);
            else
                text.Append(member.Raw);
        }
    }

    private static void WalkItems(Value value, FieldSet fields, ListShape list, bool isExtraction, JsonText text, int start)
    {
        foreach (var item in value)
        {
            var node = ListItems.ElementOf(list, item, out _) is { } element ? fields.At(element) : default;
            if (!isExtraction && node.IsMember)
                continue;
            if (isExtraction && !node.IsMember && node.Children is null)
                continue;
            text.BeginItem(start);
            if (node.Children is not null)
                Walk(item, node.Children, list.Element, isExtraction, text);
            else
                text.Append(item.Raw);
        }
    }
}
