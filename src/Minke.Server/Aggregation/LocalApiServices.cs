using Minke.Api;
using Minke.Api.Apiregistration.V1;
using Minke.Api.Meta.V1;
using Minke.Client;
using Minke.Server.Registry;
using Minke.Store;
using Microsoft.Extensions.Logging;

namespace Minke.Server.Aggregation;

/// <summary>
/// Keeps an APIService for every group and version that this server serves itself: of what is built in, as it was at the start; of
/// custom kinds, for as long as they are served. (kube-aggregator/pkg/controllers/autoregister)
/// </summary>
/// <remarks>It writes past admission and validation, which are for what users change. One without the label is somebody else's.</remarks>
internal sealed class LocalApiServices : IReconciler
{
    private const string Managed = "kube-aggregator.kubernetes.io/automanaged";
    private const string OnStart = "onstart";
    private const string Always = "true";

    // Served by this server, unless somebody brings a server of their own.
    private const string Metrics = "metrics.k8s.io";

    // Upstream's aggregator has none for itself.
    private const string Own = "apiregistration.k8s.io";

    private readonly IStateStore _store;
    private readonly ResourceCatalog _catalog;
    private readonly IdSource _ids;
    private readonly TimeProvider _clock;
    private readonly Resource? _resource;
    private readonly ReconcileLoop _loop;
    private readonly Lock _lock = new();
    // Both guarded by _lock. What custom kinds wanted last, and what is still to be put right as at a start.
    private HashSet<string> _custom;
    private readonly HashSet<string> _atStart = new(StringComparer.Ordinal);

    public LocalApiServices(IStateStore store, ResourceCatalog catalog, IdSource ids, TimeProvider clock, ILogger logger)
    {
        (_store, _catalog, _ids, _clock) = (store, catalog, ids, clock);
        _resource = catalog.Find(APIService.KindInfo);
        _loop = new ReconcileLoop("local-api-services", this, clock, logger);
        _custom = CustomNames();
        if (_resource is null)
            return;
        _atStart.UnionWith(store.Snapshot().Range(_resource.Prefix).Select(entry => entry.Key[_resource.Prefix.Length..]));
        foreach (var name in _atStart.Union(_custom))
            Observe(name);
        catalog.Changed += Compare;
    }

    /// <summary>Writes those that are not there, in one commit.</summary>
    public async Task CreateMissingAsync(CancellationToken cancellationToken)
    {
        if (_resource is null)
            return;
        var snapshot = _store.Snapshot();
        var writes = _catalog.Current.GroupVersions.Select(one => Wanted(one.Group, one.Version)).OfType<APIService>()
            .Where(wanted => snapshot.Get(_resource.Key("", wanted.Metadata.Name)) is null).Select(wanted => CreateAsync(wanted, cancellationToken)).ToList();
        try
        {
            await Task.WhenAll(writes);
        }
        catch (StoreUnavailableException)
        {
            // Everything is served all the same; the next start writes them.
        }
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await _loop.RunAsync(cancellationToken);
        _catalog.Changed -= Compare;
    }

    /// <summary>One has changed, or gone.</summary>
    public void Observe(string name) => _loop.Enqueue(new ObjectKey("", name));

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var name = key.Name;
        bool isStart;
        lock (_lock)
            isStart = _atStart.Remove(name);
        var dot = name.IndexOf('.', StringComparison.Ordinal);
        var wanted = dot < 0 ? null : Wanted(name[(dot + 1)..], name[..dot]);
        if (_store.Snapshot().Get(_resource!.Key("", name)) is not { } entry)
        {
            if (wanted is not null && LabelOf(wanted) == Always)
                await CreateAsync(wanted, cancellationToken);
            return Requeue.Never;
        }
        var current = (APIService)StoredObject.Read(_resource, entry);
        var label = LabelOf(current);
        if (label != Always && !(label == OnStart && isStart))
            return Requeue.Never;
        if (wanted is null)
            await _store.DeleteAsync(entry.Key, entry.Modified, cancellationToken);
        else if (!Json.Same(current.Spec, wanted.Spec) && !(wanted.Spec.Group == Metrics && current.Spec.Service is not null))
            await PutAsync(entry, current with { Spec = wanted.Spec }, cancellationToken);
        return Requeue.Never;
    }

    private async Task PutAsync(Entry entry, APIService value, CancellationToken cancellationToken)
    {
        // Changed meanwhile: the watch brings it again.
        var result = await _store.PutAsync(entry.Key, StoredObject.Encode(value), entry.Modified, cancellationToken);
        if (result is { Outcome: WriteOutcome.Committed, Entry: { } written })
            StoredObject.Remember(written, value);
    }

    private async Task CreateAsync(APIService wanted, CancellationToken cancellationToken)
    {
        var created = Time.From(_clock.GetUtcNow());
        var value = wanted with
        {
            Metadata = wanted.Metadata with { Uid = _ids.NewUid(), CreationTimestamp = created },
            Status = new() { Conditions = [ApiServiceConditions.Local with { LastTransitionTime = created }] },
        };
        await _store.PutAsync(_resource!.Key("", wanted.Metadata.Name), StoredObject.Encode(value), Revision.None, cancellationToken);
    }

    /// <summary>Null where this server serves nothing.</summary>
    private APIService? Wanted(string group, string version)
    {
        if (group == Own || _catalog.Current.Of(group, version).FirstOrDefault() is not { } resource)
            return null;
        return new APIService
        {
            Metadata = new ObjectMeta
            {
                Name = $"{version}.{group}",
                Labels = ApiMap.From([KeyValuePair.Create(Managed, resource.Custom is null && group != Metrics ? OnStart : Always)]),
            },
            Spec = new APIServiceSpec
            {
                Group = group,
                Version = version,
                GroupPriorityMinimum = GroupPriorities.Of(group),
                VersionPriority = GroupPriorities.OfVersion(group, version, isCustom: resource.Custom is not null),
            },
        };
    }

    private static string LabelOf(APIService service) => service.Metadata.Labels.GetValueOrDefault(Managed) ?? "";

    private void Compare()
    {
        lock (_lock)
        {
            var now = CustomNames();
            _custom.SymmetricExceptWith(now);
            foreach (var name in _custom)
                Observe(name);
            _custom = now;
        }
    }

    private HashSet<string> CustomNames() =>
        [.. _catalog.All.Where(resource => resource.Custom is not null).Select(resource => $"{resource.Kind.Version}.{resource.Kind.Group}")];
}
