using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Api.Batch.V1;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Admission;
using Minke.Server.CustomResources;
using Minke.Store;

namespace Minke.Server.Registry;

/// <summary>Deletion: at once, with grace (pods), or once the last finalizer is gone.</summary>
internal sealed partial class ObjectRegistry
{
    private const string OrphanFinalizer = "orphan";
    private const string ForegroundFinalizer = "foregroundDeletion";
    private const string JobWarning = "child pods are preserved by default when jobs are deleted; "
        + "set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";

    /// <summary>A garbage collector runs, so what it must do is left to it as a finalizer. Without one nobody would take it off again.</summary>
    public bool HasGarbageCollector { get; init; }

    public async Task<Written> DeleteAsync(
        Resource resource, string @namespace, string name, DeleteOptions options, WriteContext context, CancellationToken cancellationToken)
    {
        ValidateDeleteOptions(options);
        var key = resource.Key(@namespace, name);
        for (var attempt = 1; attempt <= UpdateAttempts; attempt++)
        {
            var entry = store.Snapshot().Get(key) ?? throw StatusException.NotFound(resource.Kind, name);
            var old = StoredObject.Read(resource, await PreparedAsync(resource, entry, cancellationToken));
            CheckPreconditions(resource, old, options);
            if (!context.IsAdmitted)
                await AdmitDeleteAsync(resource, @namespace, old, options, context, cancellationToken);
            if (attempt == 1 && old is Job && SaysNothing(options))
                context.Warnings.Add(JobWarning);

            // Null: remove it now.
            var changed = Deleting(old, options);
            if (ReferenceEquals(changed, old))
                return new(old, entry);
            if (context.IsDryRun)
                return new(changed ?? old, null, IsRemoved: changed is null);

            if (changed is null)
            {
                var removed = await DeleteAsync(key, entry.Modified, cancellationToken);
                if (removed.Outcome == WriteOutcome.Committed && old is Service gone)
                    Services?.Release(gone);
                if (removed.Outcome == WriteOutcome.Committed)
                    return new(old.WithMetadata(old.Metadata with { ResourceVersion = removed.Revision.ToString() }), null, IsRemoved: true);
                continue;
            }
            var stored = await ToStoredAsync(resource, changed, cancellationToken);
            var result = await PutAsync(key, stored, StoredObject.Encode(stored), entry.Modified, cancellationToken);
            if (result.Outcome == WriteOutcome.Committed)
            {
                StoredObject.Remember(result.Entry!, stored);
                return new(StoredObject.Read(resource, await PreparedAsync(resource, result.Entry!, cancellationToken)), result.Entry);
            }
        }
        throw StatusException.Modified(resource.Kind, name);
    }

    private async ValueTask AdmitDeleteAsync(
        Resource resource, string @namespace, IKubeObject old, DeleteOptions options, WriteContext context, CancellationToken cancellationToken)
    {
        var request = new AdmissionRequest
        {
            Resource = resource,
            Operation = AdmissionOperation.Delete,
            Namespace = @namespace,
            Name = old.Metadata.Name,
            Old = old,
            Context = context,
            Deletion = options,
            IsOfCollection = context.IsOfCollection,
        };
        await admission.AdmitAsync(request, cancellationToken);
        await admission.ValidateAsync(request, cancellationToken);
    }

    /// <summary>Deletes what a list would show. Objects that go meanwhile are passed over.</summary>
    public async Task<List<IKubeObject>> DeleteCollectionAsync(
        Resource resource, string @namespace, ListQuery query, DeleteOptions options, WriteContext context, CancellationToken cancellationToken)
    {
        var deleted = new List<IKubeObject>();
        foreach (var entry in store.Snapshot().Range(resource.ListPrefix(@namespace)))
        {
            var value = StoredObject.Read(resource, await PreparedAsync(resource, entry, cancellationToken));
            if (!query.Matches(value))
                continue;
            try
            {
                deleted.Add((await DeleteAsync(resource, value.Metadata.Namespace, value.Metadata.Name, options, context, cancellationToken)).Object);
            }
            catch (StatusException e) when (e.Reason == StatusReason.NotFound)
            {
                // Somebody else deleted it; that is what was asked.
            }
        }
        return deleted;
    }

    /// <summary>The object as the deletion leaves it: the same when it is already on its way, null when nothing keeps it.</summary>
    private IKubeObject? Deleting(IKubeObject old, DeleteOptions options)
    {
        if (old is Namespace { Metadata.DeletionTimestamp: null } active)
        {
            return active with
            {
                Metadata = active.Metadata with { DeletionTimestamp = Time.From(clock.GetUtcNow()) },
                Status = active.Status with { Phase = NamespacePhase.Terminating },
            };
        }
        if (old is Namespace { Spec.Finalizers.IsEmpty: false })
            return old;
        // Its objects go first; the finalizer sees to that.
        if (old is CustomResourceDefinition { Metadata.DeletionTimestamp: null } definition)
            return DefinitionStatus.Deleting(definition, clock.GetUtcNow());

        var metadata = old.Metadata;
        var isGraceful = old is Pod;
        if (isGraceful && metadata.DeletionTimestamp is { } due && metadata.DeletionGracePeriodSeconds is { } pending)
        {
            // Already being deleted: the grace period may only get shorter.
            if (options.GracePeriodSeconds is not { } asked || Positive(asked) >= pending)
                return pending > 0 || !metadata.Finalizers.IsEmpty ? old : null;
            var shorter = Positive(asked);
            metadata = metadata with { DeletionTimestamp = new Time(due.UnixSeconds - pending + shorter), DeletionGracePeriodSeconds = shorter };
        }
        else if (metadata.DeletionTimestamp is null)
        {
            metadata = metadata with { Finalizers = WithPropagation(old, options) };
            var grace = old is Pod pod ? GracePeriod(pod, options) : 0;
            if (isGraceful || !metadata.Finalizers.IsEmpty)
            {
                metadata = metadata with
                {
                    DeletionTimestamp = Time.From(clock.GetUtcNow().AddSeconds(grace)),
                    DeletionGracePeriodSeconds = grace,
                    Generation = metadata.Generation > 0 ? metadata.Generation + 1 : 0,
                };
            }
        }
        if (metadata.Finalizers.IsEmpty && metadata.DeletionGracePeriodSeconds is null or 0)
            return null;
        return ReferenceEquals(metadata, old.Metadata) ? old : old.WithMetadata(metadata);
    }

    private static long GracePeriod(Pod pod, DeleteOptions options)
    {
        var period = options.GracePeriodSeconds ?? pod.Spec.TerminationGracePeriodSeconds ?? 0;
        // Nobody runs it, or nothing runs any more: nothing to wait for.
        return pod.Spec.NodeName.Length == 0 || pod.Status.Phase is PodPhase.Failed or PodPhase.Succeeded ? 0 : Positive(period);
    }

    /// <summary>Negative grace counts as one second, as upstream says.</summary>
    private static long Positive(long seconds) => seconds < 0 ? 1 : seconds;

    private static bool SaysNothing(DeleteOptions options) => options is { PropagationPolicy: null, OrphanDependents: null };

    private ApiList<string> WithPropagation(IKubeObject old, DeleteOptions options)
    {
        var finalizers = old.Metadata.Finalizers;
        // These two have always left their pods behind unless told otherwise.
        var isOrphan = options.OrphanDependents == true || options.PropagationPolicy == DeletionPropagation.Orphan
            || (SaysNothing(options) && old is (Job or ReplicationController) && !finalizers.Contains(ForegroundFinalizer) && !finalizers.Contains(OrphanFinalizer));
        var isForeground = options.PropagationPolicy == DeletionPropagation.Foreground;
        if (options.PropagationPolicy is not null || options.OrphanDependents is not null)
            finalizers = finalizers.Without(finalizer => finalizer is OrphanFinalizer or ForegroundFinalizer);
        if (!HasGarbageCollector)
            return finalizers;
        return isOrphan ? finalizers.Add(OrphanFinalizer) : isForeground ? finalizers.Add(ForegroundFinalizer) : finalizers;
    }

    private static void ValidateDeleteOptions(DeleteOptions options)
    {
        var errors = new FieldErrors();
        if (options.OrphanDependents is not null && options.PropagationPolicy is not null)
            errors.Invalid("propagationPolicy", options.PropagationPolicy, "orphanDependents and deletionPropagation cannot be both set");
        if (options.PropagationPolicy is not (null or DeletionPropagation.Foreground or DeletionPropagation.Background or DeletionPropagation.Orphan))
        {
            errors.NotSupported("propagationPolicy", options.PropagationPolicy,
                [DeletionPropagation.Foreground, DeletionPropagation.Background, DeletionPropagation.Orphan, "nil"]);
        }
        DryRun.Validate(options.DryRun, errors);
        if (errors.Count > 0)
            throw StatusException.Invalid("meta.k8s.io", "DeleteOptions", "", errors);
    }

    private static void CheckPreconditions(Resource resource, IKubeObject old, DeleteOptions options)
    {
        if (options.Preconditions is not { } asked)
            return;
        if (asked.Uid is { } uid && uid != old.Metadata.Uid)
        {
            throw StatusException.Conflict(resource.Kind, old.Metadata.Name,
                $"the UID in the precondition ({uid}) does not match the UID in record ({old.Metadata.Uid}). The object might have been deleted and then recreated");
        }
        if (asked.ResourceVersion is { } version && version != old.Metadata.ResourceVersion)
        {
            throw StatusException.Conflict(resource.Kind, old.Metadata.Name,
                $"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({old.Metadata.ResourceVersion}). "
                + "The object might have been modified");
        }
    }
}
