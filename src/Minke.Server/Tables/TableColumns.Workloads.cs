using Minke.Api;
using Minke.Api.Apps.V1;
using Minke.Api.Autoscaling.V1;

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
        [Scale.KindInfo] =
        [
            Name with { Format = "" },
            Number<Scale>("Desired", one => one.Spec.Replicas),
            Number<Scale>("Available", one => one.Status.Replicas),
            Age,
        ],
    };

    private static string Selector(Minke.Api.Meta.V1.LabelSelector? selector) => Or(LabelQuery.From(selector).ToString(), None);
}
