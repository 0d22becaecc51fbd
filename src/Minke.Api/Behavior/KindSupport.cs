using Minke.Api.Apps.V1;
using Minke.Api.Batch.V1;
using Minke.Api.Networking.V1;
using Minke.Api.Storage.V1;

namespace Minke.Api;

/// <summary>
/// Kinds that are validated and stored while nothing acts on them yet. Creating one says so in a warning; a line goes when what acts on the kind comes.
/// </summary>
public static class KindSupport
{
    private static readonly Dictionary<KindInfo, string> Idle = new()
    {
        [CronJob.KindInfo] = "no controller makes Jobs of it",
        [DaemonSet.KindInfo] = "no controller makes pods of it",
        [Deployment.KindInfo] = "no controller makes ReplicaSets of it",
        [Discovery.V1.EndpointSlice.KindInfo] = "Services are not routed",
        [Autoscaling.V1.HorizontalPodAutoscaler.KindInfo] = "no controller scales by it",
        [Autoscaling.V2.HorizontalPodAutoscaler.KindInfo] = "no controller scales by it",
        [Job.KindInfo] = "no controller makes pods of it",
        [Policy.V1.PodDisruptionBudget.KindInfo] = "no controller counts its pods: until its status is written, none of them can be evicted",
        [ReplicaSet.KindInfo] = "no controller makes pods of it",
        [StatefulSet.KindInfo] = "no controller makes pods of it",
        [Core.V1.ReplicationController.KindInfo] = "no controller makes pods of it",
        [CSIDriver.KindInfo] = "no CSI driver is spoken to",
        [CSINode.KindInfo] = "no CSI driver is spoken to",
        [CSIStorageCapacity.KindInfo] = "no CSI driver is spoken to",
        [Ingress.KindInfo] = "no ingress controller is part of Minke",
        [NetworkPolicy.KindInfo] = "traffic is not filtered",
        [StorageClass.KindInfo] = "no volume is provisioned",
        [VolumeAttachment.KindInfo] = "no CSI driver is spoken to",
    };

    /// <summary>What to tell who creates one; null when the kind is acted on.</summary>
    public static string? WarningOf(KindInfo kind) =>
        Idle.TryGetValue(kind, out var why) ? $"{kind.Kind}: stored but not acted on by Minke yet ({why})" : null;
}
