using System.Globalization;
using Minke.Node.Runtime;

namespace Minke.Node.Pods;

/// <summary>What the runtime has of one pod, newest first: the actual state the plan compares with the spec.</summary>
public sealed record PodView(IReadOnlyList<SandboxStatus> Sandboxes, IReadOnlyList<ContainerStatus> Containers)
{
    public static PodView Empty { get; } = new([], []);

    public static PodView Of(IEnumerable<SandboxStatus> sandboxes, IEnumerable<ContainerStatus> containers) => new(
        [.. sandboxes.OrderByDescending(sandbox => sandbox.Config.Attempt).ThenByDescending(sandbox => sandbox.CreatedAt)],
        [.. containers.OrderByDescending(container => container.CreatedAt).ThenByDescending(container => container.Config.Attempt)]);

    public SandboxStatus? NewestSandbox => Sandboxes.Count > 0 ? Sandboxes[0] : null;

    /// <summary>The newest instance of a container, running or not.</summary>
    public ContainerStatus? Latest(string name)
    {
        foreach (var container in Containers)
        {
            if (container.Config.Name == name)
                return container;
        }
        return null;
    }

    public bool HasRunningContainers => Containers.Any(container => container.State == ContainerState.Running);
}

/// <summary>The labels and annotations by which a restarted node knows its containers again: the kubelet's own where it has one.</summary>
public static class PodLabels
{
    public const string PodName = "io.kubernetes.pod.name";
    public const string PodNamespace = "io.kubernetes.pod.namespace";
    public const string PodUid = "io.kubernetes.pod.uid";
    public const string ContainerName = "io.kubernetes.container.name";
    public const string ContainerHash = "io.kubernetes.container.hash";
    public const string RestartCount = "io.kubernetes.container.restartCount";
    public const string TerminationMessagePath = "io.kubernetes.container.terminationMessagePath";
    public const string TerminationMessagePolicy = "io.kubernetes.container.terminationMessagePolicy";
    public const string TerminationGracePeriod = "io.kubernetes.pod.terminationGracePeriod";

    /// <summary>The image's name and digest as the status shows them; the image itself may be gone by then.</summary>
    public const string Image = "io.kubernetes.container.image";
    public const string ImageReference = "io.kubernetes.container.imageRef";

    public const string ConfigSource = "kubernetes.io/config.source";
    public const string ConfigHash = "kubernetes.io/config.hash";
    public const string ConfigMirror = "kubernetes.io/config.mirror";
    public const string ConfigSeen = "kubernetes.io/config.seen";

    public static string PodUidOf(SandboxStatus sandbox) => sandbox.Config.Uid;

    public static int RestartCountOf(ContainerStatus container) =>
        int.TryParse(container.Config.Annotations.GetValueOrDefault(RestartCount), NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            ? count : (int)container.Config.Attempt;
}
