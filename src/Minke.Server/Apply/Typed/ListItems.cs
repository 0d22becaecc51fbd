using Minke.Api;

namespace Minke.Server.Apply;

/// <summary>How an item of a list that is owned item by item is known.</summary>
internal static class ListItems
{
    /// <summary>Its path element; null with the reason, in upstream's words, when it cannot be known.</summary>
    public static PathElement? ElementOf(ListShape list, Value item, out string? problem)
    {
        problem = null;
        if (list.Keys.IsEmpty)
        {
            problem = item.IsObject ? "associative list without keys has an element that's a map type"
                : item.IsArray ? "not supported: associative list with lists as elements"
                : item.IsNull ? "associative list without keys has an element that's an explicit null"
                : null;
            return problem is null ? PathElement.Value(Scalar.Of(item)) : null;
        }
        if (!item.IsObject)
        {
            problem = item.IsNull ? "associative list with keys may not have a null element" : "associative list with keys may not have non-map elements";
            return null;
        }
        var parts = new KeyPart[list.Keys.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            var key = list.Keys[i];
            var value = item.Member(key.Utf8Name);
            if (value.IsMissing && key.Default is null)
            {
                problem = $"associative list with keys has an element that omits key field {FieldErrors.Quote(key.Name)} (and doesn't have default value)";
                return null;
            }
            parts[i] = new(key.Name, value.IsMissing ? key.Default!.Value : Scalar.Of(value));
        }
        return PathElement.Key(parts);
    }

    /// <summary>The items that can be known, in order, equal ones together; those that cannot are passed over.</summary>
    public static List<ItemGroup> Group(ListShape list, Value value)
    {
        var groups = new List<ItemGroup>(value.Count);
        if (!value.IsArray)
            return groups;
        // Lists are short: a search is cheaper than a table until there are many.
        var index = value.Count > 16 ? new Dictionary<PathElement, int>(value.Count) : null;
        foreach (var item in value)
        {
            if (ElementOf(list, item, out _) is not { } element)
                continue;
            var at = index is null ? groups.FindIndex(group => group.Element.Equals(element)) : index.GetValueOrDefault(element, -1);
            if (at >= 0)
            {
                (groups[at].Others ??= []).Add(item);
                continue;
            }
            index?.Add(element, groups.Count);
            groups.Add(new(element, item));
        }
        return groups;
    }

    public static ItemGroup? Find(List<ItemGroup> groups, PathElement element, ref int cursor)
    {
        // Both sides of a comparison are mostly in the same order.
        if (cursor < groups.Count && groups[cursor].Element.Equals(element))
            return groups[cursor++];
        var at = groups.FindIndex(group => group.Element.Equals(element));
        if (at < 0)
            return null;
        cursor = at + 1;
        return groups[at];
    }
}

/// <summary>The items of a list with one path element: one, unless a writer has made duplicates.</summary>
internal sealed class ItemGroup(PathElement element, Value first)
{
    public PathElement Element => element;
    public Value First => first;
    public List<Value>? Others { get; set; }
    public bool HasDuplicates => Others is not null;

    public bool SameAs(ItemGroup other)
    {
        if (!first.SameAs(other.First) || Others?.Count != other.Others?.Count)
            return false;
        for (var i = 0; i < (Others?.Count ?? 0); i++)
        {
            if (!Others![i].SameAs(other.Others![i]))
                return false;
        }
        return true;
    }
}
