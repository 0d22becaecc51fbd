using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Admissionregistration.V1;
using Minke.Client;
using Minke.Server.Access;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission.Policies;

/// <summary>Writes into the status of every policy what checking its types has found.</summary>
internal sealed class PolicyStatusController : IReconciler
{
    private readonly IStateStore _store;
    private readonly ObjectRegistry _registry;
    private readonly PolicyTypeCheck _check;
    private readonly Resource? _policies;
    private readonly ReconcileLoop _loop;
    private readonly Revision _loaded;

    public PolicyStatusController(IStateStore store, ResourceCatalog catalog, ObjectRegistry registry, TimeProvider clock, ILogger logger)
    {
        (_store, _registry, _check) = (store, registry, new PolicyTypeCheck(catalog));
        _policies = catalog.Find(ValidatingAdmissionPolicy.KindInfo);
        _loop = new ReconcileLoop("admission-policy-status", this, clock, logger);
        var snapshot = store.Snapshot();
        _loaded = snapshot.Revision;
        if (_policies is null)
            return;
        foreach (var entry in snapshot.Range(_policies.Prefix))
            _loop.Enqueue(new ObjectKey("", NameOf(entry.Key)));
    }

    /// <summary>Follows policies until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (_policies is not null)
        {
            await Task.WhenAll(
                _loop.RunAsync(cancellationToken),
                _store.FollowAsync(_policies.Prefix, _loaded, change => _loop.Enqueue(new ObjectKey("", NameOf(change.Key))), cancellationToken));
        }
    }

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (_store.Snapshot().Get(_policies!.Key("", key.Name)) is not { } entry)
            return Requeue.Never;
        var policy = (ValidatingAdmissionPolicy)StoredObject.Read(_policies, entry);
        if (IsChecked(policy))
            return Requeue.Never;
        var warnings = _check.Check(policy.Spec);
        try
        {
            await _registry.UpdateAsync(_policies, "status", "", key.Name, current => With((ValidatingAdmissionPolicy)current!, policy, warnings), isPatch: true,
                new WriteContext { User = UserInfo.InProcess, FieldManager = "minke" }, cancellationToken);
        }
        catch (StatusException e) when (e.Code is 404 or 409)
        {
            // Gone, or changed meanwhile: the watch brings it again.
        }
        return Requeue.Never;
    }

    private static bool IsChecked(ValidatingAdmissionPolicy policy) =>
        policy.Status.TypeChecking is not null && policy.Status.ObservedGeneration >= policy.Metadata.Generation;

    private static ValidatingAdmissionPolicy With(ValidatingAdmissionPolicy current, ValidatingAdmissionPolicy seen, ApiList<ExpressionWarning> warnings) =>
        current.Metadata.Generation != seen.Metadata.Generation ? current : current with
        {
            Status = current.Status with
            {
                ObservedGeneration = seen.Metadata.Generation,
                TypeChecking = new TypeChecking { ExpressionWarnings = warnings },
            },
        };

    private static string NameOf(string key) => key[(key.LastIndexOf('/') + 1)..];
}
