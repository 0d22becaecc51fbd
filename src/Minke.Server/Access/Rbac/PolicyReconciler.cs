using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Rbac.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Access.Rbac;

/// <summary>
/// Brings the roles and bindings every cluster starts with into the store: those that are missing at once, in one commit; those that
/// lost a rule or a subject get it back afterwards, unless they are annotated not to.
/// </summary>
internal sealed partial class PolicyReconciler(IStateStore store, ResourceCatalog catalog, IdSource ids, TimeProvider clock, ILogger logger)
{
    private readonly Lazy<List<IKubeObject>> _wanted = new(BootstrapPolicy.Read); // once the server listens

    private bool _isComplete; // nothing was there before

    /// <summary>Writes what is not there.</summary>
    public async Task CreateMissingAsync(CancellationToken cancellationToken)
    {
        var snapshot = store.Snapshot();
        var created = Time.From(clock.GetUtcNow());
        var writes = new List<Task<WriteResult>>();
        foreach (var wanted in _wanted.Value)
        {
            if (catalog.Find(wanted.Info) is not { } resource)
                continue;
            var key = resource.Key(wanted.Metadata.Namespace, wanted.Metadata.Name);
            if (snapshot.Get(key) is not null)
                continue;
            var value = wanted.WithMetadata(wanted.Metadata with { Uid = ids.NewUid(), CreationTimestamp = created });
            // Straight to the store: the table is ours and its rules were written down once, so there is nothing to admit or validate.
            writes.Add(store.PutAsync(key, StoredObject.Encode(value), Revision.None, cancellationToken).AsTask());
        }
        try
        {
            await Task.WhenAll(writes);
        }
        catch (StoreUnavailableException e)
        {
            LogPostponed(e.Message); // Reads go on, and so does the administrator.
        }
        _isComplete = writes.Count == _wanted.Value.Count;
    }

    /// <summary>Gives back what somebody took from the others.</summary>
    public async Task RestoreAsync(CancellationToken cancellationToken)
    {
        if (_isComplete)
            return;
        await Task.Yield(); // Whoever starts the server does not wait for this.
        try
        {
            await RestoreAllAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The next start does it.
        }
        catch (StoreUnavailableException e)
        {
            LogPostponed(e.Message);
        }
    }

    private async Task RestoreAllAsync(CancellationToken cancellationToken)
    {
        foreach (var wanted in _wanted.Value)
        {
            if (catalog.Find(wanted.Info) is not { } resource)
                continue;
            var key = resource.Key(wanted.Metadata.Namespace, wanted.Metadata.Name);
            // Decoded for the moment only: most clusters never look at most of them again.
            if (store.Snapshot().Get(key) is not { } entry || StoredObject.Decode(resource.StorageKind, entry) is not { Metadata.DeletionTimestamp: null } existing)
                continue;
            if (existing.Metadata.Annotations.GetValueOrDefault(BootstrapPolicy.AutoUpdate) == "false")
                continue;
            var restored = Restored(existing, wanted);
            if (ReferenceEquals(restored, existing))
                continue;
            await store.PutAsync(key, StoredObject.Encode(restored), entry.Modified, cancellationToken);
            LogRestored(resource.Kind.Kind, wanted.Metadata.Name);
        }
    }

    private static IKubeObject Restored(IKubeObject existing, IKubeObject wanted) => (existing, wanted) switch
    {
        // What aggregates has its rules from others.
        (ClusterRole now, ClusterRole { AggregationRule: { } aggregation }) => now.AggregationRule is null ? now with { AggregationRule = aggregation } : now,
        (ClusterRole now, ClusterRole should) => RuleCover.Missing([.. now.Rules], should.Rules) is { Count: > 0 } missing
            ? now with { Rules = [.. now.Rules, .. missing] } : now,
        (Role now, Role should) => RuleCover.Missing([.. now.Rules], should.Rules) is { Count: > 0 } missing
            ? now with { Rules = [.. now.Rules, .. missing] } : now,
        (ClusterRoleBinding now, ClusterRoleBinding should) => MissingSubjects(now.Subjects, should.Subjects) is { Count: > 0 } missing
            ? now with { Subjects = [.. now.Subjects, .. missing] } : now,
        (RoleBinding now, RoleBinding should) => MissingSubjects(now.Subjects, should.Subjects) is { Count: > 0 } missing
            ? now with { Subjects = [.. now.Subjects, .. missing] } : now,
        _ => existing,
    };

    private static List<Subject> MissingSubjects(ApiList<Subject> now, ApiList<Subject> should) =>
        [.. should.Where(subject => !now.Any(one => one.Kind == subject.Kind && one.Name == subject.Name && one.Namespace == subject.Namespace))];

    [LoggerMessage(LogLevel.Warning, "Default roles are not all there until the next start: {Reason}")]
    private partial void LogPostponed(string reason);

    [LoggerMessage(LogLevel.Information, "{Kind} {Name} has its default rules or subjects again")]
    private partial void LogRestored(string kind, string name);
}
