using Minke.Api;

namespace Minke.Server.Registry;

/// <summary>What is served at one moment, by group, version and plural name, in discovery's order. Immutable.</summary>
internal sealed class CatalogSnapshot
{
    private readonly Dictionary<(string Group, string Version, string Plural), Resource> _byName;
    private readonly Dictionary<KindInfo, Resource> _byKind;

    public CatalogSnapshot(IReadOnlyList<Resource> all)
    {
        All = all;
        Kinds = [.. all.Select(resource => resource.Kind)];
        Groups =
        [
            .. all.Select(resource => resource.Kind.Group).Where(group => group.Length > 0).Distinct(StringComparer.Ordinal)
                .OrderByDescending(GroupPriorities.Of).ThenBy(group => group, StringComparer.Ordinal),
        ];
        _byName = all.ToDictionary(resource => (resource.Kind.Group, resource.Kind.Version, resource.Kind.Plural));
        _byKind = all.ToDictionary(resource => resource.Kind);
    }

    public IReadOnlyList<Resource> All { get; }
    public IReadOnlyList<KindInfo> Kinds { get; }

    public Resource? Find(string group, string version, string plural) => _byName.GetValueOrDefault((group, version, plural));

    /// <summary>A custom kind is found by its name too: whoever holds one from before a change means the one there is now.</summary>
    public Resource? Find(KindInfo kind) => _byKind.GetValueOrDefault(kind) ?? (kind.IsDynamic ? Find(kind.Group, kind.Version, kind.Plural) : null);

    public bool HasGroupVersion(string group, string version) => All.Any(resource => resource.Kind.Group == group && resource.Kind.Version == version);

    public IEnumerable<Resource> Of(string group, string version) => All.Where(resource => resource.Kind.Group == group && resource.Kind.Version == version);

    /// <summary>All but core, the most important ones first.</summary>
    public IReadOnlyList<string> Groups { get; }

    public IEnumerable<(string Group, string Version)> GroupVersions => All.Select(resource => (resource.Kind.Group, resource.Kind.Version)).Distinct();

    /// <summary>Of a group, the preferred one first.</summary>
    public IEnumerable<string> Versions(string group) => All.Where(resource => resource.Kind.Group == group).Select(resource => resource.Kind.Version)
        .Distinct(StringComparer.Ordinal).OrderDescending(VersionOrder.Instance);
}
