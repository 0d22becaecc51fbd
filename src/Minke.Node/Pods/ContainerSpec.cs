using System.Globalization;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Node.Pods.Environment;
using Minke.Node.Runtime;

namespace Minke.Node.Pods;

/// <summary>From a container of a pod to the configuration the runtime makes it of.</summary>
internal static class ContainerSpec
{
    public static ContainerConfig For(
        Pod pod, Container container, uint attempt, ImageInfo image, ContainerVariables variables, IReadOnlyList<ContainerMount> mounts,
        NodeSettings node, Quantity nodeMemory, ContainerId? target) => new()
        {
            Name = container.Name,
            Attempt = attempt,
            ImageId = image.Id,
            Command = variables.Command,
            Args = variables.Args,
            WorkingDir = container.WorkingDir,
            Env = variables.Env,
            Mounts = mounts,
            Labels = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                [PodLabels.PodName] = pod.Metadata.Name,
                [PodLabels.PodNamespace] = pod.Metadata.Namespace,
                [PodLabels.PodUid] = pod.Uid,
                [PodLabels.ContainerName] = container.Name,
            },
            Annotations = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                [PodLabels.ContainerHash] = container.Hash,
                [PodLabels.RestartCount] = attempt.ToString(CultureInfo.InvariantCulture),
                [PodLabels.TerminationMessagePath] = container.TerminationMessagePath,
                [PodLabels.TerminationMessagePolicy] = container.TerminationMessagePolicy,
                [PodLabels.TerminationGracePeriod] = (pod.Spec.TerminationGracePeriodSeconds ?? 30).ToString(CultureInfo.InvariantCulture),
                [PodLabels.Image] = image.Tags.Count > 0 ? image.Tags.FirstOrDefault(tag => tag.EndsWith(TagOf(container.Image), StringComparison.Ordinal)) ?? image.Tags[0] : container.Image,
                [PodLabels.ImageReference] = image.Digests.Count > 0 ? image.Digests[0] : image.Id,
            },
            LogPath = LogPath(container.Name, attempt),
            Stdin = container.Stdin,
            StdinOnce = container.StdinOnce,
            Tty = container.Tty,
            Resources = QosClass.ResourcesOf(pod, container, nodeMemory, node.PodPidsLimit),
            Security = SecurityOf(pod, container, node),
            TargetContainer = target,
        };

    /// <summary>Relative to the pod's log directory.</summary>
    public static string LogPath(string container, uint attempt) => string.Create(CultureInfo.InvariantCulture, $"{container}/{attempt}.log");

    /// <summary>The pod's and the container's security contexts together: the container's word wins.</summary>
    public static ContainerSecurity SecurityOf(Pod pod, Container container, NodeSettings node)
    {
        var ofPod = pod.Spec.SecurityContext;
        var own = container.SecurityContext;
        var isPrivileged = own?.Privileged == true;
        var (seccomp, profile) = Seccomp(own?.SeccompProfile ?? ofPod?.SeccompProfile, isPrivileged, node);
        var groups = new List<long>();
        if (ofPod?.FsGroup is { } fsGroup)
            groups.Add(fsGroup);
        if (ofPod is not null)
            groups.AddRange(ofPod.SupplementalGroups);
        return new ContainerSecurity
        {
            Privileged = isPrivileged,
            ReadOnlyRootFilesystem = own?.ReadOnlyRootFilesystem == true,
            NoNewPrivileges = own?.AllowPrivilegeEscalation == false,
            AddCapabilities = [.. own?.Capabilities?.Add ?? default],
            DropCapabilities = [.. own?.Capabilities?.Drop ?? default],
            RunAsUser = own?.RunAsUser ?? ofPod?.RunAsUser,
            RunAsGroup = own?.RunAsGroup ?? ofPod?.RunAsGroup,
            SupplementalGroups = groups,
            StrictSupplementalGroups = ofPod?.SupplementalGroupsPolicy == SupplementalGroupsPolicy.Strict,
            Seccomp = seccomp,
            SeccompLocalhostProfile = profile,
            MaskPaths = own?.ProcMount != ProcMountType.Unmasked,
            AppArmorProfile = AppArmor(pod, container, own?.AppArmorProfile ?? ofPod?.AppArmorProfile),
        };
    }

    /// <summary>Refuses what <c>runAsNonRoot</c> forbids.</summary>
    /// <exception cref="ContainerConfigException">It would run as root, or that cannot be ruled out.</exception>
    public static void VerifyNonRoot(Pod pod, Container container, ImageConfig image)
    {
        var mustNotBeRoot = container.SecurityContext?.RunAsNonRoot ?? pod.Spec.SecurityContext?.RunAsNonRoot;
        if (mustNotBeRoot != true)
            return;
        var where = $"(pod: \"{pod.Described}\", container: {container.Name})";
        if ((container.SecurityContext?.RunAsUser ?? pod.Spec.SecurityContext?.RunAsUser) is { } user)
        {
            if (user == 0)
                throw new ContainerConfigException($"container's runAsUser breaks non-root policy {where}");
            return;
        }
        var name = image.User.Split(':')[0];
        if (name.Length == 0)
            name = "0";
        if (!long.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var uid))
            throw new ContainerConfigException($"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root {where}");
        if (uid == 0)
            throw new ContainerConfigException($"container has runAsNonRoot and image will run as root {where}");
    }

    private static string TagOf(string image)
    {
        var at = image.IndexOf('@', StringComparison.Ordinal);
        var name = at >= 0 ? image[..at] : image;
        var slash = name.LastIndexOf('/');
        var last = name[(slash + 1)..];
        return last.Contains(':', StringComparison.Ordinal) ? last : last + ":latest";
    }

    private static (SeccompKind Kind, string Profile) Seccomp(SeccompProfile? profile, bool isPrivileged, NodeSettings node) => profile switch
    {
        // Privileged means unconfined unless the pod says otherwise; for all others the safe profile is the default here.
        null => (isPrivileged ? SeccompKind.Unconfined : SeccompKind.RuntimeDefault, ""),
        { Type: SeccompProfileType.Localhost, LocalhostProfile: { Length: > 0 } file } => (SeccompKind.Localhost, Path.Combine(node.Paths.Seccomp, file)),
        { Type: SeccompProfileType.Unconfined } => (SeccompKind.Unconfined, ""),
        _ => (SeccompKind.RuntimeDefault, ""),
    };

    private static string AppArmor(Pod pod, Container container, AppArmorProfile? profile)
    {
        if (profile is null)
        {
            // The annotation of before 1.30.
            var old = pod.Metadata.Annotations.GetValueOrDefault("container.apparmor.security.beta.kubernetes.io/" + container.Name);
            return old switch
            {
                "unconfined" => "unconfined",
                not null when old.StartsWith("localhost/", StringComparison.Ordinal) => old["localhost/".Length..],
                _ => "",
            };
        }
        return profile.Type switch
        {
            AppArmorProfileType.Unconfined => "unconfined",
            AppArmorProfileType.Localhost => profile.LocalhostProfile ?? "",
            _ => "",
        };
    }
}
