using System.Collections.Frozen;
using Minke.Server.Registry;

namespace Minke.Server.Aggregation;

/// <summary>What APIServices say at one moment: how important groups and versions are, and who serves those that this server does not. Immutable.</summary>
internal sealed class ApiRegistrations(IReadOnlyDictionary<(string Group, string Version), (int Group, int Version)> priorities, IReadOnlyList<RemoteApi> remotes)
{
    private readonly FrozenDictionary<(string Group, string Version), RemoteApi> _remotes = remotes.ToFrozenDictionary(remote => (remote.Group, remote.Version));

    public static ApiRegistrations None { get; } = new(new Dictionary<(string, string), (int, int)>(), []);

    public IReadOnlyList<RemoteApi> Remotes { get; } = remotes;

    /// <summary>Null for what this server serves itself, or nobody does.</summary>
    public RemoteApi? Find(string group, string version) => Remotes.Count == 0 ? null : _remotes.GetValueOrDefault((group, version));

    /// <summary>As its APIService has it; before there is one, as it will.</summary>
    public (int Group, int Version) PriorityOf(string group, string version, bool isCustom) => priorities.TryGetValue((group, version), out var priority)
        ? priority : (GroupPriorities.Of(group), GroupPriorities.OfVersion(group, version, isCustom));
}
