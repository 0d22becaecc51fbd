using Minke.Api;
using Minke.Api.Authentication.V1;
using Minke.Api.Coordination.V1;
using Minke.Api.Core.V1;
using Minke.Server.Access.Nodes;
using Minke.Server.Registry;
using Minke.Store;
using CSINode = Minke.Api.Storage.V1.CSINode;
using RequestingUser = Minke.Server.Access.UserInfo;

namespace Minke.Server.Admission;

/// <summary>What a node may write: its own Node, lease and CSINode, its mirror pods, the status of its pods, tokens bound to them. The texts are upstream's.</summary>
internal sealed class NodeRestriction(IStateStore store, ResourceCatalog catalog) : IAdmission
{
    private const string MirrorAnnotation = "kubernetes.io/config.mirror";

    // Labels a kubelet sets on its own node; of the kubernetes.io and k8s.io names no others.
    private static readonly HashSet<string> KubeletLabels =
    [
        "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region", "node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type",
        "kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
    ];

    private readonly Resource _nodes = catalog.Find(Node.KindInfo)!;
    private readonly Resource _pods = catalog.Find(Pod.KindInfo)!;

    public ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        var user = request.Context.User;
        if (request.IsDelete)
            Delete(user, request.Old!);
        else if (request.IsUpdate && request.Subresource != "binding")
            Update(user, request.Subresource, request.Object!, request.Old!);
        else if (request is { IsCreate: true, Subresource: "" })
            Create(user, request.Object!);
        return default;
    }

    private void Create(RequestingUser user, IKubeObject value)
    {
        if (NodeOf(user, value.Info, value.Metadata.Name) is not { } node)
            return;
        switch (value)
        {
            case Pod pod:
                CreatePod(node, pod);
                break;
            case Node own:
                Require(own.Metadata.Name == node, value, $"node \"{node}\" is not allowed to modify node \"{own.Metadata.Name}\"");
                Require(Forbidden(own.Metadata.Labels, default) is not { Length: > 0 } labels, value,
                    $"node \"{node}\" is not allowed to set the following labels: {Forbidden(own.Metadata.Labels, default)}");
                break;
            case Lease lease:
                Require(lease.Metadata.Namespace == "kube-node-lease", value, "can only access leases in the \"kube-node-lease\" system namespace");
                Require(lease.Metadata.Name == node, value, "can only access node lease with the same name as the requesting node");
                break;
            case CSINode csi:
                Require(csi.Metadata.Name == node, value, "can only access CSINode with the same name as the requesting node");
                break;
            case PersistentVolumeClaim:
                throw StatusException.Forbidden(value.Info, value.Metadata.Name, "may only update PVC status");
            default:
                break;
        }
    }

    private static void Update(RequestingUser user, string subresource, IKubeObject value, IKubeObject old)
    {
        if (NodeOf(user, value.Info, value.Metadata.Name) is not { } node)
            return;
        switch (value, old)
        {
            case (Pod pod, Pod before) when subresource == "status":
                Require(before.Spec.NodeName == node, value, $"node \"{node}\" can only update pod status for pods with spec.nodeName set to itself");
                Require(before.Metadata.Labels.SequenceEqual(pod.Metadata.Labels), value, $"node \"{node}\" cannot update labels through pod status");
                Require(Claims(before).SequenceEqual(Claims(pod)), value, $"node \"{node}\" cannot update resource claim statues");
                break;
            case (Pod, _):
                throw StatusException.Forbidden(value.Info, value.Metadata.Name, subresource.Length == 0
                    ? $"unexpected operation \"UPDATE\", node \"{node}\" can only create and delete mirror pods"
                    : $"unexpected pod subresource \"{subresource}\", only 'status' and 'eviction' are allowed");
            case (Node own, Node before):
                Require(own.Metadata.Name == node, value, $"node \"{node}\" is not allowed to modify node \"{own.Metadata.Name}\"");
                Require(own.Spec.Taints.Count == before.Spec.Taints.Count && own.Spec.Taints.Zip(before.Spec.Taints).All(pair => Json.Same(pair.First, pair.Second)),
                    value, $"node \"{node}\" is not allowed to modify taints");
                Require(Forbidden(own.Metadata.Labels, before.Metadata.Labels).Length == 0, value,
                    $"is not allowed to modify labels: {Forbidden(own.Metadata.Labels, before.Metadata.Labels)}");
                break;
            case (Lease lease, _):
                Require(lease.Metadata.Namespace == "kube-node-lease", value, "can only access leases in the \"kube-node-lease\" system namespace");
                Require(lease.Metadata.Name == node, value, "can only access node lease with the same name as the requesting node");
                break;
            case (CSINode csi, _):
                Require(csi.Metadata.Name == node, value, "can only access CSINode with the same name as the requesting node");
                break;
            case (PersistentVolumeClaim, _) when subresource != "status":
                throw StatusException.Forbidden(value.Info, value.Metadata.Name, "may only update PVC status");
            default:
                break;
        }
    }

    private static void Delete(RequestingUser user, IKubeObject value)
    {
        if (NodeOf(user, value.Info, value.Metadata.Name) is not { } node)
            return;
        if (value is Pod pod)
            Require(pod.Spec.NodeName == node, value, $"node \"{node}\" can only delete pods with spec.nodeName set to itself");
        if (value is Node)
            Require(value.Metadata.Name == node, value, $"node \"{node}\" is not allowed to modify node \"{value.Metadata.Name}\"");
    }

    public static void Evict(RequestingUser user, Pod pod)
    {
        if (NodeOf(user, Pod.KindInfo, pod.Metadata.Name) is { } node)
            Require(pod.Spec.NodeName == node, pod, $"node {node} can only evict pods with spec.nodeName set to itself");
    }

    /// <summary>A node asks for tokens of the pods it runs, and of nobody else.</summary>
    public void RequestToken(RequestingUser user, string @namespace, string account, TokenRequest asked)
    {
        if (NodeOf(user, ServiceAccount.KindInfo, account) is not { } node)
            return;
        void Require(bool isSo, string why)
        {
            if (!isSo)
                throw StatusException.Forbidden(ServiceAccount.KindInfo, account, why);
        }
        var bound = asked.Spec.BoundObjectRef;
        Require(bound is { ApiVersion: "v1", Kind: "Pod", Name.Length: > 0 }, "node requested token not bound to a pod");
        Require(bound!.Uid.Length > 0, "node requested token with a pod binding without a uid");
        var pod = Find<Pod>(_pods, @namespace, bound.Name) ?? throw StatusException.NotFound(Pod.KindInfo, bound.Name);
        Require(bound.Uid == pod.Metadata.Uid,
            $"the UID in the bound object reference ({bound.Uid}) does not match the UID in record. The object might have been deleted and then recreated");
        Require(pod.Spec.NodeName == node, "node requested token bound to a pod scheduled on a different node");
    }

    private void CreatePod(string node, Pod pod)
    {
        void Require(bool isSo, string why) => NodeRestriction.Require(isSo, pod, why);
        Require(pod.Metadata.Annotations.ContainsKey(MirrorAnnotation), $"pod does not have \"{MirrorAnnotation}\" annotation, node \"{node}\" can only create mirror pods");
        Require(pod.Spec.NodeName == node, $"node \"{node}\" can only create pods with spec.nodeName set to itself");
        Require(pod.Metadata.OwnerReferences.Count < 2, $"node \"{node}\" can only create pods with a single owner reference set to itself");
        Require(pod.Metadata.OwnerReferences is [{ ApiVersion: "v1", Kind: "Node" } first] && first.Name == node,
            $"node \"{node}\" can only create pods with an owner reference set to itself");
        var owner = pod.Metadata.OwnerReferences[0];
        Require(owner.Controller == true, $"node \"{node}\" can only create pods with a controller owner reference set to itself");
        Require(owner.BlockOwnerDeletion != true, $"node \"{node}\" must not set blockOwnerDeletion on an owner reference");
        var own = Find<Node>(_nodes, "", node) ?? throw StatusException.NotFound(Node.KindInfo, node);
        Require(owner.Uid == own.Metadata.Uid, $"node {node} UID mismatch: expected {owner.Uid} got {own.Metadata.Uid}");

        // What a pod names its node may read.
        Require(pod.Spec.ServiceAccountName.Length == 0, $"node \"{node}\" can not create pods that reference a service account");
        Require(!PodNames.Secrets(pod).Any(), $"node \"{node}\" can not create pods that reference secrets");
        Require(!PodNames.ConfigMaps(pod).Any(), $"node \"{node}\" can not create pods that reference configmaps");
        Require(!pod.Spec.Volumes.Any(volume => volume.Projected?.Sources.Any(source => source.ClusterTrustBundle is not null) == true),
            $"node \"{node}\" can not create pods that reference clustertrustbundles");
        Require(!pod.Spec.Volumes.Any(volume => volume.PersistentVolumeClaim is not null), $"node \"{node}\" can not create pods that reference persistentvolumeclaims");
        Require(pod.Spec.ResourceClaims.IsEmpty, $"node \"{node}\" can not create pods that reference resourceclaims");
    }

    /// <summary>Labels that differ and are not the node's to set, joined; empty when there are none.</summary>
    private static string Forbidden(ApiMap<string> now, ApiMap<string> before) => string.Join(", ", now.Keys.Union(before.Keys)
        .Where(key => now.GetValueOrDefault(key) != before.GetValueOrDefault(key) && !MaySet(key))
        .Order(StringComparer.Ordinal));

    private static bool MaySet(string label)
    {
        var place = label.IndexOf('/', StringComparison.Ordinal) is var slash and > 0 ? label[..slash] : "";
        if (IsIn(place, "node-restriction.kubernetes.io"))
            return false;
        return !(IsIn(place, "kubernetes.io") || IsIn(place, "k8s.io"))
            || KubeletLabels.Contains(label) || IsIn(place, "kubelet.kubernetes.io") || IsIn(place, "node.kubernetes.io");
    }

    private static bool IsIn(string place, string domain) => place == domain || place.EndsWith("." + domain, StringComparison.Ordinal);

    private static IEnumerable<(string, string?)> Claims(Pod pod) => pod.Status.ResourceClaimStatuses.Select(claim => (claim.Name, claim.ResourceClaimName));

    private static string? NodeOf(RequestingUser user, KindInfo kind, string name) => NodeIdentity.Of(user) switch
    {
        null => null,
        "" => throw StatusException.Forbidden(kind, name, $"could not determine node identity from user \"{user.Name}\""),
        var node => node,
    };

    private static void Require(bool isSo, IKubeObject value, string why)
    {
        if (!isSo)
            throw StatusException.Forbidden(value.Info, value.Metadata.Name, why);
    }

    private T? Find<T>(Resource resource, string @namespace, string name) where T : class, IKubeObject =>
        store.Snapshot().Get(resource.Key(@namespace, name)) is { } entry ? (T)StoredObject.Read(resource, entry) : null;
}
