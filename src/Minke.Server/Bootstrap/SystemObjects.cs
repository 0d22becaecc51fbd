using Minke.Api;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Bootstrap;

/// <summary>What every cluster has from its first moment beside its default roles: two priority classes, and the flows of requests.</summary>
internal sealed class SystemObjects(IStateStore store, ResourceCatalog catalog, IdSource ids, TimeProvider clock)
{
    /// <summary>Writes what is not there, in one commit. What somebody changed stays as it is.</summary>
    public async Task CreateMissingAsync(CancellationToken cancellationToken)
    {
        var snapshot = store.Snapshot();
        var created = Time.From(clock.GetUtcNow());
        var writes = new List<Task<WriteResult>>();
        foreach (var wanted in Wanted(created))
        {
            if (catalog.Find(wanted.Info) is not { } resource)
                continue;
            var key = resource.Key("", wanted.Metadata.Name);
            if (snapshot.Get(key) is not null)
                continue;
            var value = wanted.WithConstantDefaults();
            value = value.WithMetadata(value.Metadata with { Uid = ids.NewUid(), CreationTimestamp = created, Generation = 1 });
            writes.Add(store.PutAsync(key, StoredObject.Encode(value), Revision.None, cancellationToken).AsTask());
        }
        try
        {
            await Task.WhenAll(writes);
        }
        catch (StoreUnavailableException)
        {
            // Nothing depends on them being there: the next start writes them.
        }
    }

    private static IEnumerable<IKubeObject> Wanted(Time created) =>
    [
        .. SystemPriorityClasses.All, .. SystemFlows.Levels,
        .. SystemFlows.Schemas.Select(schema => schema with
        {
            Status = schema.Status with { Conditions = schema.Status.Conditions.Map(condition => condition with { LastTransitionTime = created }) },
        }),
    ];
}
