using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Client;

namespace Minke.Control.Lifecycle;

/// <summary>
/// Empties namespaces that are being deleted, then lets them go by taking the finalizer <c>kubernetes</c> away. What does not go at once is
/// followed: each change of it is a look at its namespace.
/// </summary>
public sealed class NamespaceController : IReconciler
{
    private const int Workers = 2;

    private readonly Informer<Namespace> _namespaces;
    private readonly IApiClient _api;
    private readonly IServedKinds _kinds;
    private readonly TimeProvider _time;
    private readonly KindFollower _follower;
    private readonly ReconcileLoop _loop;
    // The kinds that something was left of, bounded by their number.
    private readonly ConcurrentDictionary<(string Group, string Plural), Task> _followed = new();
    private CancellationToken _stop;

    public NamespaceController(Informer<Namespace> namespaces, IApiClient api, IServedKinds kinds, TimeProvider time, ILoggerFactory loggers)
    {
        (_namespaces, _api, _kinds, _time) = (namespaces, api, kinds, time);
        _follower = new(api, time, loggers.CreateLogger<NamespaceController>());
        _loop = new("namespaces", this, time, loggers.CreateLogger<ReconcileLoop>(), Workers);
        namespaces.OnChange(change => _loop.Enqueue(change.Key));
    }

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _stop = cancellationToken;
        // A custom kind that comes or goes may be what is left.
        _kinds.Changed += LookAtAll;
        try
        {
            await _loop.RunAsync(cancellationToken);
            await Task.WhenAll(_followed.Values);
        }
        finally
        {
            _kinds.Changed -= LookAtAll;
        }
    }

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (_namespaces.Get(key) is not { } @namespace || !IsEmptied(@namespace))
            return Requeue.Never;

        var remains = new NamespaceRemains();
        // One version of each is enough: all show the same objects.
        foreach (var kind in _kinds.Current.DistinctBy(kind => (kind.Group, kind.Plural)))
        {
            if (kind.IsNamespaced && kind.Verbs.Contains("delete") && kind.Verbs.Contains("list"))
                await EmptyAsync(kind, key.Name, remains, cancellationToken);
        }

        try
        {
            await WriteAsync(@namespace, remains, cancellationToken);
        }
        catch (StatusException e) when (e.Code == 404)
        {
            // It is gone; only the cache has not heard of it yet.
            return Requeue.Never;
        }
        // A refusal comes again with back-off, unlike what is only on its way.
        return remains.FirstFailure is { } failure ? throw failure : Requeue.Never;
    }

    private async Task WriteAsync(Namespace @namespace, NamespaceRemains remains, CancellationToken cancellationToken)
    {
        var status = remains.Progress(@namespace.Status, _time.GetUtcNow());
        if (!Json.Same(status, @namespace.Status))
            @namespace = await _api.UpdateStatusAsync(@namespace with { Status = status }, cancellationToken);
        if (remains is { FirstFailure: null, IsEmpty: true })
        {
            await _api.UpdateSubresourceAsync(
                @namespace with { Spec = @namespace.Spec with { Finalizers = @namespace.Spec.Finalizers.Without(finalizer => finalizer == FinalizerName.Kubernetes) } },
                "finalize", cancellationToken);
        }
    }

    private static bool IsEmptied(Namespace @namespace) => @namespace.Metadata.DeletionTimestamp is not null && !@namespace.Spec.Finalizers.IsEmpty;

    private async Task EmptyAsync(KindInfo kind, string @namespace, NamespaceRemains remains, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var item in (await _api.ListAsync(kind, @namespace, Selection.All, cancellationToken)).Items)
            {
                if (item.Metadata.DeletionTimestamp is null)
                    await DeleteAsync(kind, item, remains, cancellationToken);
            }
            var left = (await _api.ListAsync(kind, @namespace, Selection.All, cancellationToken)).Items;
            remains.Count(kind, left);
            if (left.Count > 0)
                _ = _followed.GetOrAdd((kind.Group, kind.Plural), static (_, state) => state.Self.FollowAsync(state.Kind, state.Self._stop), (Self: this, Kind: kind));
        }
        catch (StatusException e) when (e.Code == 404)
        {
            // A custom kind that went, or changed, meanwhile: the kinds are others now, and that is another look.
            remains.IsUncertain = true;
        }
    }

    private async Task DeleteAsync(KindInfo kind, IKubeObject item, NamespaceRemains remains, CancellationToken cancellationToken)
    {
        try
        {
            await _api.DeleteAsync(kind, item.Metadata.Namespace, item.Metadata.Name, new() { PropagationPolicy = DeletionPropagation.Background }, cancellationToken);
        }
        catch (StatusException e) when (e.Code is 404 or 409)
        {
            // Gone, or changed and seen in the list that follows.
        }
        catch (StatusException e)
        {
            remains.Fail(kind, e);
        }
    }

    private async Task FollowAsync(KindInfo kind, CancellationToken cancellationToken)
    {
        var isServed = await _follower.RunAsync(
            kind,
            async () =>
            {
                // Only the version is wanted. What went before it is seen by another look.
                var list = await _api.ListAsync(kind, null, new(Fields: "metadata.name=-"), cancellationToken);
                LookAtAll();
                return list.Metadata.ResourceVersion;
            },
            (type, value) =>
            {
                var key = new ObjectKey("", value.Metadata.Namespace);
                if (type != WatchEventType.Added && _namespaces.Get(key) is { } @namespace && IsEmptied(@namespace))
                    _loop.Enqueue(key);
            },
            cancellationToken);
        if (!isServed)
            _followed.TryRemove((kind.Group, kind.Plural), out _);
    }

    private void LookAtAll()
    {
        foreach (var @namespace in _namespaces.All.Where(IsEmptied))
            _loop.Enqueue(ObjectKey.Of(@namespace));
    }
}
