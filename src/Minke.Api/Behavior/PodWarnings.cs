using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>Upstream's own warnings about a pod: what is legal but surely not meant, or old. (pkg/api/pod/warnings.go)</summary>
internal static class PodWarnings
{
    private static readonly string[] CountedInBytes = ["memory", "ephemeral-storage"];

    private static readonly (string Key, string Message)[] OldAnnotations =
    [
        ("scheduler.alpha.kubernetes.io/critical-pod", "non-functional in v1.16+; use the \"priorityClassName\" field instead"),
        ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
        ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ];

    private static readonly (string Field, Func<Volume, object?> Source, string Message)[] OldVolumes =
    [
        ("photonPersistentDisk", volume => volume.PhotonPersistentDisk, "deprecated in v1.11, non-functional in v1.16+"),
        ("gitRepo", volume => volume.GitRepo, "deprecated in v1.11"),
        ("scaleIO", volume => volume.ScaleIO, "deprecated in v1.16, non-functional in v1.22+"),
        ("flocker", volume => volume.Flocker, "deprecated in v1.22, non-functional in v1.25+"),
        ("storageOS", volume => volume.Storageos, "deprecated in v1.22, non-functional in v1.25+"),
        ("quobyte", volume => volume.Quobyte, "deprecated in v1.22, non-functional in v1.25+"),
        ("glusterfs", volume => volume.Glusterfs, "deprecated in v1.25, non-functional in v1.26+"),
        ("cephfs", volume => volume.Cephfs, "deprecated in v1.28, non-functional in v1.31+"),
        ("rbd", volume => volume.Rbd, "deprecated in v1.28, non-functional in v1.31+"),
    ];

    public static IEnumerable<string> Of(Pod pod) => Of(pod.Spec, pod.Metadata, FieldPath.Root);

    /// <param name="spec">Of a pod or of a template.</param>
    /// <param name="metadata">Beside it.</param>
    /// <param name="root">What holds them: the pod itself, or <c>spec.template</c>.</param>
    public static IEnumerable<string> Of(PodSpec spec, ObjectMeta metadata, FieldPath root)
    {
        var path = root.Child("spec");
        foreach (var warning in OldNames(spec, metadata, root, path))
            yield return warning;
        foreach (var warning in Repeated(spec.HostAliases, alias => alias.Ip, path.Child("hostAliases"), "ip"))
            yield return warning;
        foreach (var warning in Repeated(spec.ImagePullSecrets, secret => secret.Name, path.Child("imagePullSecrets"), "name"))
            yield return warning;
        for (var i = 0; i < spec.ImagePullSecrets.Count; i++)
        {
            if (spec.ImagePullSecrets[i].Name.Length == 0)
                yield return $"{path.Child("imagePullSecrets").Index(i).Child("name")}: invalid empty name \"\"";
        }
        foreach (var warning in FractionalBytes(spec.Overhead, path.Child("overhead")))
            yield return warning;
        foreach (var (container, at) in ContainerRules.Every(spec, path))
        {
            foreach (var warning in FractionalBytes(container.Resources.Limits, at.Child("resources").Child("limits")))
                yield return warning;
            foreach (var warning in FractionalBytes(container.Resources.Requests, at.Child("resources").Child("requests")))
                yield return warning;
            foreach (var warning in DuplicateVariables(container, at))
                yield return warning;
            foreach (var warning in DuplicatePorts(container, at))
                yield return warning;
        }
        for (var i = 0; i < spec.Tolerations.Count; i++)
        {
            if (spec.Tolerations[i].Key == "node-role.kubernetes.io/master")
                yield return $"{path.Child("tolerations").Index(i).Child("key")}: \"node-role.kubernetes.io/master\" is deprecated, use \"node-role.kubernetes.io/control-plane\" instead";
        }
        if (spec.TerminationGracePeriodSeconds < 0)
            yield return $"{path.Child("terminationGracePeriodSeconds")}: must be >= 0; negative values are invalid and will be treated as 1";
    }

    private static IEnumerable<string> OldNames(PodSpec spec, ObjectMeta metadata, FieldPath root, FieldPath path)
    {
        foreach (var (key, _) in spec.NodeSelector)
        {
            if (DeprecatedLabels.Replacement(key) is { } message)
                yield return $"{path.Child("nodeSelector").Key(key)}: {message}";
        }
        var affinity = path.Child("affinity").Child("nodeAffinity");
        var required = spec.Affinity?.NodeAffinity?.RequiredDuringSchedulingIgnoredDuringExecution?.NodeSelectorTerms ?? default;
        for (var i = 0; i < required.Count; i++)
        {
            foreach (var warning in OfTerm(required[i], affinity.Child("requiredDuringSchedulingIgnoredDuringExecution").Child("nodeSelectorTerms").Index(i)))
                yield return warning;
        }
        var preferred = spec.Affinity?.NodeAffinity?.PreferredDuringSchedulingIgnoredDuringExecution ?? default;
        for (var i = 0; i < preferred.Count; i++)
        {
            foreach (var warning in OfTerm(preferred[i].Preference, affinity.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i).Child("preference")))
                yield return warning;
        }
        for (var i = 0; i < spec.TopologySpreadConstraints.Count; i++)
        {
            var key = spec.TopologySpreadConstraints[i].TopologyKey;
            if (DeprecatedLabels.Replacement(key) is { } message)
                yield return $"{path.Child("topologySpreadConstraints").Index(i).Child("topologyKey")}: {key} is {message}";
        }
        foreach (var (key, message) in OldAnnotations)
        {
            if (metadata.Annotations.ContainsKey(key))
                yield return $"{root.Child("metadata").Child("annotations").Key(key)}: {message}";
        }
        for (var i = 0; i < spec.Volumes.Count; i++)
        {
            var at = path.Child("volumes").Index(i);
            foreach (var (field, source, message) in OldVolumes)
            {
                if (source(spec.Volumes[i]) is not null)
                    yield return $"{at.Child(field)}: {message}";
            }
            if (spec.Volumes[i].Ephemeral?.VolumeClaimTemplate is { } claim)
            {
                foreach (var warning in ClaimRules.Warnings(claim.Spec, at.Child("ephemeral").Child("volumeClaimTemplate").Child("spec")))
                    yield return warning;
            }
        }
    }

    private static IEnumerable<string> OfTerm(NodeSelectorTerm term, FieldPath path)
    {
        for (var i = 0; i < term.MatchExpressions.Count; i++)
        {
            var key = term.MatchExpressions[i].Key;
            if (DeprecatedLabels.Replacement(key) is { } message)
                yield return $"{path.Child("matchExpressions").Index(i).Child("key")}: {key} is {message}";
        }
    }

    private static IEnumerable<string> Repeated<T>(ApiList<T> items, Func<T, string> nameOf, FieldPath path, string field)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < items.Count; i++)
        {
            if (!seen.Add(nameOf(items[i])))
                yield return $"{path.Index(i).Child(field)}: duplicate {field} {FieldErrors.Quote(nameOf(items[i]))}";
        }
    }

    private static IEnumerable<string> FractionalBytes(ApiMap<Quantity> amounts, FieldPath path)
    {
        foreach (var name in CountedInBytes)
        {
            if (amounts.TryGetValue(name, out var amount) && IsFractional(amount))
                yield return $"{path.Key(name)}: fractional byte value {FieldErrors.Quote(amount.ToString())} is invalid, must be an integer";
        }
    }

    public static bool IsFractional(Quantity amount) => amount.Value != decimal.Truncate(amount.Value);

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
