using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Client;

namespace Minke.Control.Lifecycle.Ownership;

/// <summary>
/// Deletes what belongs to owners that are gone (background), what an owner waits for (foreground), and cuts loose what an owner leaves
/// behind (orphan). An owner in another namespace does not exist for its dependents. Upstream: pkg/controller/garbagecollector.
/// </summary>
public sealed partial class GarbageCollector : IReconciler
{
    // Events have no owners, come in floods and expire by themselves.
    private const string Events = "events";
    private const int Workers = 4;

    private readonly IApiClient _api;
    private readonly IServedKinds _kinds;
    private readonly KindFollower _follower;
    private readonly ILogger _logger;
    private readonly OwnerGraph _graph = new();
    private readonly ReconcileLoop _loop;
    private readonly EventRecorder _events;

    /// <param name="api">Its way to the API.</param>
    /// <param name="kinds">What may own and be owned.</param>
    /// <param name="time">The clock.</param>
    /// <param name="loggers">Where it logs.</param>
    public GarbageCollector(IApiClient api, IServedKinds kinds, TimeProvider time, ILoggerFactory loggers)
    {
        (_api, _kinds) = (api, kinds);
        _logger = loggers.CreateLogger<GarbageCollector>();
        _follower = new(api, time, _logger);
        _events = new(api, "garbage-collector-controller", "", time, loggers.CreateLogger<EventRecorder>());
        _loop = new("garbage-collector", this, time, loggers.CreateLogger<ReconcileLoop>(), Workers);
    }

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        void Notice() => changed.Writer.TryWrite(true);
        _kinds.Changed += Notice;
        Notice();
        var working = Task.WhenAll(_loop.RunAsync(cancellationToken), _events.RunAsync(cancellationToken));
        var followed = new Dictionary<(string Group, string Plural), Task>();
        try
        {
            await foreach (var _ in changed.Reader.ReadAllAsync(cancellationToken))
            {
                foreach (var kind in _kinds.Current.Where(IsFollowed))
                {
                    // One version of each resource is enough: its objects are the same in all.
                    if (!followed.TryGetValue((kind.Group, kind.Plural), out var following) || following.IsCompleted)
                        followed[(kind.Group, kind.Plural)] = FollowAsync(kind, cancellationToken);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Asked to stop.
        }
        finally
        {
            _kinds.Changed -= Notice;
            await Task.WhenAll([working, .. followed.Values]);
        }
    }

    private static bool IsFollowed(KindInfo kind) => kind.Plural != Events && kind.Verbs.Contains("delete") && kind.Verbs.Contains("watch");

    /// <param name="key">Its name is the uid of the object to look at.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (_graph.Get(key.Name) is not { } item || (item.IsDeleting && !item.AwaitsDependents && !item.LeavesDependents))
            return Requeue.Never; // Gone, or on its way: its end will be seen.
        if (await _api.TryGetAsync(item.Kind, item.Key.Namespace, item.Key.Name, cancellationToken) is not { } latest || latest.Metadata.Uid != item.Uid)
            Look(_graph.Forget(item.Uid));
        else if (item.LeavesDependents)
            await OrphanAsync(item, latest, cancellationToken);
        else if (item.AwaitsDependents)
            await DeleteDependentsAsync(item, latest, cancellationToken);
        else
            await DeleteIfUnownedAsync(item, latest, cancellationToken);
        return Requeue.Never;
    }

    private async Task FollowAsync(KindInfo kind, CancellationToken cancellationToken)
    {
        var isServed = await _follower.RunAsync(
            kind,
            async () =>
            {
                var list = await _api.ListAsync(kind, null, Selection.All, cancellationToken);
                Look(_graph.Replace(kind, list.Items));
                return list.Metadata.ResourceVersion;
            },
            (type, value) => Look(type == WatchEventType.Deleted ? _graph.Forget(value.Metadata.Uid) : _graph.Observe(OwnedObject.Of(kind, value))),
            cancellationToken);
        if (!isServed)
            Look(_graph.Replace(kind, []));
    }

    private void Look(IEnumerable<string> uids)
    {
        foreach (var uid in uids)
            _loop.Enqueue(new ObjectKey("", uid));
    }

    private async Task DeleteIfUnownedAsync(OwnedObject item, IKubeObject latest, CancellationToken cancellationToken)
    {
        var (present, absent, waiting) = (0, new List<OwnerReference>(), new List<OwnerReference>());
        foreach (var reference in latest.Metadata.OwnerReferences)
        {
            switch (await StateOfAsync(reference, item, cancellationToken))
            {
                case OwnerState.Absent:
                    absent.Add(reference);
                    break;
                case OwnerState.AwaitsDependents:
                    waiting.Add(reference);
                    break;
                default:
                    present++;
                    break;
            }
        }
        if (present + absent.Count + waiting.Count == 0)
            return;
        if (present > 0)
        {
            if (absent.Count + waiting.Count > 0)
                await SetOwnersAsync(item, latest, latest.Metadata.OwnerReferences.Without(reference => absent.Contains(reference) || waiting.Contains(reference)), cancellationToken);
            return;
        }

        var dependents = waiting.Count > 0 ? _graph.DependentsOf(item.Uid) : [];
        if (dependents.Count > 0)
        {
            // In a circle everybody would wait for everybody: this one no longer blocks its owners.
            if (dependents.Any(dependent => dependent.AwaitsDependents))
            {
                await SetOwnersAsync(item, latest, latest.Metadata.OwnerReferences.Map(reference => reference with { BlockOwnerDeletion = false }), cancellationToken);
                latest = await _api.TryGetAsync(item.Kind, item.Key.Namespace, item.Key.Name, cancellationToken) ?? latest;
            }
            await DeleteAsync(item, latest, DeletionPropagation.Foreground, cancellationToken);
            return;
        }
        var finalizers = latest.Metadata.Finalizers;
        await DeleteAsync(
            item, latest,
            finalizers.Contains(Finalizers.Orphan) ? DeletionPropagation.Orphan
            : finalizers.Contains(Finalizers.Foreground) ? DeletionPropagation.Foreground : DeletionPropagation.Background,
            cancellationToken);
    }

    private async Task DeleteDependentsAsync(OwnedObject owner, IKubeObject latest, CancellationToken cancellationToken)
    {
        var blocking = _graph.DependentsOf(owner.Uid).Where(dependent => dependent.Blocks(owner.Uid)).ToList();
        if (blocking.Count == 0)
            await RemoveFinalizerAsync(owner, latest, Finalizers.Foreground, cancellationToken);
        else
            Look(blocking.Where(dependent => !dependent.AwaitsDependents).Select(dependent => dependent.Uid));
    }

    private async Task OrphanAsync(OwnedObject owner, IKubeObject latest, CancellationToken cancellationToken)
    {
        foreach (var dependent in _graph.DependentsOf(owner.Uid))
        {
            if (await _api.TryGetAsync(dependent.Kind, dependent.Key.Namespace, dependent.Key.Name, cancellationToken) is { } value && value.Metadata.Uid == dependent.Uid)
                await SetOwnersAsync(dependent, value, value.Metadata.OwnerReferences.Without(reference => reference.Uid == owner.Uid), cancellationToken);
        }
        await RemoveFinalizerAsync(owner, latest, Finalizers.Orphan, cancellationToken);
    }

    private enum OwnerState { Present, Absent, AwaitsDependents }

    private async Task<OwnerState> StateOfAsync(OwnerReference reference, OwnedObject dependent, CancellationToken cancellationToken)
    {
        var kind = _kinds.Current.FirstOrDefault(one => one.Kind == reference.Kind && one.ApiVersion == reference.ApiVersion);
        // Of a kind that is not served nobody can say whether it is there; nor does a cluster's object have an owner in a namespace.
        if (kind is null)
            return OwnerState.Present;
        if (kind.IsNamespaced && dependent.Key.Namespace.Length == 0)
        {
            await ReportElsewhereAsync(kind, reference, dependent, cancellationToken);
            return OwnerState.Present;
        }
        var owner = await _api.TryGetAsync(kind, kind.IsNamespaced ? dependent.Key.Namespace : null, reference.Name, cancellationToken);
        if (owner is null || owner.Metadata.Uid != reference.Uid)
        {
            if (kind.IsNamespaced)
                await ReportElsewhereAsync(kind, reference, dependent, cancellationToken);
            return OwnerState.Absent;
        }
        return owner.Metadata.DeletionTimestamp is not null && owner.Metadata.Finalizers.Contains(Finalizers.Foreground)
            ? OwnerState.AwaitsDependents : OwnerState.Present;
    }

    /// <summary>Says so when the owner is there after all, but in a namespace where it cannot own the dependent.</summary>
    private async Task ReportElsewhereAsync(KindInfo kind, OwnerReference reference, OwnedObject dependent, CancellationToken cancellationToken)
    {
        if (_graph.WasLost(reference.Uid))
            return;
        var namesakes = await _api.ListAsync(kind, null, new(Fields: "metadata.name=" + reference.Name), cancellationToken);
        if (!namesakes.Items.Any(other => other.Metadata.Uid == reference.Uid))
            return;
        var key = dependent.Key;
        _events.Record(
            new ObjectReference { Kind = dependent.Kind.Kind, ApiVersion = dependent.Kind.ApiVersion, Namespace = key.Namespace, Name = key.Name, Uid = dependent.Uid },
            "Warning", "OwnerRefInvalidNamespace",
            $"ownerRef [{reference.ApiVersion}/{reference.Kind}, namespace: {key.Namespace}, name: {reference.Name}, uid: {reference.Uid}] does not exist in namespace {FieldErrors.Quote(key.Namespace)}");
    }

    private async Task DeleteAsync(OwnedObject item, IKubeObject latest, string policy, CancellationToken cancellationToken)
    {
        LogDeleted(item.Kind.Plural, item.Key, policy);
        try
        {
            await _api.DeleteAsync(item.Kind, item.Key.Namespace, item.Key.Name, new()
            {
                Preconditions = new() { Uid = item.Uid, ResourceVersion = latest.Metadata.ResourceVersion },
                PropagationPolicy = policy,
            }, cancellationToken);
        }
        catch (StatusException e) when (e.Code == 404)
        {
            Look(_graph.Forget(item.Uid));
        }
    }

    private Task SetOwnersAsync(OwnedObject item, IKubeObject latest, ApiList<OwnerReference> owners, CancellationToken cancellationToken) =>
        PatchAsync(item, latest, writer =>
        {
            writer.WriteStartArray("ownerReferences");
            foreach (var owner in owners)
                owner.WriteJson(writer);
            writer.WriteEndArray();
        }, cancellationToken);

    private Task RemoveFinalizerAsync(OwnedObject item, IKubeObject latest, string finalizer, CancellationToken cancellationToken) =>
        PatchAsync(item, latest, writer =>
        {
            writer.WriteStartArray("finalizers");
            foreach (var other in latest.Metadata.Finalizers.Where(other => other != finalizer))
                writer.WriteStringValue(other);
            writer.WriteEndArray();
        }, cancellationToken);

    /// <summary>Changes metadata of the very version that was looked at; a conflict (409) comes again.</summary>
    private async Task PatchAsync(OwnedObject item, IKubeObject latest, Action<Utf8JsonWriter> write, CancellationToken cancellationToken)
    {
        using var body = new MemoryStream();
        using (var writer = new Utf8JsonWriter(body))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("metadata");
            writer.WriteString("resourceVersion", latest.Metadata.ResourceVersion);
            write(writer);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        try
        {
            await _api.PatchAsync(item.Kind, item.Key.Namespace, item.Key.Name, new ApiPatch(PatchKind.Merge, body.ToArray()), cancellationToken);
        }
        catch (StatusException e) when (e.Code == 404)
        {
            Look(_graph.Forget(item.Uid));
        }
    }

    [LoggerMessage(LogLevel.Information, "Deleting {Kind} {Key}: its owners are gone or wait for it ({Policy})")]
    private partial void LogDeleted(string kind, ObjectKey key, string policy);
}
