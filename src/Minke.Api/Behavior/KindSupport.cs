using Minke.Api.Apps.V1;
using Minke.Api.Batch.V1;
using Minke.Api.Networking.V1;
using Minke.Api.Storage.V1;

namespace Minke.Api;

/// <summary>
/// Kinds that are validated and stored while nothing acts on them yet, or not on all of them. One table makes the warnings a client sees and the rows
/// of <c>docs/compatibility.md</c>; a line goes when what acts on the kind comes.
/// </summary>
public static class KindSupport
{
    /// <summary>What is missing of one kind.</summary>
    /// <param name="Why">What it is.</param>
    /// <param name="Warns">Whether creating one says so.</param>
    public sealed record Gap(string Why, bool Warns);

    private static readonly Dictionary<KindInfo, Gap> Gaps = new()
    {
        [CronJob.KindInfo] = new("no controller makes Jobs of it", Warns: true),
        [DaemonSet.KindInfo] = new("no controller makes pods of it", Warns: true),
        [Deployment.KindInfo] = new("no controller makes ReplicaSets of it", Warns: true),
        [Discovery.V1.EndpointSlice.KindInfo] = new("Services are not routed", Warns: true),
        [Autoscaling.V1.HorizontalPodAutoscaler.KindInfo] = new("no controller scales by it", Warns: true),
        [Autoscaling.V2.HorizontalPodAutoscaler.KindInfo] = new("no controller scales by it", Warns: true),
        [Job.KindInfo] = new("no controller makes pods of it", Warns: true),
        [Policy.V1.PodDisruptionBudget.KindInfo] = new("no controller counts its pods: until its status is written, none of them can be evicted", Warns: true),
        [ReplicaSet.KindInfo] = new("no controller makes pods of it", Warns: true),
        [StatefulSet.KindInfo] = new("no controller makes pods of it", Warns: true),
        [Core.V1.ReplicationController.KindInfo] = new("no controller makes pods of it", Warns: true),
        [CSIDriver.KindInfo] = new("no CSI driver is spoken to", Warns: true),
        [CSINode.KindInfo] = new("no CSI driver is spoken to", Warns: true),
        [CSIStorageCapacity.KindInfo] = new("no CSI driver is spoken to", Warns: true),
        [Ingress.KindInfo] = new("no ingress controller is part of Minke", Warns: true),
        [NetworkPolicy.KindInfo] = new("traffic is not filtered", Warns: true),
        [StorageClass.KindInfo] = new("no volume is provisioned", Warns: true),
        [VolumeAttachment.KindInfo] = new("no CSI driver is spoken to", Warns: true),
        // These warn of themselves, or others make them, or most of what they are for works.
        [Core.V1.PersistentVolume.KindInfo] = new("volumes are not bound to claims", Warns: false),
        [Core.V1.PersistentVolumeClaim.KindInfo] = new("claims are not bound to volumes", Warns: false),
        [Core.V1.Service.KindInfo] = new("addresses, node ports and families are given, on one stack; nothing routes them", Warns: false),
        [Core.V1.Endpoints.KindInfo] = new("Services are not routed", Warns: false),
        [IngressClass.KindInfo] = new("no ingress controller is part of Minke; Ingresses get the default one", Warns: false),
    };

    /// <summary>Null when the kind is acted on.</summary>
    public static Gap? Find(KindInfo kind) => Gaps.GetValueOrDefault(kind);

    /// <summary>What to tell who creates one; null for nothing.</summary>
    public static string? WarningOf(KindInfo kind) =>
        Find(kind) is { Warns: true } gap ? $"{kind.Kind}: stored but not acted on by Minke yet ({gap.Why})" : null;
}
