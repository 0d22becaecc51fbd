using Minke.Api;
using Minke.Server.Access;
using Minke.Server.Access.Rbac;
using Minke.Server.Admission.Policies;
using Minke.Server.Admission.Webhooks;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission;

/// <summary>What may be written: the plug-ins in upstream's order. A write passes all of them twice, to be changed and then to be judged.</summary>
internal sealed class AdmissionChain(
    IStateStore store, ResourceCatalog catalog, EscalationCheck escalation, NodeRestriction nodes, MutatingWebhooks mutating, ValidatingWebhooks validating,
    Authorizer authorizer, IdSource ids, TimeProvider clock)
{
    private readonly IAdmission[] _plugins =
    [
        new NamespaceLifecycle(store, catalog),
        new LimitRanger(store, catalog),
        new ServiceAccountAdmission(store, catalog, ids, clock),
        nodes,
        new TaintNodesByCondition(),
        new PodSecurity.PodSecurityAdmission(store, catalog),
        new PriorityAdmission(store, catalog),
        new DefaultTolerationSeconds(),
        new DefaultStorageClass(store, catalog),
        new StorageObjectInUseProtection(),
        new PersistentVolumeClaimResize(store, catalog),
        new RuntimeClassAdmission(store, catalog),
        new CertificateAdmission(authorizer, clock),
        new DefaultIngressClass(store, catalog),
        new ExpressionValidation(),
        mutating,
        new ValidatingPolicies(store, catalog, authorizer),
        validating,
        new ResourceQuotaAdmission(store, catalog, clock),
    ];

    public async ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        foreach (var plugin in _plugins)
            await plugin.AdmitAsync(request, cancellationToken);
        // What a webhook has changed, the others may want to see: once more, and no further.
        if (request.Reinvocation is { IsNeeded: true } reinvocation)
        {
            reinvocation.IsSecondRound = true;
            foreach (var plugin in _plugins)
                await plugin.AdmitAsync(request, cancellationToken);
        }
        if (request is { Object: { } value, Subresource: "" })
            escalation.Check(request.Context.User, value, request.Old);
    }

    public async ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        foreach (var plugin in _plugins)
            await plugin.ValidateAsync(request, cancellationToken);
    }
}
