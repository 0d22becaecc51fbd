using Minke.Server.Aggregation;
using Minke.Server.Registry;

namespace Minke.Server.Discovery;

/// <summary>All groups and their versions, this server's and others', the most important ones first. Immutable.</summary>
internal sealed class ServedGroups
{
    private readonly Dictionary<string, string[]> _versions;

    public ServedGroups(CatalogSnapshot catalog, ApiRegistrations registrations)
    {
        (Catalog, Registrations) = (catalog, registrations);
        var all = catalog.GroupVersions.Concat(registrations.Remotes.Select(remote => (remote.Group, remote.Version))).Distinct()
            .Select(one => (one.Group, one.Version, Priority: registrations.PriorityOf(one.Group, one.Version, catalog.Of(one.Group, one.Version).FirstOrDefault()?.Custom is not null)))
            .ToList();
        _versions = all.GroupBy(one => one.Group).ToDictionary(
            group => group.Key,
            group => group.OrderByDescending(one => one.Priority.Version).ThenByDescending(one => one.Version, VersionOrder.Instance).Select(one => one.Version).ToArray(),
            StringComparer.Ordinal);
        Groups =
        [
            .. all.Where(one => one.Group.Length > 0).GroupBy(one => one.Group).OrderByDescending(group => group.Max(one => one.Priority.Group))
                .ThenBy(group => group.Key, StringComparer.Ordinal).Select(group => group.Key),
        ];
    }

    public CatalogSnapshot Catalog { get; }
    public ApiRegistrations Registrations { get; }

    /// <summary>All but core.</summary>
    public IReadOnlyList<string> Groups { get; }

    /// <summary>Of a group, the preferred one first.</summary>
    public IReadOnlyList<string> Versions(string group) => _versions.GetValueOrDefault(group, []);
}
