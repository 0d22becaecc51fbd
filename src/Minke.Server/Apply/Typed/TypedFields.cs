namespace Minke.Server.Apply;

/// <summary>Every leaf and every item that an object mentions: what its applier owns.</summary>
internal static class TypedFields
{
    public static FieldSet Of(Value value, TypeShape shape)
    {
        var fields = new FieldSetWriter();
        Walk(value, shape, fields);
        return fields.Build();
    }

    private static void Walk(Value value, TypeShape shape, FieldSetWriter fields)
    {
        switch (shape.FormOf(value))
        {
            case ShapeForm.Map when !shape.Map!.IsAtomic:
                if (value.IsObject)
                    WalkMembers(value, shape.Map, fields);
                break;
            case ShapeForm.List when shape.List!.IsAssociative:
                foreach (var group in ListItems.Group(shape.List, value))
                {
                    fields.Enter(group.Element);
                    // Of duplicates only the fact is owned.
                    if (!group.HasDuplicates)
                        Walk(group.First, shape.List.Element, fields);
                    fields.Member();
                    fields.Leave();
                }
                break;
            default:
                fields.Member();
                break;
        }
    }

    private static void WalkMembers(Value value, MapShape map, FieldSetWriter fields)
    {
        var cursor = 0;
        foreach (var member in value)
        {
            var field = map.Fields.Find(member.RawName, ref cursor);
            fields.Enter(field?.Element ?? PathElement.Field(member.Name));
            Walk(member, field?.Shape ?? map.Element ?? TypeShape.UntypedAtomic, fields);
            if (field is null || member.IsNull || (member.IsObject && member.Count == 0))
                fields.Member();
            fields.Leave();
        }
    }
}
