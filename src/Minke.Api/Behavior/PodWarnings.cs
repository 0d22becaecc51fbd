using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Upstream's own warnings about a pod: what is legal but surely not meant. (pkg/api/pod/warnings.go)</summary>
internal static class PodWarnings
{
    public static IEnumerable<string> Of(Pod pod)
    {
        foreach (var (container, path) in ContainerRules.Every(pod.Spec, "spec"))
        {
            foreach (var warning in DuplicateVariables(container, path))
                yield return warning;
            foreach (var warning in DuplicatePorts(container, path))
                yield return warning;
        }
        for (var i = 0; i < pod.Spec.Tolerations.Count; i++)
        {
            if (pod.Spec.Tolerations[i].Key == "node-role.kubernetes.io/master")
                yield return $"spec.tolerations[{PodRules.Number(i)}].key: \"node-role.kubernetes.io/master\" is deprecated, use \"node-role.kubernetes.io/control-plane\" instead";
        }
        if (pod.Spec.TerminationGracePeriodSeconds < 0)
            yield return "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1";
    }

    private static IEnumerable<string> DuplicateVariables(Container container, FieldPath path)
    {
        var seen = new Dictionary<string, EnvVar>(StringComparer.Ordinal);
        for (var i = 0; i < container.Env.Count; i++)
        {
            var variable = container.Env[i];
            // A value that builds on the one before it means what it says.
            if (seen.ContainsKey(variable.Name) && !variable.Value.Contains($"$({variable.Name})", StringComparison.Ordinal))
                yield return $"{path}.env[{PodRules.Number(i)}]: hides previous definition of {FieldErrors.Quote(variable.Name)}, which may be dropped when using apply";
            seen[variable.Name] = variable;
        }
    }

    private static IEnumerable<string> DuplicatePorts(Container container, FieldPath path)
    {
        for (var i = 0; i < container.Ports.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                var (port, earlier) = (container.Ports[i], container.Ports[j]);
                if (port.ContainerPortValue != earlier.ContainerPortValue || port.Protocol != earlier.Protocol || port.HostPort != earlier.HostPort || port.HostIP != earlier.HostIP)
                    continue;
                yield return $"{path}.ports[{PodRules.Number(i)}]: duplicate port definition with {path}.ports[{PodRules.Number(j)}]";
                break;
            }
        }
    }
}
