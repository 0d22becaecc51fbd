namespace Minke.Server.Apply;

/// <summary>Keeps the entries of writers to ten: the oldest of a version become one, named <c>ancient-changes</c>.</summary>
internal static class ManagerCap
{
    private const int MaxWriters = 10;
    private const string AncientChanges = "ancient-changes";

    public static void Apply(List<Manager> managers)
    {
        var writers = managers.Where(manager => !manager.IsApplier).ToList();
        if (writers.Count <= MaxWriters)
            return;
        writers.Sort(static (a, b) =>
        {
            var order = (a.Time?.UnixSeconds ?? 0).CompareTo(b.Time?.UnixSeconds ?? 0);
            return order == 0 ? string.CompareOrdinal(a.ToIdentifier(), b.ToIdentifier()) : order;
        });
        var firstOfVersion = new Dictionary<string, Manager>(StringComparer.Ordinal);
        var left = writers.Count;
        foreach (var writer in writers)
        {
            if (left <= MaxWriters)
                return;
            if (firstOfVersion.TryAdd(writer.ApiVersion, writer))
                continue;
            var bucket = new Manager { Name = AncientChanges, Operation = Manager.Update, ApiVersion = writer.ApiVersion };
            var into = managers.Find(manager => manager.IsSameAs(bucket));
            if (into is null)
            {
                into = firstOfVersion[writer.ApiVersion];
                managers.Remove(into);
            }
            else
            {
                managers.Remove(into);
            }
            managers.Remove(writer);
            managers.Add(bucket with { Fields = into.Fields.Union(writer.Fields), Time = writer.Time });
            left--;
        }
    }
}
