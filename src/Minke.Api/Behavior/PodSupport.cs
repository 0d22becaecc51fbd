using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>
/// What Minke does not act on in a Pod. One table makes the warnings a client sees and the rows of <c>docs/compatibility.md</c>; a field
/// that is not in it is acted on.
/// </summary>
public static class PodSupport
{
    /// <summary>One field that is accepted but not acted on.</summary>
    /// <param name="Field"><c>Type.field</c>, as in <c>api/core.v1.api</c>.</param>
    /// <param name="Why">What is missing.</param>
    /// <param name="Paths">Where a pod sets it in a way that matters; null where every pod does, so that a warning would say nothing.</param>
    public sealed record Gap(string Field, string Why, Func<Pod, IEnumerable<string>>? Paths);

    private const string NoVolume = "the volume is not mounted and the pod waits with FailedMount";
    private const string NoScore = "the scheduler looks at hard rules only";

    /// <summary>Every gap, by field.</summary>
    public static IReadOnlyList<Gap> Gaps { get; } =
    [
        .. new (string, Func<Volume, object?>)[]
        {
            ("gcePersistentDisk", volume => volume.GcePersistentDisk), ("awsElasticBlockStore", volume => volume.AwsElasticBlockStore),
            ("gitRepo", volume => volume.GitRepo), ("nfs", volume => volume.Nfs), ("iscsi", volume => volume.Iscsi), ("glusterfs", volume => volume.Glusterfs),
            ("persistentVolumeClaim", volume => volume.PersistentVolumeClaim), ("rbd", volume => volume.Rbd), ("flexVolume", volume => volume.FlexVolume),
            ("cinder", volume => volume.Cinder), ("cephfs", volume => volume.Cephfs), ("flocker", volume => volume.Flocker), ("fc", volume => volume.Fc),
            ("azureFile", volume => volume.AzureFile), ("vsphereVolume", volume => volume.VsphereVolume), ("quobyte", volume => volume.Quobyte),
            ("azureDisk", volume => volume.AzureDisk), ("photonPersistentDisk", volume => volume.PhotonPersistentDisk),
            ("portworxVolume", volume => volume.PortworxVolume), ("scaleIO", volume => volume.ScaleIO), ("storageos", volume => volume.Storageos),
            ("csi", volume => volume.Csi), ("ephemeral", volume => volume.Ephemeral),
        }
        .Select(source => new Gap("VolumeSource." + source.Item1, NoVolume, pod => Volumes(pod, volume => source.Item2(volume) is not null, source.Item1))),
        new("EmptyDirVolumeSource.medium", "huge pages are not mounted; Memory and the disk are",
            pod => Volumes(pod, volume => volume.EmptyDir?.Medium.StartsWith(StorageMedium.HugePages, StringComparison.Ordinal) == true, "emptyDir.medium")),
        new("VolumeProjection.clusterTrustBundle", "alpha in 1.32 and off", null),
        new("Container.volumeDevices", "block volumes need persistent volumes",
            pod => Containers(pod, container => !container.VolumeDevices.IsEmpty, "volumeDevices")),
        .. new[] { "ports", "resources", "resizePolicy", "restartPolicy", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle" }
            .Select(field => new Gap("EphemeralContainer." + field, "refused, as upstream: it is there to look at others", null)),
        new("Container.resizePolicy", "alpha in 1.32 (InPlacePodVerticalScaling) and off: dropped", null),
        new("ResourceRequirements.limits", "the disk space of containers (ephemeral-storage) is not limited; everything else is",
            pod => Containers(pod, container => container.Resources.Limits.ContainsKey("ephemeral-storage"), "resources.limits[ephemeral-storage]")),
        new("ResourceRequirements.claims", "dynamic resource allocation is off: dropped", null),
        new("PodSpec.resourceClaims", "dynamic resource allocation is off: dropped", null),
        new("PodSpec.resources", "alpha in 1.32 (PodLevelResources) and off: dropped", null),
        new("PodSpec.hostUsers", "user namespaces are not made: containers run in the machine's",
            pod => pod.Spec.HostUsers == false ? ["spec.hostUsers"] : []),
        new("PodSpec.preemptionPolicy", "no pod is preempted; priority orders the queue", null),
        new("PodSecurityContext.seLinuxOptions", "SELinux labels are not set", pod => pod.Spec.SecurityContext?.SeLinuxOptions is null ? [] : ["spec.securityContext.seLinuxOptions"]),
        new("PodSecurityContext.seLinuxChangePolicy", "SELinux labels are not set", null),
        new("PodSecurityContext.windowsOptions", "pods are Linux's", pod => pod.Spec.SecurityContext?.WindowsOptions is null ? [] : ["spec.securityContext.windowsOptions"]),
        new("SecurityContext.seLinuxOptions", "SELinux labels are not set",
            pod => Containers(pod, container => container.SecurityContext?.SeLinuxOptions is not null, "securityContext.seLinuxOptions")),
        new("SecurityContext.windowsOptions", "pods are Linux's",
            pod => Containers(pod, container => container.SecurityContext?.WindowsOptions is not null, "securityContext.windowsOptions")),
        new("Toleration.tolerationSeconds", "no pod is evicted by a taint", null),
        new("PodAffinity.preferredDuringSchedulingIgnoredDuringExecution", NoScore,
            pod => pod.Spec.Affinity?.PodAffinity is { PreferredDuringSchedulingIgnoredDuringExecution.IsEmpty: false }
                ? ["spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution"] : []),
        new("PodAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution", NoScore,
            pod => pod.Spec.Affinity?.PodAntiAffinity is { PreferredDuringSchedulingIgnoredDuringExecution.IsEmpty: false }
                ? ["spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution"] : []),
        new("PodAffinityTerm.namespaceSelector", "only {} (all namespaces) is understood; name them in namespaces", NamespaceSelectors),
        new("TopologySpreadConstraint.whenUnsatisfiable", NoScore + ": ScheduleAnyway does nothing",
            pod => Spread(pod, constraint => constraint.WhenUnsatisfiable == UnsatisfiableConstraintAction.ScheduleAnyway, "whenUnsatisfiable")),
        new("TopologySpreadConstraint.nodeAffinityPolicy", "every node with the key counts",
            pod => Spread(pod, constraint => constraint.NodeAffinityPolicy is not null, "nodeAffinityPolicy")),
        new("TopologySpreadConstraint.nodeTaintsPolicy", "tainted nodes count as well",
            pod => Spread(pod, constraint => constraint.NodeTaintsPolicy == NodeInclusionPolicy.Honor, "nodeTaintsPolicy")),
        new("TopologySpreadConstraint.matchLabelKeys", "the label selector alone decides",
            pod => Spread(pod, constraint => !constraint.MatchLabelKeys.IsEmpty, "matchLabelKeys")),
        new("PodStatus.resize", "alpha in 1.32 and off", null),
        new("PodStatus.nominatedNodeName", "nothing preempts, so nothing is nominated", null),
        new("PodStatus.resourceClaimStatuses", "dynamic resource allocation is off", null),
        new("ContainerStatus.allocatedResources", "alpha in 1.32 and off", null),
        new("ContainerStatus.allocatedResourcesStatus", "alpha in 1.32 and off", null),
        new("ContainerStatus.resources", "alpha in 1.32 and off", null),
        new("ContainerStatus.user", "alpha in 1.32 and off", null),
    ];

    private static readonly Dictionary<string, Gap> ByField = Gaps.ToDictionary(gap => gap.Field, StringComparer.Ordinal);

    /// <summary>The gap at <c>Type.field</c>, or null when the field is acted on.</summary>
    public static Gap? Find(string field) => ByField.GetValueOrDefault(field);

    /// <summary>A text for each field the pod sets in vain.</summary>
    public static IEnumerable<string> Warnings(Pod pod) =>
        from gap in Gaps
        where gap.Paths is not null
        from path in gap.Paths!(pod)
        select $"{path}: accepted but not acted on by Minke ({gap.Why})";

    private static IEnumerable<string> Volumes(Pod pod, Func<Volume, bool> isSet, string field) =>
        pod.Spec.Volumes.Select((volume, index) => (volume, index)).Where(item => isSet(item.volume)).Select(item => new FieldPath("spec.volumes").Index(item.index).Text + "." + field);

    private static IEnumerable<string> Containers(Pod pod, Func<Container, bool> isSet, string field) =>
        ContainerRules.Every(pod.Spec, "spec").Where(item => isSet(item.Container)).Select(item => item.Path.Text + "." + field);

    private static IEnumerable<string> Spread(Pod pod, Func<TopologySpreadConstraint, bool> isSet, string field) =>
        pod.Spec.TopologySpreadConstraints.Select((constraint, index) => (constraint, index)).Where(item => isSet(item.constraint))
            .Select(item => new FieldPath("spec.topologySpreadConstraints").Index(item.index).Text + "." + field);

    private static IEnumerable<string> NamespaceSelectors(Pod pod)
    {
        var together = pod.Spec.Affinity?.PodAffinity?.RequiredDuringSchedulingIgnoredDuringExecution ?? default;
        var apart = pod.Spec.Affinity?.PodAntiAffinity?.RequiredDuringSchedulingIgnoredDuringExecution ?? default;
        foreach (var (name, terms) in new (string, ApiList<PodAffinityTerm>)[] { ("podAffinity", together), ("podAntiAffinity", apart) })
        {
            for (var i = 0; i < terms.Count; i++)
            {
                if (terms[i].NamespaceSelector is { } selector && (!selector.MatchLabels.IsEmpty || !selector.MatchExpressions.IsEmpty))
                    yield return new FieldPath($"spec.affinity.{name}.requiredDuringSchedulingIgnoredDuringExecution").Index(i).Text + ".namespaceSelector";
            }
        }
    }
}
