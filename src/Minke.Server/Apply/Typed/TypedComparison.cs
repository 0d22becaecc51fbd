namespace Minke.Server.Apply;

/// <summary>Where two objects of one type differ. No place is in more than one of the sets.</summary>
/// <param name="Added">In the new object only.</param>
/// <param name="Modified">In both, with other values.</param>
/// <param name="Removed">In the old object only.</param>
internal sealed record TypedComparison(FieldSet Added, FieldSet Modified, FieldSet Removed)
{
    private const int AddedSet = 0;
    private const int ModifiedSet = 1;
    private const int RemovedSet = 2;

    public bool IsSame => Added.IsEmpty && Modified.IsEmpty && Removed.IsEmpty;

    /// <summary>What the new object sets.</summary>
    public FieldSet Changed => field ??= Added.Union(Modified);

    public static TypedComparison Of(Value old, Value @new, TypeShape shape)
    {
        var walk = new Walk();
        walk.Compare(old, @new, shape);
        return new(walk.Found.Build(AddedSet), walk.Found.Build(ModifiedSet), walk.Found.Build(RemovedSet));
    }

    /// <summary>Without some fields and all below them.</summary>
    public TypedComparison Without(FieldSet fields) => fields.IsEmpty || IsSame ? this
        : new(Added.RecursiveDifference(fields), Modified.RecursiveDifference(fields), Removed.RecursiveDifference(fields));

    private sealed class Walk
    {
        public FieldSetWriter Found { get; } = new(sets: 3);

        /// <summary>One of the two may be missing.</summary>
        public void Compare(Value old, Value @new, TypeShape shape)
        {
            if (!old.IsMissing && !@new.IsMissing && old.Raw.SequenceEqual(@new.Raw))
                return;
            var (oldForm, newForm) = (shape.FormOf(old), shape.FormOf(@new));
            bool isLeaf;
            if (@new.IsMissing || old.IsMissing || oldForm == newForm)
            {
                isLeaf = CompareAs(@new.IsMissing ? oldForm : newForm, old, @new, shape);
            }
            else
            {
                // An untyped value has become of another form: both forms have a say.
                CompareAs(oldForm, old, @new, shape);
                isLeaf = CompareAs(newForm, old, @new, shape);
            }
            if (isLeaf)
                return;
            if (old.IsMissing)
                Found.Member(AddedSet);
            else if (@new.IsMissing)
                Found.Member(RemovedSet);
        }

        /// <summary>True when the value was compared as a whole.</summary>
        private bool CompareAs(ShapeForm form, Value old, Value @new, TypeShape shape)
        {
            switch (form)
            {
                case ShapeForm.Map when !shape.Map!.IsAtomic && (HasMembers(old) || HasMembers(@new)):
                    CompareMembers(old, @new, shape.Map);
                    return false;
                case ShapeForm.List when shape.List!.IsAssociative && (HasItems(old) || HasItems(@new)):
                    CompareItems(old, @new, shape.List);
                    return false;
                default:
                    CompareLeaf(old, @new);
                    return true;
            }
        }

        private void CompareLeaf(Value old, Value @new)
        {
            if (old.IsMissing)
                Found.Member(AddedSet);
            else if (@new.IsMissing)
                Found.Member(RemovedSet);
            else if (!old.SameAs(@new))
                Found.Member(ModifiedSet);
        }

        private void CompareMembers(Value old, Value @new, MapShape map)
        {
            var cursor = 0;
            var left = @new.IsObject ? @new.GetEnumerator() : default;
            var isInStep = @new.IsObject;
            if (old.IsObject)
            {
                foreach (var member in old)
                {
                    // Mostly both have the same members in the same order.
                    isInStep = isInStep && left.MoveNext() && left.Current.RawName.SequenceEqual(member.RawName);
                    CompareMember(member, isInStep ? left.Current : @new.Member(member.RawName), map, ref cursor);
                }
            }
            if (!@new.IsObject || (isInStep && !left.MoveNext()))
                return;
            cursor = 0;
            foreach (var member in @new)
            {
                if (old.Member(member.RawName).IsMissing)
                    CompareMember(default, member, map, ref cursor);
            }
        }

        private void CompareMember(Value old, Value @new, MapShape map, ref int cursor)
        {
            if (!old.IsMissing && !@new.IsMissing && old.Raw.SequenceEqual(@new.Raw))
                return;
            var name = old.IsMissing ? @new : old;
            var field = map.Fields.Find(name.RawName, ref cursor);
            Found.Enter(field?.Element ?? PathElement.Field(name.Name));
            Compare(old, @new, field?.Shape ?? map.Element ?? TypeShape.UntypedAtomic);
            Found.Leave();
        }

        private void CompareItems(Value old, Value @new, ListShape list)
        {
            var (before, after) = (ListItems.Group(list, old), ListItems.Group(list, @new));
            var cursor = 0;
            foreach (var group in before)
                CompareGroup(group, ListItems.Find(after, group.Element, ref cursor), list);
            cursor = 0;
            foreach (var group in after)
            {
                if (ListItems.Find(before, group.Element, ref cursor) is null)
                    CompareGroup(null, group, list);
            }
        }

        /// <summary>Duplicates are one thing, owned as a whole by a mark at their path.</summary>
        private void CompareGroup(ItemGroup? old, ItemGroup? @new, ListShape list)
        {
            Found.Enter((old ?? @new)!.Element);
            var (wasDuplicate, isDuplicate) = (old?.HasDuplicates == true, @new?.HasDuplicates == true);
            if (wasDuplicate && isDuplicate)
            {
                if (!old!.SameAs(@new!))
                    Found.Member(ModifiedSet);
            }
            else if (wasDuplicate)
            {
                if (@new is not null)
                    Compare(default, @new.First, list.Element);
                Found.Member(RemovedSet);
            }
            else if (isDuplicate)
            {
                if (old is not null)
                    Compare(old.First, default, list.Element);
                Found.Member(AddedSet);
            }
            else
            {
                Compare(old?.First ?? default, @new?.First ?? default, list.Element);
            }
            Found.Leave();
        }

        private static bool HasMembers(Value value) => value.IsObject && value.Count > 0;

        private static bool HasItems(Value value) => value.IsArray && value.Count > 0;
    }
}
