using Minke.Api;
using Minke.Api.Apps.V1;
using Minke.Api.Autoscaling.V1;
using Minke.Api.Batch.V1;
using Minke.Api.Discovery.V1;
using Minke.Api.Policy.V1;
using OldScaler = Minke.Api.Autoscaling.V1.HorizontalPodAutoscaler;
using Scaler = Minke.Api.Autoscaling.V2.HorizontalPodAutoscaler;

namespace Minke.Server.Tables;

/// <summary>Of the kinds that make pods, and of what watches over those.</summary>
internal static partial class TableColumns
{
    private static readonly Dictionary<KindInfo, TableColumn[]> OfWorkloads = new()
    {
        [Deployment.KindInfo] =
        [
            Name,
            Text<Deployment>("Ready", one => $"{one.Status.ReadyReplicas}/{one.Spec.Replicas ?? 0}"),
            Text<Deployment>("Up-to-date", one => (long)one.Status.UpdatedReplicas),
            Text<Deployment>("Available", one => (long)one.Status.AvailableReplicas),
            Age,
            Text<Deployment>("Containers", one => Names(one.Spec.Template.Spec.Containers), 1),
            Text<Deployment>("Images", one => Images(one.Spec.Template.Spec.Containers), 1),
            Text<Deployment>("Selector", one => LabelQuery.From(one.Spec.Selector).ToString(), 1),
        ],
        [ReplicaSet.KindInfo] =
        [
            Name,
            Number<ReplicaSet>("Desired", one => one.Spec.Replicas ?? 0),
            Number<ReplicaSet>("Current", one => one.Status.Replicas),
            Number<ReplicaSet>("Ready", one => one.Status.ReadyReplicas),
            Age,
            Text<ReplicaSet>("Containers", one => Names(one.Spec.Template.Spec.Containers), 1),
            Text<ReplicaSet>("Images", one => Images(one.Spec.Template.Spec.Containers), 1),
            Text<ReplicaSet>("Selector", one => Selector(one.Spec.Selector), 1),
        ],
        [StatefulSet.KindInfo] =
        [
            Name,
            Text<StatefulSet>("Ready", one => $"{one.Status.ReadyReplicas}/{one.Spec.Replicas ?? 0}"),
            Age,
            Text<StatefulSet>("Containers", one => Names(one.Spec.Template.Spec.Containers), 1),
            Text<StatefulSet>("Images", one => Images(one.Spec.Template.Spec.Containers), 1),
        ],
        [DaemonSet.KindInfo] =
        [
            Name,
            Number<DaemonSet>("Desired", one => one.Status.DesiredNumberScheduled),
            Number<DaemonSet>("Current", one => one.Status.CurrentNumberScheduled),
            Number<DaemonSet>("Ready", one => one.Status.NumberReady),
            Number<DaemonSet>("Up-to-date", one => one.Status.UpdatedNumberScheduled),
            Number<DaemonSet>("Available", one => one.Status.NumberAvailable),
            Text<DaemonSet>("Node Selector", one => Labels(one.Spec.Template.Spec.NodeSelector)),
            Age,
            Text<DaemonSet>("Containers", one => Names(one.Spec.Template.Spec.Containers), 1),
            Text<DaemonSet>("Images", one => Images(one.Spec.Template.Spec.Containers), 1),
            Text<DaemonSet>("Selector", one => Selector(one.Spec.Selector), 1),
        ],
        [ControllerRevision.KindInfo] =
        [
            Name,
            Text<ControllerRevision>("Controller", one => WorkloadCells.Controller(one)),
            Text<ControllerRevision>("Revision", one => one.Revision),
            Age,
        ],
        [Job.KindInfo] =
        [
            Name,
            Text<Job>("Status", WorkloadCells.Status),
            Text<Job>("Completions", WorkloadCells.Completions),
            TextAt<Job>("Duration", WorkloadCells.Duration),
            Age,
            Text<Job>("Containers", one => Names(one.Spec.Template.Spec.Containers), 1),
            Text<Job>("Images", one => Images(one.Spec.Template.Spec.Containers), 1),
            Text<Job>("Selector", one => Selector(one.Spec.Selector), 1),
        ],
        [CronJob.KindInfo] =
        [
            Name,
            Text<CronJob>("Schedule", one => one.Spec.Schedule),
            Text<CronJob>("Timezone", one => Or(one.Spec.TimeZone, None)),
            Flag<CronJob>("Suspend", one => one.Spec.Suspend switch { null => Unset, true => "True", false => "False" }),
            Number<CronJob>("Active", one => one.Status.Active.Count),
            TextAt<CronJob>("Last Schedule", (one, now) => one.Status.LastScheduleTime is { } last ? Ages.Since(last, now) : None),
            Age,
            Text<CronJob>("Containers", one => Names(one.Spec.JobTemplate.Spec.Template.Spec.Containers), 1),
            Text<CronJob>("Images", one => Images(one.Spec.JobTemplate.Spec.Template.Spec.Containers), 1),
            Text<CronJob>("Selector", one => Selector(one.Spec.JobTemplate.Spec.Selector), 1),
        ],
        [Scaler.KindInfo] = Of<Scaler>(one => one),
        [OldScaler.KindInfo] = Of<OldScaler>(HpaConversion.ToNew),
        [PodDisruptionBudget.KindInfo] =
        [
            Name,
            Text<PodDisruptionBudget>("Min Available", one => one.Spec.MinAvailable?.ToString() ?? "N/A"),
            Text<PodDisruptionBudget>("Max Unavailable", one => one.Spec.MaxUnavailable?.ToString() ?? "N/A"),
            Number<PodDisruptionBudget>("Allowed Disruptions", one => one.Status.DisruptionsAllowed),
            Age,
        ],
        [EndpointSlice.KindInfo] =
        [
            Name,
            Text<EndpointSlice>("AddressType", one => one.AddressType),
            Text<EndpointSlice>("Ports", SliceCells.Ports),
            Text<EndpointSlice>("Endpoints", SliceCells.Endpoints),
            Age,
        ],
        [Scale.KindInfo] =
        [
            Name with { Format = "" },
            Number<Scale>("Desired", one => one.Spec.Replicas),
            Number<Scale>("Available", one => one.Status.Replicas),
            Age,
        ],
    };

    /// <summary>Both forms of a HorizontalPodAutoscaler show the newer one.</summary>
    private static TableColumn[] Of<T>(Func<T, Scaler> scaler) where T : class, IKubeObject =>
    [
        Name,
        Text<T>("Reference", one => $"{scaler(one).Spec.ScaleTargetRef.Kind}/{scaler(one).Spec.ScaleTargetRef.Name}"),
        Text<T>("Targets", one => ScalerCells.Targets(scaler(one))),
        Text<T>("MinPods", one => scaler(one).Spec.MinReplicas is { } least ? (long)least : Unset),
        Text<T>("MaxPods", one => (long)scaler(one).Spec.MaxReplicas),
        Text<T>("Replicas", one => (long)scaler(one).Status.CurrentReplicas),
        Age,
    ];

    private static string Selector(Minke.Api.Meta.V1.LabelSelector? selector) => Or(LabelQuery.From(selector).ToString(), None);
}
