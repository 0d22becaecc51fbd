using Minke.Api;
using Minke.Api.Coordination.V1;
using Minke.Api.Core.V1;
using Minke.Api.Node.V1;
using Minke.Api.Scheduling.V1;

namespace Minke.Server.Tables;

internal static partial class TableColumns
{
    private const string None = "<none>";
    private const string Unset = "<unset>";

    private static readonly Dictionary<KindInfo, TableColumn[]> ByKind = new()
    {
        [Pod.KindInfo] =
        [
            Name,
            Text<Pod>("Ready", PodCells.Ready),
            Text<Pod>("Status", PodCells.Status),
            TextAt<Pod>("Restarts", PodCells.Restarts),
            Age,
            Text<Pod>("IP", pod => Or(pod.Status.PodIPs is [var first, ..] ? first.Ip : null, None), 1),
            Text<Pod>("Node", pod => Or(pod.Spec.NodeName, None), 1),
            Text<Pod>("Nominated Node", pod => Or(pod.Status.NominatedNodeName, None), 1),
            Text<Pod>("Readiness Gates", PodCells.Gates, 1),
        ],
        [PodTemplate.KindInfo] =
        [
            Name,
            Text<PodTemplate>("Containers", one => Names(one.Template.Spec.Containers)),
            Text<PodTemplate>("Images", one => Images(one.Template.Spec.Containers)),
            Text<PodTemplate>("Pod Labels", one => Labels(one.Template.Metadata.Labels)),
        ],
        [ReplicationController.KindInfo] =
        [
            Name,
            Number<ReplicationController>("Desired", one => one.Spec.Replicas ?? 0),
            Number<ReplicationController>("Current", one => one.Status.Replicas),
            Number<ReplicationController>("Ready", one => one.Status.ReadyReplicas),
            Age,
            Text<ReplicationController>("Containers", one => Names(one.Spec.Template?.Spec.Containers ?? default), 1),
            Text<ReplicationController>("Images", one => Images(one.Spec.Template?.Spec.Containers ?? default), 1),
            Text<ReplicationController>("Selector", one => Labels(one.Spec.Selector), 1),
        ],
        [Service.KindInfo] =
        [
            Name,
            Text<Service>("Type", one => one.Spec.Type),
            Text<Service>("Cluster-IP", one => Or(one.Spec.ClusterIPs is [var first, ..] ? first : null, None)),
            Text<Service>("External-IP", ServiceCells.External),
            Text<Service>("Port(s)", ServiceCells.Ports),
            Age,
            Text<Service>("Selector", one => Labels(one.Spec.Selector), 1),
        ],
        [Endpoints.KindInfo] = [Name, Text<Endpoints>("Endpoints", ServiceCells.Endpoints), Age],
        [Node.KindInfo] =
        [
            Name,
            Text<Node>("Status", NodeCells.Status),
            Text<Node>("Roles", NodeCells.Roles),
            Age,
            Text<Node>("Version", one => one.Status.NodeInfo.KubeletVersion),
            Text<Node>("Internal-IP", one => NodeCells.Address(one, "InternalIP"), 1),
            Text<Node>("External-IP", one => NodeCells.Address(one, "ExternalIP"), 1),
            Text<Node>("OS-Image", one => Or(one.Status.NodeInfo.OsImage, Ages.Unknown), 1),
            Text<Node>("Kernel-Version", one => Or(one.Status.NodeInfo.KernelVersion, Ages.Unknown), 1),
            Text<Node>("Container-Runtime", one => Or(one.Status.NodeInfo.ContainerRuntimeVersion, Ages.Unknown), 1),
        ],
        [Event.KindInfo] =
        [
            TextAt<Event>("Last Seen", (one, now) => EventAge(one.Series?.LastObservedTime, one.LastTimestamp, one.FirstTimestamp, one.EventTime, now)),
            Text<Event>("Type", one => one.Type),
            Text<Event>("Reason", one => one.Reason),
            Text<Event>("Object", one => ObjectName(one.InvolvedObject)),
            Text<Event>("Subobject", one => one.InvolvedObject.FieldPath, 1),
            Text<Event>("Source", one => EventSource(one.Source, one.ReportingComponent, one.ReportingInstance), 1),
            Text<Event>("Message", one => one.Message.Trim()),
            TextAt<Event>("First Seen", (one, now) => FirstSeen(one.FirstTimestamp, one.EventTime, now), 1),
            Text<Event>("Count", one => Count(one.Series?.Count, one.Count), 1),
            Name with { Priority = 1 },
        ],
        [Minke.Api.Events.V1.Event.KindInfo] =
        [
            TextAt<Minke.Api.Events.V1.Event>("Last Seen", (one, now) =>
                EventAge(one.Series?.LastObservedTime, one.DeprecatedLastTimestamp, one.DeprecatedFirstTimestamp, one.EventTime, now)),
            Text<Minke.Api.Events.V1.Event>("Type", one => one.Type),
            Text<Minke.Api.Events.V1.Event>("Reason", one => one.Reason),
            Text<Minke.Api.Events.V1.Event>("Object", one => ObjectName(one.Regarding)),
            Text<Minke.Api.Events.V1.Event>("Subobject", one => one.Regarding.FieldPath, 1),
            Text<Minke.Api.Events.V1.Event>("Source", one => EventSource(one.DeprecatedSource, one.ReportingController, one.ReportingInstance), 1),
            Text<Minke.Api.Events.V1.Event>("Message", one => one.Note.Trim()),
            TextAt<Minke.Api.Events.V1.Event>("First Seen", (one, now) => FirstSeen(one.DeprecatedFirstTimestamp, one.EventTime, now), 1),
            Text<Minke.Api.Events.V1.Event>("Count", one => Count(one.Series?.Count, one.DeprecatedCount), 1),
            Name with { Priority = 1 },
        ],
        [Namespace.KindInfo] = [Name, Text<Namespace>("Status", one => one.Status.Phase), Age],
        [Secret.KindInfo] = [Name, Text<Secret>("Type", one => one.Type), Text<Secret>("Data", one => (long)one.Data.Count), Age],
        [ConfigMap.KindInfo] = [Name, Text<ConfigMap>("Data", one => (long)(one.Data.Count + one.BinaryData.Count)), Age],
        [ServiceAccount.KindInfo] = [Name, Text<ServiceAccount>("Secrets", one => (long)one.Secrets.Count), Age],
        [PersistentVolume.KindInfo] =
        [
            Name,
            Text<PersistentVolume>("Capacity", one => Amount(one.Spec.Capacity)),
            Text<PersistentVolume>("Access Modes", one => Modes(one.Spec.AccessModes)),
            Text<PersistentVolume>("Reclaim Policy", one => one.Spec.PersistentVolumeReclaimPolicy),
            Text<PersistentVolume>("Status", one => one.Metadata.DeletionTimestamp is null ? one.Status.Phase : "Terminating"),
            Text<PersistentVolume>("Claim", one => one.Spec.ClaimRef is { } claim ? $"{claim.Namespace}/{claim.Name}" : ""),
            Text<PersistentVolume>("StorageClass", one => StorageClass(one, one.Spec.StorageClassName)),
            Text<PersistentVolume>("VolumeAttributesClass", one => Or(one.Spec.VolumeAttributesClassName, Unset)),
            Text<PersistentVolume>("Reason", one => one.Status.Reason),
            Age,
            Text<PersistentVolume>("VolumeMode", one => Or(one.Spec.VolumeMode, Unset), 1),
        ],
        [PersistentVolumeClaim.KindInfo] =
        [
            Name,
            Text<PersistentVolumeClaim>("Status", one => one.Metadata.DeletionTimestamp is null ? one.Status.Phase : "Terminating"),
            Text<PersistentVolumeClaim>("Volume", one => one.Spec.VolumeName),
            Text<PersistentVolumeClaim>("Capacity", one => one.Spec.VolumeName.Length > 0 ? Amount(one.Status.Capacity) : ""),
            Text<PersistentVolumeClaim>("Access Modes", one => one.Spec.VolumeName.Length > 0 ? Modes(one.Status.AccessModes) : ""),
            Text<PersistentVolumeClaim>("StorageClass", one => StorageClass(one, one.Spec.StorageClassName)),
            Text<PersistentVolumeClaim>("VolumeAttributesClass", one => Or(one.Spec.VolumeAttributesClassName, Unset)),
            Age,
            Text<PersistentVolumeClaim>("VolumeMode", one => Or(one.Spec.VolumeMode, Unset), 1),
        ],
        [ResourceQuota.KindInfo] =
        [
            Name,
            Age,
            Text<ResourceQuota>("Request", one => Quota(one, isLimit: false)),
            Text<ResourceQuota>("Limit", one => Quota(one, isLimit: true)),
        ],
        [ComponentStatus.KindInfo] =
        [
            Name,
            Text<ComponentStatus>("Status", one => one.Conditions.FirstOrDefault(condition => condition.Type == "Healthy")?.Status switch
            {
                "True" => "Healthy",
                "False" => "Unhealthy",
                _ => "Unknown",
            }),
            Text<ComponentStatus>("Message", one => one.Conditions.FirstOrDefault(condition => condition.Type == "Healthy")?.Message ?? ""),
            Text<ComponentStatus>("Error", one => one.Conditions.FirstOrDefault(condition => condition.Type == "Healthy")?.Error ?? ""),
        ],
        [Lease.KindInfo] = [Name, Text<Lease>("Holder", one => one.Spec.HolderIdentity ?? ""), Age],
        [PriorityClass.KindInfo] =
        [
            Name,
            Number<PriorityClass>("Value", one => one.Value),
            Flag<PriorityClass>("Global-Default", one => one.GlobalDefault),
            Age,
            Text<PriorityClass>("PreemptionPolicy", one => one.PreemptionPolicy ?? ""),
        ],
        [RuntimeClass.KindInfo] = [Name, Text<RuntimeClass>("Handler", one => one.Handler), Age],
    };

    private static string Or(string? text, string otherwise) => string.IsNullOrEmpty(text) ? otherwise : text;

    private static string Names(ApiList<Container> containers) => string.Join(',', containers.Select(container => container.Name));

    private static string Images(ApiList<Container> containers) => string.Join(',', containers.Select(container => container.Image));

    private static string Labels(ApiMap<string> labels) => labels.IsEmpty ? None : string.Join(',', labels.Select(label => $"{label.Key}={label.Value}"));

    private static string Amount(ApiMap<Quantity> capacity) => capacity.TryGetValue("storage", out var size) ? size.ToString() : "";

    private static string Modes(ApiList<string> modes)
    {
        string[] order = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
        string[] letters = ["RWO", "ROX", "RWX", "RWOP"];
        return string.Join(',', order.Select((mode, index) => modes.Contains(mode) ? letters[index] : "").Where(letter => letter.Length > 0));
    }

    private static string StorageClass(IKubeObject value, string? name) =>
        value.Metadata.Annotations.GetValueOrDefault("volume.beta.kubernetes.io/storage-class") is { Length: > 0 } annotated ? annotated : name ?? "";

    private static string Quota(ResourceQuota quota, bool isLimit) => string.Join(", ", quota.Status.Hard
        .Where(hard => hard.Key.StartsWith("limits.", StringComparison.Ordinal) == isLimit)
        .Select(hard => $"{hard.Key}: {(quota.Status.Used.TryGetValue(hard.Key, out var used) ? used : default)}/{hard.Value}"));

    private static string ObjectName(ObjectReference target) =>
        target.Name.Length > 0 ? $"{target.Kind.ToLowerInvariant()}/{target.Name}" : target.Kind.ToLowerInvariant();

    private static string EventSource(EventSource source, string controller, string instance)
    {
        var component = source.Component.Length > 0 ? source.Component : controller;
        var host = source.Host.Length > 0 ? source.Host : instance;
        return host.Length > 0 ? $"{component}, {host}" : component;
    }

    private static string FirstSeen(Time first, MicroTime eventTime, DateTimeOffset now) => first.IsZero ? Ages.Since(eventTime, now) : Ages.Since(first, now);

    private static string EventAge(MicroTime? series, Time last, Time first, MicroTime eventTime, DateTimeOffset now) =>
        series is { IsZero: false } seen ? Ages.Since(seen, now) : last.IsZero ? FirstSeen(first, eventTime, now) : Ages.Since(last, now);

    private static long Count(int? series, int count) => series ?? (count == 0 ? 1 : count);
}
