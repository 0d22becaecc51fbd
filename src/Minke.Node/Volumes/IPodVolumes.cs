using Minke.Api.Core.V1;
using Minke.Node.Pods;
using Minke.Node.Runtime;

namespace Minke.Node.Volumes;

/// <summary>
/// The volumes of the pods on this machine: brought into being before a pod's sandbox, mounted into its containers, kept up to date
/// while it lives, taken away when it is gone. The machine's disk and a simulated one implement it.
/// </summary>
/// <remarks>
/// Every verb may be asked twice: preparing what is prepared is cheap and changes nothing a container sees, which is also how a
/// restarted node takes up the volumes of running pods. One verb at a time is asked for one pod.
/// </remarks>
public interface IPodVolumes
{
    /// <summary>Makes every volume of the pod that a container mounts; from then on the volumes that live (ConfigMap, Secret, downward API, projected) follow their sources.</summary>
    /// <exception cref="VolumeException">One attempt failed; the caller tells it and tries again with back-off.</exception>
    Task PrepareAsync(Pod pod, PodPlace place, CancellationToken cancellationToken);

    /// <summary>
    /// The mounts of one container, in the order of <c>volumeMounts</c>; sub paths are made as needed. <paramref name="environment"/> is
    /// for <c>subPathExpr</c>; <paramref name="imageIds"/> are the pulled images of image volumes, by volume name.
    /// </summary>
    /// <exception cref="ContainerConfigException">A sub path that cannot be used.</exception>
    Task<IReadOnlyList<ContainerMount>> MountsAsync(
        Pod pod, Container container, IReadOnlyList<KeyValuePair<string, string>> environment, IReadOnlyDictionary<string, string> imageIds,
        CancellationToken cancellationToken);

    /// <summary>The pod's object changed: labels and annotations show in downward API files.</summary>
    void Changed(Pod pod, PodPlace place);

    /// <summary>Unmounts and removes everything of the pod. Goes on past failures and throws them together.</summary>
    Task TearDownAsync(string podUid, CancellationToken cancellationToken);

    /// <summary>Uids of every pod that has anything here, also from before a restart: the caller tears down those it does not know.</summary>
    Task<IReadOnlyList<string>> ListAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Told the pod's uid and a message in upstream's words (<c>Usage of EmptyDir volume "cache" exceeds the limit "1Mi". </c>) when
    /// the pod is to be evicted. May be called on any thread; returns at once.
    /// </summary>
    Action<string, string>? LimitExceeded { get; set; }
}

/// <summary>Volumes that could not be made. One message a volume: <c>MountVolume.SetUp failed for volume "config" : configmap "web" not found</c>.</summary>
public sealed class VolumeException(IReadOnlyList<VolumeFailure> failures) : Exception(string.Join("; ", failures.Select(failure => failure.Message)))
{
    public IReadOnlyList<VolumeFailure> Failures { get; } = failures;
}

/// <param name="Volume">Name of the volume in the pod.</param>
/// <param name="Reason">Reason of the event: <c>FailedMount</c>, <c>FailedMapVolume</c>.</param>
/// <param name="Message">Message of the event.</param>
public sealed record VolumeFailure(string Volume, string Reason, string Message);
