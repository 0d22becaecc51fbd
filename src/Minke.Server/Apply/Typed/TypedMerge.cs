namespace Minke.Server.Apply;

/// <summary>
/// An object with an applied configuration merged in: what the configuration mentions is as it says, everything else as it was. Items
/// that are new come where the configuration has them between those that are not.
/// </summary>
internal static class TypedMerge
{
    public static ReadOnlyMemory<byte> Merge(Value live, Value config, TypeShape shape)
    {
        using var text = new JsonText(live.Raw.Length + config.Raw.Length);
        Merge(live, config, shape, text);
        return text.ToArray();
    }

    private static void Merge(Value live, Value config, TypeShape shape, JsonText text)
    {
        if (config.IsMissing || live.IsMissing)
        {
            text.Append(config.IsMissing ? live.Raw : config.Raw);
            return;
        }
        switch (shape.FormOf(config))
        {
            case ShapeForm.Map when !shape.Map!.IsAtomic && (HasMembers(live) || HasMembers(config)):
                MergeMembers(live, config, shape.Map, text);
                break;
            case ShapeForm.List when shape.List!.IsAssociative && (HasItems(live) || HasItems(config)):
                MergeItems(live, config, shape.List, text);
                break;
            default:
                text.Append(config.Raw);
                break;
        }
    }

    private static void MergeMembers(Value live, Value config, MapShape map, JsonText text)
    {
        var start = text.Length;
        text.Append("{"u8);
        var cursor = 0;
        if (live.IsObject)
        {
            foreach (var member in live)
            {
                text.BeginMember(member.RawName, start);
                var shape = map.Fields.Find(member.RawName, ref cursor)?.Shape ?? map.Element ?? TypeShape.UntypedAtomic;
                Merge(member, config.Member(member.RawName), shape, text);
            }
        }
        if (config.IsObject)
        {
            foreach (var member in config)
            {
                if (live.Member(member.RawName).IsMissing)
                {
                    text.BeginMember(member.RawName, start);
                    text.Append(member.Raw);
                }
            }
        }
        text.Append("}"u8);
    }

    private static void MergeItems(Value live, Value config, ListShape list, JsonText text)
    {
        var start = text.Length;
        text.Append("["u8);
        foreach (var (old, @new) in Ordered(ListItems.Group(list, live), ListItems.Group(list, config)))
        {
            if (@new is null && old!.Others is { } others)
            {
                // Duplicates that the configuration does not mention stay.
                foreach (var duplicate in (IEnumerable<Value>)[old.First, .. others])
                {
                    text.BeginItem(start);
                    text.Append(duplicate.Raw);
                }
                continue;
            }
            text.BeginItem(start);
            // Which of several duplicates should be merged is not known: the configuration replaces them all.
            Merge(old is { HasDuplicates: false } ? old.First : default, @new?.First ?? default, list.Element, text);
        }
        text.Append("]"u8);
    }

    /// <summary>The configuration's items in its order; the others where they stood, before the shared item they came before.</summary>
    private static IEnumerable<(ItemGroup? Live, ItemGroup? Config)> Ordered(List<ItemGroup> live, List<ItemGroup> config)
    {
        var inLive = live.ToDictionary(group => group.Element);
        var inConfig = config.ToDictionary(group => group.Element);
        var shared = new Queue<PathElement>(config.Select(group => group.Element).Where(inLive.ContainsKey));
        var next = shared.TryDequeue(out var first) ? first : (PathElement?)null;
        var done = new HashSet<PathElement>();
        int l = 0, c = 0;
        while (l < live.Count || c < config.Count)
        {
            if (l < live.Count && c < config.Count)
            {
                var element = live[l].Element;
                if (element.Equals(config[c].Element))
                {
                    done.Add(element);
                    yield return (live[l++], config[c++]);
                    next = shared.TryDequeue(out var following) ? following : null;
                    continue;
                }
                // Shared, but another one is due: it comes where the configuration has it.
                if (inConfig.ContainsKey(element) && next is { } due && !due.Equals(element))
                {
                    l++;
                    continue;
                }
            }
            if (l < live.Count)
            {
                var element = live[l].Element;
                if (!inConfig.ContainsKey(element))
                {
                    yield return (live[l++], null);
                    continue;
                }
                if (done.Contains(element))
                    l++;
            }
            if (c < config.Count)
            {
                var element = config[c].Element;
                done.Add(element);
                yield return (inLive.GetValueOrDefault(element), config[c++]);
                if (next is { } due && due.Equals(element))
                    next = shared.TryDequeue(out var following) ? following : null;
            }
        }
    }

    private static bool HasMembers(Value value) => value.IsObject && value.Count > 0;

    private static bool HasItems(Value value) => value.IsArray && value.Count > 0;
}
