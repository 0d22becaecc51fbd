using Minke.Api;
using Minke.Api.Rbac.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Access.Rbac;

/// <summary>The cluster's roles and bindings as they are now.</summary>
internal sealed class RbacPolicy : StoreFollower
{
    private readonly Lock _lock = new(); // guards the following of the store
    private readonly Dictionary<string, Resource> _byPrefix;
    private volatile RbacIndex _index = RbacIndex.Empty;

    public RbacPolicy(IStateStore store, ResourceCatalog catalog)
        : this(store, [.. ((ReadOnlySpan<KindInfo>)[ClusterRole.KindInfo, ClusterRoleBinding.KindInfo, Role.KindInfo, RoleBinding.KindInfo]).ToArray()
            .Select(catalog.Find).OfType<Resource>()])
    {
    }

    private RbacPolicy(IStateStore store, IReadOnlyList<Resource> resources) : base(store, [.. resources.Select(resource => resource.Prefix)]) =>
        _byPrefix = resources.ToDictionary(resource => resource.Prefix);

    public RbacIndex Current()
    {
        if (IsCurrent)
            return _index;
        lock (_lock)
        {
            Follow();
            return _index;
        }
    }

    protected override void Load(Snapshot snapshot)
    {
        var index = RbacIndex.Empty;
        foreach (var resource in _byPrefix.Values)
        {
            foreach (var entry in snapshot.Range(resource.Prefix))
                index = index.With(null, StoredObject.Read(resource, entry));
        }
        _index = index;
    }

    protected override void Apply(in Change change)
    {
        var resource = _byPrefix[change.Key[..(change.Key.IndexOf('/', 1) + 1)]];
        _index = _index.With(
            change.Previous is null ? null : StoredObject.Read(resource, change.Previous),
            change.Current is null ? null : StoredObject.Read(resource, change.Current));
    }
}
