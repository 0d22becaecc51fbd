using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client;

namespace Minke.Control.Quotas;

/// <summary>
/// Keeps <c>status.hard</c> and <c>status.used</c> of ResourceQuotas true: admission charges, this counts. Follows only the kinds that some
/// quota bounds, so a cluster without quotas costs nothing.
/// </summary>
public sealed class QuotaController : IReconciler
{
    private const string CountPrefix = "count/";
    private readonly IApiClient _api;
    private readonly IServedKinds _kinds;
    private readonly TimeProvider _time;
    private readonly KindFollower _follower;
    private readonly Informer<ResourceQuota> _quotas;
    private readonly ReconcileLoop _loop;
    private readonly ConcurrentDictionary<(string Group, string Plural), Task> _followed = new();
    private CancellationToken _stop;

    public QuotaController(IApiClient api, IServedKinds kinds, TimeProvider time, ILoggerFactory loggers)
    {
        (_api, _kinds, _time) = (api, kinds, time);
        var logger = loggers.CreateLogger<QuotaController>();
        _follower = new(api, time, logger);
        _quotas = new Informer<ResourceQuota>(api, null, Selection.All, time, logger);
        _loop = new("resource-quotas", this, time, loggers.CreateLogger<ReconcileLoop>());
        _quotas.OnChange(change =>
        {
            // What admission and this loop write into the status is no news.
            if (change.New is { } quota && (change.Old is null || !Json.Same(change.Old.Spec, quota.Spec)))
                _loop.Enqueue(change.Key);
        });
    }

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _stop = cancellationToken;
        await Task.WhenAll(_quotas.RunAsync(cancellationToken), _loop.RunAsync(cancellationToken));
        await Task.WhenAll(_followed.Values);
    }

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (await _api.TryGetAsync<ResourceQuota>(key.Namespace, key.Name, cancellationToken) is not { } quota || quota.Metadata.DeletionTimestamp is not null)
            return Requeue.Never;
        var bounded = BoundedKinds(quota).ToList();
        // A kind is followed before it is counted, so that nothing falls between.
        foreach (var kind in bounded)
            _ = _followed.GetOrAdd((kind.Group, kind.Plural), static (_, state) => state.Self.FollowAsync(state.Kind, state.Self._stop), (Self: this, Kind: kind));

        var used = quota.Spec.Hard.Map(_ => new Quantity(0)).ToDictionary(StringComparer.Ordinal);
        var now = _time.GetUtcNow();
        foreach (var kind in bounded)
        {
            foreach (var item in (await _api.ListAsync(kind, key.Namespace, Selection.All, cancellationToken)).Items)
            {
                if (!QuotaUsage.IsInScope(quota, item))
                    continue;
                foreach (var (name, amount) in QuotaUsage.Of(item, now))
                {
                    if (used.TryGetValue(name, out var sum))
                        used[name] = sum + amount;
                }
            }
        }
        var status = new ResourceQuotaStatus { Hard = quota.Spec.Hard, Used = ApiMap.From(used) };
        // To say that less is used conflicts as long as admission knows of charges that may not be in this count: it is done again then.
        if (!Json.Same(status, quota.Status))
            await _api.UpdateStatusAsync(quota with { Status = status }, cancellationToken);
        return Requeue.Never;
    }

    /// <summary>The kinds whose objects a quota counts.</summary>
    private IEnumerable<KindInfo> BoundedKinds(ResourceQuota quota)
    {
        var names = quota.Spec.Hard.Keys.Select(ResourceOf).ToHashSet(StringComparer.Ordinal);
        return _kinds.Current.Where(kind => kind.IsNamespaced && kind.Verbs.Contains("watch") && names.Contains(kind.Group.Length == 0 ? kind.Plural : $"{kind.Plural}.{kind.Group}"))
            .DistinctBy(kind => (kind.Group, kind.Plural));
    }

    private static string ResourceOf(string bounded)
    {
        if (bounded.StartsWith(CountPrefix, StringComparison.Ordinal))
            return bounded[CountPrefix.Length..];
        if (bounded.StartsWith("services", StringComparison.Ordinal))
            return "services";
        if (bounded is "configmaps" or "secrets" or "replicationcontrollers" or "resourcequotas")
            return bounded;
        return bounded is "persistentvolumeclaims" or "requests.storage" || bounded.Contains(".storageclass.storage.k8s.io/", StringComparison.Ordinal)
            ? "persistentvolumeclaims" : "pods";
    }

    private async Task FollowAsync(KindInfo kind, CancellationToken cancellationToken)
    {
        var isServed = await _follower.RunAsync(
            kind,
            async () =>
            {
                // Only the version is wanted: each quota lists its own namespace.
                var list = await _api.ListAsync(kind, null, new(Fields: "metadata.name=-"), cancellationToken);
                foreach (var quota in _quotas.All)
                    _loop.Enqueue(ObjectKey.Of(quota));
                return list.Metadata.ResourceVersion;
            },
            (type, value) =>
            {
                // A quota's own status is no reason to count quotas again.
                if (kind != ResourceQuota.KindInfo || type != WatchEventType.Modified)
                    Recount(value.Metadata.Namespace);
            },
            cancellationToken);
        if (!isServed)
            _followed.TryRemove((kind.Group, kind.Plural), out _);
    }

    private void Recount(string @namespace)
    {
        foreach (var quota in _quotas.All.Where(quota => quota.Metadata.Namespace == @namespace))
            _loop.Enqueue(ObjectKey.Of(quota));
    }
}
