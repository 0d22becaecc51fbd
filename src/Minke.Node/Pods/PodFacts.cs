using System.Globalization;
using Minke.Api.Core.V1;

namespace Minke.Node.Pods;

#pragma warning disable CA1708 // The analyser compares the names of extension blocks, which have none.
/// <summary>Facts of a pod that follow from its object alone.</summary>
public static class PodFacts
{
    extension(Pod pod)
    {
        public string Uid => pod.Metadata.Uid;
        public bool IsDeleting => pod.Metadata.DeletionTimestamp is not null;

        /// <summary><c>name_namespace(uid)</c>, as the kubelet writes a pod in messages.</summary>
        public string Described => $"{pod.Metadata.Name}_{pod.Metadata.Namespace}({pod.Metadata.Uid})";

        /// <summary>Comes from this node's own directory, not from the API.</summary>
        public bool IsStatic => pod.Metadata.Annotations.TryGetValue(PodLabels.ConfigSource, out var source) && source != "api";

        /// <summary>Stands in the API for a static pod; the kubelet does not run it.</summary>
        public bool IsMirror => pod.Metadata.Annotations.ContainsKey(PodLabels.ConfigMirror);

        public bool RestartsOnFailure => pod.Spec.RestartPolicy != RestartPolicy.Never;
        public bool IsTerminal => pod.Status.Phase is PodPhase.Failed or PodPhase.Succeeded;

        /// <summary>Every container with its kind: init, main, ephemeral.</summary>
        public IEnumerable<(Container Container, ContainerKind Kind)> AllContainers =>
            pod.Spec.InitContainers.Select(container => (container, ContainerKind.Init))
                .Concat(pod.Spec.Containers.Select(container => (container, ContainerKind.Main)))
                .Concat(pod.Spec.EphemeralContainers.Select(container => (container.AsContainer, ContainerKind.Ephemeral)));

        public (Container Container, ContainerKind Kind)? FindContainer(string name)
        {
            foreach (var entry in pod.AllContainers)
            {
                if (entry.Container.Name == name)
                    return entry;
            }
            return null;
        }

        /// <summary>The status's record of a container, whatever its kind.</summary>
        public Minke.Api.Core.V1.ContainerStatus? StatusOf(string container) =>
            pod.Status.ContainerStatuses.Concat(pod.Status.InitContainerStatuses).Concat(pod.Status.EphemeralContainerStatuses)
                .FirstOrDefault(status => status.Name == container);
    }

    extension(Container container)
    {
        /// <summary>An init container that keeps running beside the others (KEP-753).</summary>
        public bool IsSidecar => container.RestartPolicy == ContainerRestartPolicy.Always;

        /// <summary>Changes when the container has to be made anew: upstream looks at name and image alone.</summary>
        public string Hash
        {
            get
            {
                var hash = 2166136261u; // FNV-1a
                foreach (var letter in container.Name + "\n" + container.Image)
                    hash = (hash ^ letter) * 16777619u;
                return hash.ToString("x", CultureInfo.InvariantCulture);
            }
        }
    }

    extension(EphemeralContainer container)
    {
        public Container AsContainer => new()
        {
            Name = container.Name,
            Image = container.Image,
            Command = container.Command,
            Args = container.Args,
            WorkingDir = container.WorkingDir,
            Ports = container.Ports,
            EnvFrom = container.EnvFrom,
            Env = container.Env,
            Resources = container.Resources,
            VolumeMounts = container.VolumeMounts,
            VolumeDevices = container.VolumeDevices,
            TerminationMessagePath = container.TerminationMessagePath,
            TerminationMessagePolicy = container.TerminationMessagePolicy,
            ImagePullPolicy = container.ImagePullPolicy,
            SecurityContext = container.SecurityContext,
            Stdin = container.Stdin,
            StdinOnce = container.StdinOnce,
            Tty = container.Tty,
        };
    }
}

public enum ContainerKind { Main, Init, Ephemeral }
