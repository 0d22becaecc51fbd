using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Ephemeral containers seen as the containers they share all fields with.</summary>
public static class EphemeralContainers
{
    extension(EphemeralContainer ephemeral)
    {
        public Container AsContainer() => new()
        {
            Name = ephemeral.Name,
            Image = ephemeral.Image,
            Command = ephemeral.Command,
            Args = ephemeral.Args,
            WorkingDir = ephemeral.WorkingDir,
            Ports = ephemeral.Ports,
            EnvFrom = ephemeral.EnvFrom,
            Env = ephemeral.Env,
            Resources = ephemeral.Resources,
            ResizePolicy = ephemeral.ResizePolicy,
            RestartPolicy = ephemeral.RestartPolicy,
            VolumeMounts = ephemeral.VolumeMounts,
            VolumeDevices = ephemeral.VolumeDevices,
            LivenessProbe = ephemeral.LivenessProbe,
            ReadinessProbe = ephemeral.ReadinessProbe,
            StartupProbe = ephemeral.StartupProbe,
            Lifecycle = ephemeral.Lifecycle,
            TerminationMessagePath = ephemeral.TerminationMessagePath,
            TerminationMessagePolicy = ephemeral.TerminationMessagePolicy,
            ImagePullPolicy = ephemeral.ImagePullPolicy,
            SecurityContext = ephemeral.SecurityContext,
            Stdin = ephemeral.Stdin,
            StdinOnce = ephemeral.StdinOnce,
            Tty = ephemeral.Tty,
        };
    }
}
