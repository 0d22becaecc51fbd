using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>A port of the machine that a pod takes for itself.</summary>
public readonly record struct HostPort(string Ip, string Protocol, int Port)
{
    private const string AnyAddress = "0.0.0.0";

    /// <summary>Those of the containers that run side by side: init containers are through by then.</summary>
    public static IEnumerable<HostPort> Of(Pod pod) =>
        pod.Spec.Containers.Concat(pod.Spec.InitContainers.Where(container => container.RestartPolicy == ContainerRestartPolicy.Always))
            .SelectMany(container => container.Ports).Where(port => port.HostPort > 0)
            .Select(port => new HostPort(
                port.HostIP.Length == 0 ? AnyAddress : port.HostIP, port.Protocol.Length == 0 ? Core.V1.Protocol.TCP : port.Protocol, port.HostPort));

    /// <summary>Both cannot be had: the same port of an address, where all addresses means each.</summary>
    public bool ConflictsWith(HostPort other) =>
        Port == other.Port && Protocol == other.Protocol && (Ip == other.Ip || Ip == AnyAddress || other.Ip == AnyAddress);
}
