using System.Globalization;
using Minke.Api;
using Minke.Api.Core.V1;

namespace Minke.Node.Pods;

/// <summary>Whether a pod bound to this node may run here: a pure function, with the kubelet's reasons and messages (lifecycle/predicate.go).</summary>
public static class NodeAdmission
{
    // The namespaced sysctls that cannot harm others (kubelet/sysctl/safe_sysctls.go).
    private static readonly HashSet<string> SafeSysctls = new(StringComparer.Ordinal)
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    };

    /// <param name="pod">The newcomer.</param>
    /// <param name="others">The pods that use the node's resources already.</param>
    /// <param name="node">The node's object: labels and allocatable.</param>
    /// <param name="allowedUnsafeSysctls">Allowed beyond the safe ones; a trailing <c>*</c> allows all below.</param>
    /// <returns>Null when it may.</returns>
    public static PodVerdict? Check(
        Pod pod, IReadOnlyCollection<Pod> others, Minke.Api.Core.V1.Node node, IReadOnlyList<string> allowedUnsafeSysctls) =>
        CheckOs(pod)
        ?? CheckSysctls(pod, allowedUnsafeSysctls)
        ?? CheckResources(pod, others, node.Status.Allocatable)
        ?? CheckNode(pod, others, node);

    private static PodVerdict? CheckOs(Pod pod)
    {
        if (pod.Spec.NodeSelector.TryGetValue("kubernetes.io/os", out var os) && os != "linux")
            return new("PodOSSelectorNodeLabelDoesNotMatch", "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label");
        return pod.Spec.Os is { Name: not "linux" }
            ? new("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS") : null;
    }

    private static PodVerdict? CheckSysctls(Pod pod, IReadOnlyList<string> allowed)
    {
        foreach (var sysctl in pod.Spec.SecurityContext?.Sysctls ?? default)
        {
            var name = sysctl.Name.Replace('/', '.');
            var isKnown = SafeSysctls.Contains(name)
                || allowed.Any(pattern => pattern.EndsWith('*') ? name.StartsWith(pattern[..^1], StringComparison.Ordinal) : name == pattern);
            if (!isKnown)
                return new("SysctlForbidden", $"forbidden sysctl: \"{name}\" not allowlisted");
            if (name.StartsWith("net.", StringComparison.Ordinal) && pod.Spec.HostNetwork)
                return new("SysctlForbidden", $"forbidden sysctl: \"{name}\" not allowed with host net enabled");
            if (IsIpc(name) && pod.Spec.HostIPC)
                return new("SysctlForbidden", $"forbidden sysctl: \"{name}\" not allowed with host ipc enabled");
        }
        return null;
    }

    private static bool IsIpc(string sysctl) =>
        sysctl == "kernel.sem" || sysctl.StartsWith("kernel.shm", StringComparison.Ordinal)
        || sysctl.StartsWith("kernel.msg", StringComparison.Ordinal) || sysctl.StartsWith("fs.mqueue.", StringComparison.Ordinal);

    private static PodVerdict? CheckResources(Pod pod, IReadOnlyCollection<Pod> others, ApiMap<Quantity> allocatable)
    {
        if (allocatable.TryGetValue("pods", out var maxPods) && others.Count + 1 > maxPods.ToInt64())
            return OutOf("pods", 1, others.Count, maxPods.ToInt64());
        foreach (var (name, request) in PodResources.Requests(pod).OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (request.IsZero)
                continue;
            var inMillis = name == "cpu";
            var used = others.Aggregate(default(Quantity), (sum, other) => sum + PodResources.Requests(other).GetValueOrDefault(name));
            var capacity = allocatable.GetValueOrDefault(name);
            if (used + request > capacity)
                return OutOf(name, Number(request), Number(used), Number(capacity));

            long Number(Quantity quantity) => inMillis ? quantity.ToMillis() : quantity.ToInt64();
        }
        return null;
    }

    private static PodVerdict OutOf(string resource, long requested, long used, long capacity) => new("OutOf" + resource, string.Create(
        CultureInfo.InvariantCulture, $"Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"));

    private static PodVerdict? CheckNode(Pod pod, IReadOnlyCollection<Pod> others, Minke.Api.Core.V1.Node node)
    {
        if (pod.Spec.NodeName.Length > 0 && pod.Spec.NodeName != node.Metadata.Name)
            return Failed("NodeName", "node(s) didn't match the requested node name");
        if (!NodeSelectors.Matches(pod.Spec, node))
            return Failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
        var taken = others.SelectMany(HostPort.Of).ToList();
        return HostPort.Of(pod).Any(wanted => taken.Exists(wanted.ConflictsWith))
            ? Failed("NodePorts", "node(s) didn't have free ports for the requested pod ports") : null;
    }

    private static PodVerdict Failed(string predicate, string why) => new(predicate, $"Predicate {predicate} failed: {why}");
}
