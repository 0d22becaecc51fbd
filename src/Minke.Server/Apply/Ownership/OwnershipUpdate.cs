namespace Minke.Server.Apply;

/// <summary>
/// Who owns what after a write: a writer takes what it changes from everybody else; an applier owns what it mentions, conflicts with
/// others unless it forces, and loses what it no longer mentions. (structured-merge-diff's Updater)
/// </summary>
internal static class OwnershipUpdate
{
    /// <summary>Fields of an object that belong to the server and that nobody owns.</summary>
    private static readonly FieldSet Stripped = FieldSet.OfPaths(
        ["apiVersion"], ["kind"], ["metadata"], ["metadata", "name"], ["metadata", "namespace"], ["metadata", "creationTimestamp"],
        ["metadata", "selfLink"], ["metadata", "uid"], ["metadata", "clusterName"], ["metadata", "generation"], ["metadata", "managedFields"],
        ["metadata", "resourceVersion"]);

    /// <summary>
    /// The managers after a write. <paramref name="writer"/> says who and when; its fields are not looked at.
    /// </summary>
    /// <returns>False when the write changes nothing that anybody could own, and so no manager.</returns>
    public static bool Write(TypedObject live, TypedObject @new, List<Manager> managers, Manager writer, IVersions versions)
    {
        var comparison = live.CompareTo(@new).Without(versions.Ignored(writer.ApiVersion));
        if (comparison.IsSame)
            return false;
        TakeFrom(live, @new, comparison, managers, except: null, versions);
        var taken = comparison.Changed.Difference(Stripped);
        if (taken.IsEmpty)
            return true;
        var index = managers.FindIndex(manager => manager.IsSameAs(writer));
        if (index < 0)
            managers.Add(writer with { Fields = taken });
        else
            managers[index] = managers[index].WithFields(taken.Union(managers[index].Fields)) with { Time = writer.Time };
        return true;
    }

    /// <summary>The object with the configuration applied, null when that changes nothing, or the conflicts.</summary>
    public static (TypedObject? Applied, ApplyConflicts? Conflicts) Apply(
        TypedObject live, TypedObject config, List<Manager> managers, Manager applier, bool force, IVersions versions)
    {
        Reconcile(live, managers, versions);
        var index = managers.FindIndex(manager => manager.IsSameAs(applier));
        var last = index < 0 ? null : managers[index];
        var owned = applier with { Fields = config.Fields.RecursiveDifference(versions.Ignored(applier.ApiVersion)), Time = last?.Time };
        if (last is null)
            managers.Add(owned);
        else
            managers[index] = owned.Fields.SetEquals(last.Fields) && last.ApiVersion == owned.ApiVersion ? last : owned;

        var applied = Prune(live.Merge(config), managers, applier.ApiVersion, last, versions);
        var comparison = live.CompareTo(applied).Without(versions.Ignored(applier.ApiVersion));
        if (!force && FindConflicts(live, applied, comparison, managers, owned, versions) is { } conflicts)
            return (null, conflicts);
        TakeFrom(live, applied, comparison, managers, owned, versions);

        index = managers.FindIndex(manager => manager.IsSameAs(applier));
        if (index >= 0)
        {
            var fields = managers[index].Fields.Difference(Stripped);
            if (fields.IsEmpty)
                managers.RemoveAt(index);
            else
                managers[index] = managers[index].WithFields(fields);
        }
        return (live.Root.SameAs(applied.Root) ? null : applied, null);
    }

    /// <summary>What was changed or removed is no longer anybody's but the writer's.</summary>
    private static void TakeFrom(
        TypedObject old, TypedObject @new, TypedComparison comparison, List<Manager> managers, Manager? except, IVersions versions)
    {
        using var comparisons = new Comparisons(old, @new, comparison, versions);
        for (var i = managers.Count - 1; i >= 0; i--)
        {
            var manager = managers[i];
            if (except is null || !manager.IsSameAs(except))
            {
                if (comparisons.In(manager.ApiVersion) is not { } mine)
                {
                    managers.RemoveAt(i);
                    continue;
                }
                managers[i] = manager = manager.WithFields(manager.Fields.Difference(manager.Fields.Intersection(mine.Changed)).Difference(mine.Removed));
            }
            if (manager.Fields.IsEmpty)
                managers.RemoveAt(i);
        }
    }

    private static ApplyConflicts? FindConflicts(
        TypedObject old, TypedObject @new, TypedComparison comparison, List<Manager> managers, Manager applier, IVersions versions)
    {
        using var comparisons = new Comparisons(old, @new, comparison, versions);
        List<(Manager, FieldSet)>? conflicts = null;
        foreach (var manager in managers)
        {
            if (manager.IsSameAs(applier) || comparisons.In(manager.ApiVersion) is not { } mine)
                continue;
            var fields = manager.Fields.Intersection(mine.Changed);
            if (!fields.IsEmpty)
                (conflicts ??= []).Add((manager, fields));
        }
        return conflicts is null ? null : new(conflicts);
    }

    /// <summary>Takes out what the applier mentioned last time, no longer does, and nobody else owns.</summary>
    private static TypedObject Prune(TypedObject merged, List<Manager> managers, string apiVersion, Manager? last, IVersions versions)
    {
        if (last is null || last.Fields.IsEmpty || versions.Convert(merged, last.ApiVersion) is not { } before)
            return merged;
        var pruned = before.Without(last.Fields.WithNamedFields(before.Shape));
        pruned = WithOwned(before, pruned, managers, last.ApiVersion, versions);

        // Only what was the applier's own goes: what nobody owned, or others wrote, is added back.
        if (versions.Convert(pruned, last.ApiVersion) is not { } after)
            return versions.Convert(before, apiVersion) ?? merged;
        var shape = before.Shape;
        var gone = before.Fields.WithNamedFields(shape).Difference(after.Fields.WithNamedFields(shape)).Intersection(last.Fields.WithNamedFields(shape));
        return versions.Convert(before.Without(gone), apiVersion) ?? merged;
    }

    /// <summary>Adds back what any manager owns, the version that was pruned in first: others may not convert without it.</summary>
    private static TypedObject WithOwned(TypedObject merged, TypedObject pruned, List<Manager> managers, string firstVersion, IVersions versions)
    {
        foreach (var version in managers.GroupBy(manager => manager.ApiVersion, StringComparer.Ordinal).OrderBy(group => group.Key != firstVersion).ThenBy(group => group.Key, StringComparer.Ordinal))
        {
            if (versions.Convert(merged, version.Key) is not { } whole || versions.Convert(pruned, version.Key) is not { } part)
                continue;
            var owned = version.Aggregate(FieldSet.Empty, (all, manager) => all.Union(manager.Fields));
            var kept = part.Fields.WithNamedFields(whole.Shape).Union(owned.WithNamedFields(whole.Shape));
            merged = whole;
            pruned = whole.Without(whole.Fields.WithNamedFields(whole.Shape).Difference(kept));
        }
        return pruned;
    }

    /// <summary>Brings sets up to date that were written when a type was owned in parts that is owned as a whole now.</summary>
    private static void Reconcile(TypedObject live, List<Manager> managers, IVersions versions)
    {
        for (var i = managers.Count - 1; i >= 0; i--)
        {
            if (versions.Convert(live, managers[i].ApiVersion) is { } value)
                managers[i] = managers[i].WithFields(SchemaChange.Reconcile(managers[i].Fields, value.Shape));
            else
                managers.RemoveAt(i);
        }
    }

    /// <summary>One comparison in the versions that managers speak.</summary>
    private sealed class Comparisons(TypedObject old, TypedObject @new, TypedComparison comparison, IVersions versions) : IDisposable
    {
        private readonly Dictionary<string, TypedComparison?> _others = new(StringComparer.Ordinal);

        public TypedComparison? In(string apiVersion)
        {
            if (apiVersion == old.ApiVersion)
                return comparison;
            if (_others.TryGetValue(apiVersion, out var found))
                return found;
            using var before = versions.Convert(old, apiVersion);
            using var after = versions.Convert(@new, apiVersion);
            return _others[apiVersion] = before is null || after is null ? null : before.CompareTo(after).Without(versions.Ignored(apiVersion));
        }

        public void Dispose() => _others.Clear();
    }
}
