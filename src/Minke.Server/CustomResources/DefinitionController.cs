using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Api.Meta.V1;
using Minke.Client;
using Minke.Server.Access;
using Minke.Server.Registry;
using Minke.Server.Webhooks;
using Minke.Store;
using ConditionStatus = Minke.Api.Apiextensions.V1.ConditionStatus;
using ConditionType = Minke.Api.Apiextensions.V1.CustomResourceDefinitionConditionType;

namespace Minke.Server.CustomResources;

/// <summary>
/// Makes definitions what they ask for: gives them their names, serves their kinds, says so, and empties them when they go. A kind is
/// in the catalogue, and so in discovery and OpenAPI, before its definition says Established.
/// </summary>
/// <remarks>One worker: names are given one at a time. It writes past admission and validation, which are for what users change.</remarks>
internal sealed partial class DefinitionController : IReconciler
{
    // After which upstream says that it is still waiting.
    private static readonly TimeSpan DeletionPatience = TimeSpan.FromMinutes(1);

    private readonly IStateStore _store;
    private readonly ResourceCatalog _catalog;
    private readonly ObjectRegistry _registry;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Func<CustomResourceDefinition, ConversionWebhook> _webhook;
    private readonly Resource? _resource;
    private readonly ReconcileLoop _loop;
    private readonly Lock _lock = new();
    // Both guarded by _lock. What is served, by name, and of which revision that is.
    private readonly SortedDictionary<string, CustomDefinition> _served = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Revision> _seen = new(StringComparer.Ordinal);
    private readonly Revision _loaded;
    // Of the loop's one worker: what waits for the last objects of definitions on their way out.
    private readonly Dictionary<string, Task> _emptying = new(StringComparer.Ordinal);
    private CancellationToken _stop;

    public DefinitionController(IStateStore store, ResourceCatalog catalog, ObjectRegistry registry, IdSource ids, TimeProvider clock, ILogger logger)
    {
        (_store, _catalog, _registry, _clock, _logger) = (store, catalog, registry, clock, logger);
        var services = new ServiceResolver(store, catalog, ids);
        _webhook = definition => new ConversionWebhook(definition, new WebhookClient(ConversionWebhook.AddressOf(definition), services), ids, clock);
        _resource = catalog.Find(CustomResourceDefinition.KindInfo);
        _loop = new ReconcileLoop("custom-resource-definitions", this, clock, logger);
        var snapshot = store.Snapshot();
        _loaded = snapshot.Revision;
        if (_resource is null)
            return;
        foreach (var entry in snapshot.Range(_resource.Prefix))
        {
            var outline = DefinitionOutline.Read(entry);
            Serve(NameOf(entry.Key), outline, entry.Modified, () => Read(entry));
            // Most are as they should be, and need no look at their schemas.
            if (!DefinitionStatus.IsTrue(outline, ConditionType.Established) || outline.Metadata.DeletionTimestamp is not null)
                _loop.Enqueue(new ObjectKey("", NameOf(entry.Key)));
        }
        if (_served.Count > 0)
            Publish();
    }

    /// <summary>Follows definitions until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (_resource is null)
            return;
        _stop = cancellationToken;
        await Task.WhenAll(_loop.RunAsync(cancellationToken), _store.FollowAsync(_resource.Prefix, _loaded, Observe, cancellationToken));
        await Task.WhenAll(_emptying.Values);
    }

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (_store.Snapshot().Get(_resource!.Key("", key.Name)) is not { } entry)
        {
            // Whoever waits for its names may have them now.
            foreach (var peer in Peers(key.Name))
                _loop.Enqueue(new ObjectKey("", peer.Metadata.Name));
            return Requeue.Never;
        }
        var definition = Read(entry);
        if (definition.Metadata.DeletionTimestamp is not null && definition.Metadata.Finalizers.Contains(DefinitionStatus.Finalizer))
            return await EmptyAsync(entry, definition, cancellationToken);

        var now = _clock.GetUtcNow();
        var named = DefinitionStatus.WithNames(definition, Peers(key.Name), now);
        named = DefinitionStatus.WithApproval(DefinitionStatus.WithStoredVersion(named), now);
        if (!Json.Same(named.Status, definition.Status))
        {
            var freed = !Json.Same(named.Status.AcceptedNames, definition.Status.AcceptedNames);
            if (await StoreAsync(entry, named, cancellationToken) is not { } written)
                return Requeue.Never; // Changed meanwhile: the watch brings it again.
            entry = written;
            Serve(key.Name, named, entry.Modified);
            if (freed)
            {
                foreach (var peer in Peers(key.Name).Where(peer => !DefinitionStatus.IsTrue(peer, ConditionType.NamesAccepted)))
                    _loop.Enqueue(new ObjectKey("", peer.Metadata.Name));
            }
        }
        var established = DefinitionStatus.Established(named, _clock.GetUtcNow());
        if (!ReferenceEquals(established, named) && await StoreAsync(entry, established, cancellationToken) is not null)
            LogEstablished(key.Name);
        return Requeue.Never;
    }

    /// <summary>Deletes every object, and lets the definition go when none is left.</summary>
    private async Task<Requeue> EmptyAsync(Entry entry, CustomResourceDefinition definition, CancellationToken cancellationToken)
    {
        var name = definition.Metadata.Name;
        var now = _clock.GetUtcNow();
        if (!DefinitionStatus.IsTrue(definition, ConditionType.Established))
        {
            var never = DefinitionStatus.With(definition, now, ConditionType.Terminating, ConditionStatus.False, "NeverEstablished", "resource was never established");
            await StoreAsync(entry, WithoutFinalizer(never), cancellationToken);
            return Requeue.Never;
        }
        var condition = definition.Status.Conditions.FirstOrDefault(one => one.Type == ConditionType.Terminating);
        if (condition is null or { Reason: "InstanceDeletionPending" })
        {
            definition = DefinitionStatus.With(definition, now, ConditionType.Terminating, ConditionStatus.True, "InstanceDeletionInProgress", "CustomResource deletion is in progress");
            if (await StoreAsync(entry, definition, cancellationToken) is not { } written)
                return Requeue.Never;
            entry = written;
        }
        Serve(name, definition, entry.Modified);
        CustomDefinition? served;
        lock (_lock)
            served = _served.GetValueOrDefault(name);
        if (served is null)
            return Requeue.Never; // An older state than is known by now: the newer one brings it again.

        var errors = await DeleteInstancesAsync(served.Storage, cancellationToken);
        if (errors.Count > 0)
        {
            var message = "could not issue all deletes: " + (errors.Count == 1 ? errors[0] : $"[{string.Join(", ", errors)}]");
            await StoreAsync(entry, DefinitionStatus.With(definition, now, ConditionType.Terminating, ConditionStatus.True, "InstanceDeletionFailed", message), cancellationToken);
            throw StatusException.InternalError(message); // Comes again with back-off.
        }
        var left = _store.Snapshot();
        if (left.Count(served.Storage.Prefix) > 0)
            return await WaitForInstancesAsync(entry, definition, served.Storage, left.Revision, cancellationToken);
        definition = DefinitionStatus.With(definition, now, ConditionType.Terminating, ConditionStatus.False, "InstanceDeletionCompleted", "removed all instances");
        await StoreAsync(entry, WithoutFinalizer(definition), cancellationToken);
        return Requeue.Never;
    }

    /// <summary>Comes again when none is left; and says once that it takes long.</summary>
    private async Task<Requeue> WaitForInstancesAsync(
        Entry entry, CustomResourceDefinition definition, Resource storage, Revision seen, CancellationToken cancellationToken)
    {
        var name = definition.Metadata.Name;
        if (!_emptying.TryGetValue(name, out var emptying) || emptying.IsCompleted)
            _emptying[name] = FollowInstancesAsync(name, storage.Prefix, seen, _stop);
        var now = _clock.GetUtcNow();
        var condition = definition.Status.Conditions.First(one => one.Type == ConditionType.Terminating);
        if (condition.Reason != "InstanceDeletionInProgress")
            return Requeue.Never;
        var patience = condition.LastTransitionTime.ToDateTimeOffset() + DeletionPatience - now;
        if (patience > TimeSpan.Zero)
            return Requeue.After(patience);
        await StoreAsync(entry, DefinitionStatus.With(definition, now, ConditionType.Terminating, ConditionStatus.True, "InstanceDeletionCheck",
            "could not confirm zero CustomResources remaining: timed out waiting for the condition"), cancellationToken);
        return Requeue.Never;
    }

    private async Task FollowInstancesAsync(string name, string prefix, Revision seen, CancellationToken cancellationToken)
    {
        try
        {
            using var watch = _store.Watch(prefix, seen);
            // Compacted meanwhile: another look says what is left.
            while (watch is not null && _store.Snapshot().Count(prefix) > 0)
                await watch.ReadAsync(Timeout.InfiniteTimeSpan, cancellationToken);
            _loop.Enqueue(new ObjectKey("", name));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The next server goes on.
        }
    }

    private async Task<List<string>> DeleteInstancesAsync(Resource resource, CancellationToken cancellationToken)
    {
        var errors = new List<string>();
        var context = new WriteContext { User = UserInfo.InProcess };
        foreach (var entry in _store.Snapshot().Range(resource.Prefix))
        {
            var metadata = entry.Decoded(resource.DecodeStored).Metadata;
            if (metadata.DeletionTimestamp is not null)
                continue;
            try
            {
                await _registry.DeleteAsync(resource, metadata.Namespace, metadata.Name, new DeleteOptions(), context, cancellationToken);
            }
            catch (StatusException e) when (e.Code == 404)
            {
                // Gone already.
            }
            catch (StatusException e)
            {
                errors.Add(e.Message);
            }
        }
        return errors;
    }

    private void Observe(Change change)
    {
        var name = NameOf(change.Key);
        Serve(name, change.Current is { } current ? Read(current) : null, change.Revision);
        _loop.Enqueue(new ObjectKey("", name));
    }

    /// <summary>Serves a definition as it is now, or no more. An older state than was seen already changes nothing.</summary>
    /// <param name="whole">At the start: reads the definition with its schemas.</param>
    private void Serve(string name, CustomResourceDefinition? definition, Revision revision, Func<CustomResourceDefinition>? whole = null)
    {
        CustomDefinition? retired = null;
        lock (_lock)
        {
            if (_seen.TryGetValue(name, out var seen) && seen >= revision)
                return;
            _seen[name] = revision;
            var before = _served.GetValueOrDefault(name);
            var isTerminating = definition is not null && DefinitionStatus.IsTrue(definition, ConditionType.Terminating);
            if (definition is null || !DefinitionStatus.IsServed(definition) || !definition.Spec.Versions.Any(version => version.Storage))
            {
                if (!_served.Remove(name))
                    return;
                retired = before;
            }
            else if (before is not null && before.Serves(definition))
            {
                if (before.IsTerminating == isTerminating)
                    return;
                before.IsTerminating = isTerminating;
            }
            else
            {
                _served[name] = new CustomDefinition(definition, whole ?? (() => definition), _webhook) { IsTerminating = isTerminating };
                retired = before;
            }
            if (whole is null)
                Publish();
        }
        retired?.Dispose();
    }

    private void Withdraw(string name, Revision revision)
    {
        CustomDefinition? retired;
        lock (_lock)
        {
            _seen[name] = revision; // States from before are not served again.
            if (!_served.Remove(name, out retired))
                return;
            Publish();
        }
        retired.Dispose();
    }

    private void Publish() => _catalog.Replace(_served.Values.SelectMany(definition => definition.Resources));

    /// <summary>The other definitions of a group.</summary>
    private IEnumerable<CustomResourceDefinition> Peers(string name)
    {
        var group = name[(name.IndexOf('.', StringComparison.Ordinal) + 1)..];
        return _store.Snapshot().Range(_resource!.Prefix).Where(entry => NameOf(entry.Key) is var other && other != name && other.EndsWith("." + group, StringComparison.Ordinal))
            .Select(Read).Where(definition => definition.Spec.Group == group);
    }

    /// <summary>Null when somebody else was first. What was on its way out and has no finalizer left goes.</summary>
    private async Task<Entry?> StoreAsync(Entry entry, CustomResourceDefinition definition, CancellationToken cancellationToken)
    {
        if (definition.Metadata is { DeletionTimestamp: not null, Finalizers.IsEmpty: true })
        {
            // Who sees it gone finds its kind gone too.
            Withdraw(definition.Metadata.Name, entry.Modified);
            var deleted = await _store.DeleteAsync(entry.Key, entry.Modified, cancellationToken);
            if (deleted is { Outcome: WriteOutcome.Conflict, Entry: { } newer })
                Serve(definition.Metadata.Name, Read(newer), newer.Modified);
            return null;
        }
        var result = await _store.PutAsync(entry.Key, StoredObject.Encode(definition), entry.Modified, cancellationToken);
        if (result.Outcome != WriteOutcome.Committed)
            return null;
        StoredObject.Remember(result.Entry!, definition);
        return result.Entry;
    }

    private static CustomResourceDefinition WithoutFinalizer(CustomResourceDefinition definition) => definition with
    {
        Metadata = definition.Metadata with { Finalizers = definition.Metadata.Finalizers.Without(one => one == DefinitionStatus.Finalizer) },
    };

    private CustomResourceDefinition Read(Entry entry) => (CustomResourceDefinition)StoredObject.Read(_resource!, entry);

    private string NameOf(string key) => key[_resource!.Prefix.Length..];

    [LoggerMessage(LogLevel.Information, "{Definition} is established")]
    private partial void LogEstablished(string definition);
}
