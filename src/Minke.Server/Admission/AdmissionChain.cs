using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Access.Rbac;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission;

/// <summary>
/// What may be written, in upstream's order: NamespaceLifecycle, ServiceAccount, DefaultTolerationSeconds, Priority, RuntimeClass, LimitRanger.
/// Everything is decided from memory.
/// </summary>
internal sealed class AdmissionChain(IStateStore store, ResourceCatalog catalog, EscalationCheck escalation, IdSource ids, TimeProvider clock)
{
    private readonly NamespaceLifecycle _namespaces = new(store, catalog);
    private readonly ServiceAccountAdmission _serviceAccounts = new(store, catalog, ids, clock);
    private readonly PriorityAdmission _priorities = new(store, catalog);
    private readonly RuntimeClassAdmission _runtimeClasses = new(store, catalog);
    private readonly LimitRanger _limits = new(store, catalog);

    public async ValueTask<IKubeObject> AdmitCreateAsync(
        Resource resource, string @namespace, IKubeObject value, WriteContext context, CancellationToken cancellationToken)
    {
        _namespaces.AdmitCreate(resource, @namespace, value.Metadata);
        escalation.Check(context.User, value, old: null);
        if (value is not Pod pod)
            return value;
        pod = await _serviceAccounts.AdmitAsync(pod, context.IsDryRun, cancellationToken);
        pod = DefaultTolerationSeconds.Admit(pod);
        pod = _priorities.Admit(pod);
        pod = _runtimeClasses.Admit(pod);
        return _limits.Admit(pod);
    }

    public ValueTask<IKubeObject> AdmitUpdateAsync(
        Resource resource, string subresource, string @namespace, IKubeObject value, IKubeObject old, WriteContext context, CancellationToken cancellationToken)
    {
        _namespaces.AdmitUpdate(resource, @namespace);
        escalation.Check(context.User, value, old);
        if (value is PersistentVolumeClaim claim)
            _limits.Validate(claim);
        return new(value);
    }

    public void ValidateCreate(Resource resource, string @namespace, IKubeObject value, WriteContext context)
    {
        if (value is PersistentVolumeClaim claim)
            _limits.Validate(claim);
        if (value is not Pod pod)
            return;
        _runtimeClasses.Validate(pod);
        _limits.Validate(pod);
    }

    public void ValidateDelete(Resource resource, IKubeObject value, WriteContext context) => NamespaceLifecycle.AdmitDelete(resource, value);

    /// <summary>The name to blame before one was generated.</summary>
    public static string NameOf(ObjectMeta metadata) =>
        metadata.Name.Length > 0 ? metadata.Name : metadata.GenerateName.Length > 0 ? metadata.GenerateName : "Unknown";
}
