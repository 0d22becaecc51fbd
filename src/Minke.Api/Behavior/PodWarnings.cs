using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Fields of a pod that are accepted and that nothing here acts on: whoever sets one is told. Nothing is ignored in silence.</summary>
internal static class PodWarnings
{
    private const string Ignored = "accepted but not acted on by Minke yet";

    public static IEnumerable<string> Of(PodSpec spec)
    {
        if (spec.HostUsers == false)
            yield return $"spec.hostUsers: {Ignored}: the pod shares the machine's user namespace";
        if (spec.SecurityContext?.SeLinuxOptions is not null)
            yield return $"spec.securityContext.seLinuxOptions: {Ignored}";
        if (spec.SecurityContext?.WindowsOptions is not null)
            yield return $"spec.securityContext.windowsOptions: {Ignored}";
        foreach (var warning in Of("spec.initContainers", spec.InitContainers).Concat(Of("spec.containers", spec.Containers)))
            yield return warning;
    }

    private static IEnumerable<string> Of(string path, ApiList<Container> containers)
    {
        for (var i = 0; i < containers.Count; i++)
        {
            var container = containers[i];
            if (container.SecurityContext?.SeLinuxOptions is not null)
                yield return $"{path}[{i}].securityContext.seLinuxOptions: {Ignored}";
            if (container.SecurityContext?.WindowsOptions is not null)
                yield return $"{path}[{i}].securityContext.windowsOptions: {Ignored}";
            if (container.Resources.Limits.ContainsKey("ephemeral-storage"))
                yield return $"{path}[{i}].resources.limits[ephemeral-storage]: {Ignored}: the disk space of containers is not limited";
        }
    }
}
