using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using ConditionStatus = Minke.Api.Core.V1.ConditionStatus;
using Minke.Node.Runtime;

namespace Minke.Node.Pods;

/// <summary>The node's own object: a pure function of the machine, the settings and the images (kubelet: nodestatus/setters.go).</summary>
public static class NodeStatusBuilder
{
    /// <summary>What the kubelet keeps back for the machine: its default threshold of hard eviction.</summary>
    private const long ReservedMemoryBytes = 100 * 1024 * 1024;
    private const int MaxImages = 50;

    public static Minke.Api.Core.V1.Node Build(
        NodeSettings settings, NodeMachine machine, RuntimeVersion runtime, IReadOnlyList<ImageInfo> images, NodeStatus? old, bool isReady, string why, DateTimeOffset now) => new()
        {
            Metadata = new ObjectMeta
            {
                Name = settings.NodeName,
                Labels = Labels(settings, machine),
                Annotations = ApiMap.From([KeyValuePair.Create("volumes.kubernetes.io/controller-managed-attach-detach", "true")]),
            },
            Status = new NodeStatus
            {
                Capacity = Capacity(settings, machine),
                Allocatable = Allocatable(settings, machine),
                Conditions = Conditions(old, isReady, why, now),
                Addresses =
                [
                    .. machine.Addresses.Select(address => new NodeAddress { Type = "InternalIP", Address = address }),
                    new NodeAddress { Type = "Hostname", Address = settings.NodeName },
                ],
                DaemonEndpoints = new NodeDaemonEndpoints { KubeletEndpoint = new DaemonEndpoint { Port = settings.EndpointPort } },
                NodeInfo = new NodeSystemInfo
                {
                    MachineID = machine.MachineId,
                    SystemUUID = machine.SystemUuid,
                    BootID = machine.BootId,
                    KernelVersion = machine.KernelVersion,
                    OsImage = machine.OsImage,
                    ContainerRuntimeVersion = $"{runtime.Name}://{runtime.Version}",
                    KubeletVersion = settings.KubeletVersion,
                    KubeProxyVersion = settings.KubeletVersion,
                    OperatingSystem = "linux",
                    Architecture = machine.Architecture,
                },
                Images = Images(images),
                VolumesInUse = old?.VolumesInUse ?? default,
                VolumesAttached = old?.VolumesAttached ?? default,
            },
        };

    public static ApiMap<Quantity> Allocatable(NodeSettings settings, NodeMachine machine)
    {
        var capacity = Capacity(settings, machine);
        return capacity
            .With("memory", Quantity.FromBytes(Math.Max(machine.MemoryBytes - ReservedMemoryBytes, 0)))
            .With("ephemeral-storage", new Quantity(Math.Floor(machine.DiskBytes * 0.9m)));
    }

    private static ApiMap<Quantity> Capacity(NodeSettings settings, NodeMachine machine) => ApiMap.From(
    [
        KeyValuePair.Create("cpu", new Quantity(machine.CpuCount)),
        KeyValuePair.Create("memory", Quantity.FromBytes(machine.MemoryBytes)),
        KeyValuePair.Create("ephemeral-storage", Quantity.FromBytes(machine.DiskBytes)),
        KeyValuePair.Create("pods", new Quantity(settings.MaxPods)),
        KeyValuePair.Create("hugepages-1Gi", new Quantity(0)),
        KeyValuePair.Create("hugepages-2Mi", new Quantity(0)),
    ]);

    private static ApiMap<string> Labels(NodeSettings settings, NodeMachine machine)
    {
        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["beta.kubernetes.io/arch"] = machine.Architecture,
            ["beta.kubernetes.io/os"] = "linux",
            ["kubernetes.io/arch"] = machine.Architecture,
            ["kubernetes.io/hostname"] = settings.NodeName,
            ["kubernetes.io/os"] = "linux",
        };
        foreach (var (name, value) in settings.Labels)
            labels[name] = value;
        return labels.ToApiMap();
    }

    private static ApiList<NodeCondition> Conditions(NodeStatus? old, bool isReady, string why, DateTimeOffset now)
    {
        return
        [
            One(NodeConditionType.MemoryPressure, false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            One(NodeConditionType.DiskPressure, false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            One(NodeConditionType.PIDPressure, false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            isReady
                ? One(NodeConditionType.Ready, true, "KubeletReady", "kubelet is posting ready status")
                : One(NodeConditionType.Ready, false, "KubeletNotReady", why),
        ];

        NodeCondition One(string type, bool value, string reason, string message)
        {
            var status = value ? ConditionStatus.True : ConditionStatus.False;
            var before = old?.Conditions.FirstOrDefault(condition => condition.Type == type);
            return new NodeCondition
            {
                Type = type,
                Status = status,
                Reason = reason,
                Message = message,
                LastHeartbeatTime = Time.From(now),
                LastTransitionTime = before is not null && before.Status == status ? before.LastTransitionTime : Time.From(now),
            };
        }
    }

    private static ApiList<ContainerImage> Images(IReadOnlyList<ImageInfo> images) =>
    [
        .. images.OrderByDescending(image => image.SizeBytes).ThenBy(image => image.Id, StringComparer.Ordinal).Take(MaxImages)
            .Select(image => new ContainerImage { Names = [.. image.Digests, .. image.Tags], SizeBytes = image.SizeBytes }),
    ];
}
