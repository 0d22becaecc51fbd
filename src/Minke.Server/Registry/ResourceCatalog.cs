using Minke.Api;

namespace Minke.Server.Registry;

/// <summary>Every resource this server serves, by group, version and plural name, in discovery's order.</summary>
internal sealed class ResourceCatalog
{
    private readonly Dictionary<(string Group, string Version, string Plural), Resource> _byName = [];
    private readonly Dictionary<KindInfo, Resource> _byKind = [];

    // What upstream's strategies say of each kind (pkg/registry/*/strategy.go); the defaults of Resource hold for the others.
    private static readonly HashSet<string> NoUnconditionalUpdate =
    [
        "leases.coordination.k8s.io", "runtimeclasses.node.k8s.io", "poddisruptionbudgets.policy", "csinodes.storage.k8s.io",
        "csidrivers.storage.k8s.io", "volumeattachments.storage.k8s.io", "csistoragecapacities.storage.k8s.io", "customresourcedefinitions.apiextensions.k8s.io",
        "apiservices.apiregistration.k8s.io", "flowschemas.flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io", "validatingwebhookconfigurations.admissionregistration.k8s.io",
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

    public ResourceCatalog(IEnumerable<KindInfo> kinds)
    {
        foreach (var kind in kinds)
            Add(kind);
    }

    public List<Resource> All { get; } = [];

    public Resource? Find(string group, string version, string plural) => _byName.GetValueOrDefault((group, version, plural));

    public Resource? Find(KindInfo kind) => _byKind.GetValueOrDefault(kind);

    /// <summary>The resource that shows the same objects in another version; null when there is none.</summary>
    public Resource? OfVersion(Resource resource, string apiVersion)
    {
        if (resource.Kind.ApiVersion == apiVersion)
            return resource;
        return All.Find(other => other.Prefix == resource.Prefix && other.Kind.ApiVersion == apiVersion && other.Kind.Kind == resource.Kind.Kind);
    }

    public bool HasGroupVersion(string group, string version) => All.Exists(resource => resource.Kind.Group == group && resource.Kind.Version == version);

    private void Add(KindInfo kind)
    {
        var name = kind.Group.Length == 0 ? kind.Plural : $"{kind.Plural}.{kind.Group}";
        // One collection of events, seen in two forms: stored in the older one.
        var isNewEvent = kind == Minke.Api.Events.V1.Event.KindInfo;
        var stored = isNewEvent ? Minke.Api.Core.V1.Event.KindInfo : kind;
        var resource = new Resource
        {
            Kind = kind,
            Behavior = KindBehaviors.For(kind),
            StorageKind = stored,
            DecodeStored = entry => StoredObject.Decode(stored, entry),
            Prefix = stored.Group.Length == 0 ? $"/{stored.Plural}/" : $"/{stored.Plural}.{stored.Group}/",
            Conversion = isNewEvent ? EventConversion.Between : null,
            AllowsUnconditionalUpdate = !NoUnconditionalUpdate.Contains(name),
            AllowsCreateOnUpdate = CreateOnUpdate.Contains(name),
            ReturnsDeleted = ReturnDeleted.Contains(name),
            IsVirtual = NotStored.Contains(name),
        };
        All.Add(resource);
        _byName.Add((kind.Group, kind.Version, kind.Plural), resource);
        _byKind.Add(kind, resource);
    }
}
