using Minke.Api.Core.V1;
using Minke.Api.Storage.V1;
using Minke.Server.Access.Rbac;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Access.Nodes;

/// <summary>
/// What a node may do: of secrets, config maps, claims, volumes and tokens only what pods bound to it need, its own lease and CSINode,
/// and the rules of <c>system:node</c> for the rest. What it may write of its objects is NodeRestriction's to say. The texts are upstream's.
/// </summary>
internal sealed class NodeAuthorizer(IStateStore store, ResourceCatalog catalog)
{
    private readonly PodsByNode _pods = new(store, catalog.Find(Pod.KindInfo)!);
    private readonly Lazy<RuleTable> _rules = new(() => new([.. BootstrapPolicy.NodeRules().Select(rule => new GrantedRule(rule, ""))], []));

    public Decision Decide(in AccessQuery query)
    {
        if (NodeIdentity.Of(query.User) is not { } node)
            return Decision.NoOpinion();
        if (node.Length == 0)
            return Decision.NoOpinion($"unknown node for user \"{query.User.Name}\"");
        if (query.IsResource)
        {
            switch (query.Group, query.Resource)
            {
                case ("", "secrets" or "configmaps"):
                    return ReadNamespaced(node, query);
                case ("", "persistentvolumeclaims"):
                    return query.Subresource == "status" ? UpdateStatus(node, query) : Get(node, query);
                case ("", "persistentvolumes") or ("storage.k8s.io", "volumeattachments") or ("resource.k8s.io", "resourceclaims"):
                    return Get(node, query);
                case ("", "serviceaccounts"):
                    return CreateToken(node, query);
                case ("coordination.k8s.io", "leases"):
                    return Lease(node, query);
                case ("storage.k8s.io", "csinodes"):
                    return CsiNode(node, query);
                case ("", "nodes"):
                    return Node(node, query);
                case ("", "pods"):
                    return PodOf(node, query);
                default:
                    break;
            }
        }
        return _rules.Value.Find(query) is null ? Decision.NoOpinion() : Decision.Allowed;
    }

    private Decision ReadNamespaced(string node, in AccessQuery query)
    {
        if (query.Verb is not ("get" or "list" or "watch"))
            return Decision.NoOpinion("can only read resources of this type");
        if (query.Subresource.Length > 0)
            return Decision.NoOpinion("cannot read subresource");
        return query.Namespace.Length == 0 ? Decision.NoOpinion("can only read namespaced object of this type") : Related(node, query);
    }

    private Decision Get(string node, in AccessQuery query)
    {
        if (query.Verb != "get")
            return Decision.NoOpinion("can only get individual resources of this type");
        return query.Subresource.Length > 0 ? Decision.NoOpinion("cannot get subresource") : Related(node, query);
    }

    private Decision UpdateStatus(string node, in AccessQuery query) =>
        query.Verb is "update" or "patch" ? Related(node, query) : Decision.NoOpinion("can only get/update/patch this type");

    private Decision CreateToken(string node, in AccessQuery query)
    {
        if (query.Verb != "create" || query.Name.Length == 0)
            return Decision.NoOpinion("can only create tokens for individual service accounts");
        return query.Subresource == "token" ? Related(node, query) : Decision.NoOpinion("can only create token subresource of serviceaccount");
    }

    private static Decision Lease(string node, in AccessQuery query)
    {
        if (query.Verb is not ("get" or "create" or "update" or "patch" or "delete"))
            return Decision.NoOpinion("can only get, create, update, patch, or delete a node lease");
        if (query.Namespace != "kube-node-lease")
            return Decision.NoOpinion("can only access leases in the \"kube-node-lease\" system namespace");
        // The name of a new one is NodeRestriction's to check.
        return query.Verb != "create" && query.Name != node
            ? Decision.NoOpinion("can only access node lease with the same name as the requesting node") : Decision.Allowed;
    }

    private static Decision CsiNode(string node, in AccessQuery query)
    {
        if (query.Verb is not ("get" or "create" or "update" or "patch" or "delete"))
            return Decision.NoOpinion("can only get, create, update, patch, or delete a CSINode");
        if (query.Subresource.Length > 0)
            return Decision.NoOpinion("cannot authorize CSINode subresources");
        return query.Verb != "create" && query.Name != node
            ? Decision.NoOpinion("can only access CSINode with the same name as the requesting node") : Decision.Allowed;
    }

    private static Decision Node(string node, in AccessQuery query) => (query.Subresource, query.Verb) switch
    {
        ("", "create" or "update" or "patch") or ("status", "update" or "patch") => Decision.Allowed,
        ("", "get" or "list" or "watch") when query.Name == node => Decision.Allowed,
        ("", "get" or "list" or "watch") => Decision.NoOpinion(query.Name.Length == 0
            ? $"node '{node}' cannot read all nodes, only its own Node object"
            : $"node '{node}' cannot read '{query.Name}', only its own Node object"),
        _ => Decision.NoOpinion(),
    };

    private Decision PodOf(string node, in AccessQuery query) => (query.Subresource, query.Verb) switch
    {
        ("", "get") => Get(node, query),
        ("", "list" or "watch") when SelectsNode(query.FieldSelector, node) => Decision.Allowed,
        ("", "list" or "watch") when query.Name.Length > 0 => Related(node, query),
        ("", "list" or "watch") => Decision.NoOpinion("can only list/watch pods with spec.nodeName field selector"),
        ("", "create" or "delete") or ("status", "update" or "patch") or ("eviction", "create") => Decision.Allowed,
        _ => Decision.NoOpinion(),
    };

    private static bool SelectsNode(string fieldSelector, string node) => fieldSelector.Split(',')
        .Any(term => term.Trim() is var text && (text == "spec.nodeName=" + node || text == "spec.nodeName==" + node));

    private Decision Related(string node, in AccessQuery query)
    {
        if (query.Name.Length == 0)
            return Decision.NoOpinion("No Object name found");
        return IsRelated(node, query.Resource, query.Namespace, query.Name)
            ? Decision.Allowed : Decision.NoOpinion($"no relationship found between node '{node}' and this object");
    }

    private bool IsRelated(string node, string resource, string @namespace, string name) => resource switch
    {
        "pods" => _pods.Any(node, @namespace, pod => pod.Metadata.Name == name),
        "configmaps" => _pods.Any(node, @namespace, pod => PodNames.ConfigMaps(pod).Contains(name)),
        "serviceaccounts" => _pods.Any(node, @namespace, pod => pod.Spec.ServiceAccountName == name),
        "persistentvolumeclaims" => _pods.Any(node, @namespace, pod => PodNames.Claims(pod).Contains(name)),
        "resourceclaims" => _pods.Any(node, @namespace, pod => pod.Spec.ResourceClaims.Any(claim => claim.ResourceClaimName == name)
            || pod.Status.ResourceClaimStatuses.Any(claim => claim.ResourceClaimName == name)),
        "persistentvolumes" => Find<PersistentVolume>("", name) is { Spec.ClaimRef: { } claim } && IsRelated(node, "persistentvolumeclaims", claim.Namespace, claim.Name),
        "volumeattachments" => Find<VolumeAttachment>("", name)?.Spec.NodeName == node,
        _ => _pods.Any(node, @namespace, pod => PodNames.Secrets(pod).Contains(name)) || IsSecretOfVolume(node, @namespace, name),
    };

    /// <summary>A volume's secrets, reached through the claims of the node's pods.</summary>
    private bool IsSecretOfVolume(string node, string @namespace, string name) => _pods.Any(node, "", pod => PodNames.Claims(pod).Any(claim =>
        Find<PersistentVolumeClaim>(pod.Metadata.Namespace, claim) is { Spec.VolumeName: { Length: > 0 } volume }
        && Find<PersistentVolume>("", volume) is { } found
        && SecretsOf(found).Any(secret => secret.Name == name && (secret.Namespace.Length > 0 ? secret.Namespace : found.Spec.ClaimRef?.Namespace) == @namespace)));

    private static IEnumerable<SecretReference> SecretsOf(PersistentVolume volume) => ((ReadOnlySpan<SecretReference?>)
        [volume.Spec.Cephfs?.SecretRef, volume.Spec.Cinder?.SecretRef, volume.Spec.FlexVolume?.SecretRef, volume.Spec.Rbd?.SecretRef, volume.Spec.ScaleIO?.SecretRef,
            volume.Spec.Iscsi?.SecretRef, volume.Spec.Csi?.ControllerPublishSecretRef, volume.Spec.Csi?.NodePublishSecretRef, volume.Spec.Csi?.NodeStageSecretRef,
            volume.Spec.Csi?.NodeExpandSecretRef]).ToArray().OfType<SecretReference>();

    private T? Find<T>(string @namespace, string name) where T : class, Api.IKubeObject<T> =>
        catalog.Find(T.KindInfo) is { } resource && store.Snapshot().Get(resource.Key(@namespace, name)) is { } entry ? (T)StoredObject.Read(resource, entry) : null;
}
