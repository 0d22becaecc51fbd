using Minke.Api;
using Minke.Client;
using Minke.Server.CustomResources;

namespace Minke.Server.Registry;

/// <summary>
/// Every resource this server serves. What is built in stays; what CustomResourceDefinitions add comes and goes, each time as a new
/// snapshot, so that a reader never sees half a change.
/// </summary>
internal sealed class ResourceCatalog : IServedKinds
{
    private readonly List<Resource> _builtIn = [];
    private volatile CatalogSnapshot _current;

    // What upstream's strategies say of each kind (pkg/registry/*/strategy.go); the defaults of Resource hold for the others.
    private static readonly HashSet<string> NoUnconditionalUpdate =
    [
        "leases.coordination.k8s.io", "runtimeclasses.node.k8s.io", "poddisruptionbudgets.policy", "csinodes.storage.k8s.io",
        "csidrivers.storage.k8s.io", "volumeattachments.storage.k8s.io", "csistoragecapacities.storage.k8s.io", "customresourcedefinitions.apiextensions.k8s.io",
        "apiservices.apiregistration.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io", "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io", "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    ];

    private static readonly HashSet<string> CreateOnUpdate =
    [
        "services", "endpoints", "events", "events.events.k8s.io", "limitranges", "podtemplates", "leases.coordination.k8s.io",
        "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
    ];

    private static readonly HashSet<string> ReturnDeleted =
        ["pods", "persistentvolumes", "persistentvolumeclaims", "podtemplates", "resourcequotas", "services", "serviceaccounts"];

    private static readonly HashSet<string> NotStored =
    [
        "bindings", "componentstatuses", "nodes.metrics.k8s.io", "pods.metrics.k8s.io", "tokenreviews.authentication.k8s.io",
        "selfsubjectreviews.authentication.k8s.io", "subjectaccessreviews.authorization.k8s.io", "selfsubjectaccessreviews.authorization.k8s.io",
        "localsubjectaccessreviews.authorization.k8s.io", "selfsubjectrulesreviews.authorization.k8s.io",
    ];

    private static readonly ObjectConversion Autoscalers = new(
        stored => HpaConversion.ToOld((Minke.Api.Autoscaling.V2.HorizontalPodAutoscaler)stored),
        served => HpaConversion.ToStored((Minke.Api.Autoscaling.V1.HorizontalPodAutoscaler)served));

    public ResourceCatalog(IEnumerable<KindInfo> kinds)
    {
        foreach (var kind in kinds)
            Add(kind);
        _current = new CatalogSnapshot([.. _builtIn]);
    }

    /// <summary>All there is at the moment; the same instance as long as nothing changes.</summary>
    public CatalogSnapshot Current => _current;
    public IReadOnlyList<Resource> All => _current.All;

    IReadOnlyList<KindInfo> IServedKinds.Current => _current.Kinds;

    public event Action? Changed;

    public Resource? Find(string group, string version, string plural) => _current.Find(group, version, plural);

    public Resource? Find(KindInfo kind) => _current.Find(kind);

    /// <summary>The resource that shows the same objects in another version; null when there is none.</summary>
    public Resource? OfVersion(Resource resource, string apiVersion)
    {
        if (resource.Kind.ApiVersion == apiVersion)
            return resource;
        return All.FirstOrDefault(other => other.Prefix == resource.Prefix && other.Kind.ApiVersion == apiVersion && other.Kind.Kind == resource.Kind.Kind);
    }

    /// <summary>Puts these in the place of all custom resources there were. One that has the name of a built-in one is not served.</summary>
    public void Replace(IEnumerable<Resource> custom)
    {
        var names = _builtIn.Select(resource => (resource.Kind.Group, resource.Kind.Version, resource.Kind.Plural)).ToHashSet();
        _current = new CatalogSnapshot([.. _builtIn, .. custom.Where(resource => names.Add((resource.Kind.Group, resource.Kind.Version, resource.Kind.Plural)))]);
        Changed?.Invoke();
    }

    private void Add(KindInfo kind)
    {
        var name = kind.Group.Length == 0 ? kind.Plural : $"{kind.Plural}.{kind.Group}";
        // One collection seen in two forms: events are stored in the older one, autoscalers in the newer, as upstream does.
        var (stored, conversion) =
            kind == Minke.Api.Events.V1.Event.KindInfo ? (Minke.Api.Core.V1.Event.KindInfo, EventConversion.Between)
            : kind == Minke.Api.Autoscaling.V1.HorizontalPodAutoscaler.KindInfo ? (Minke.Api.Autoscaling.V2.HorizontalPodAutoscaler.KindInfo, Autoscalers)
            : (kind, (ObjectConversion?)null);
        var resource = new Resource
        {
            Kind = kind,
            Behavior = kind == Minke.Api.Apiextensions.V1.CustomResourceDefinition.KindInfo ? new DefinitionBehavior(KindBehaviors.For(kind)) : KindBehaviors.For(kind),
            StorageKind = stored,
            DecodeStored = entry => StoredObject.Decode(stored, entry),
            Prefix = stored.Group.Length == 0 ? $"/{stored.Plural}/" : $"/{stored.Plural}.{stored.Group}/",
            Conversion = conversion,
            AllowsUnconditionalUpdate = !NoUnconditionalUpdate.Contains(name),
            AllowsCreateOnUpdate = CreateOnUpdate.Contains(name),
            ReturnsDeleted = ReturnDeleted.Contains(name),
            IsVirtual = NotStored.Contains(name),
        };
        _builtIn.Add(resource);
    }
}
