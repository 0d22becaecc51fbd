using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What of a pod may change after create. (ValidatePodUpdate, ValidatePodStatusUpdate, ValidatePodEphemeralContainersUpdate)</summary>
internal static class PodUpdateRules
{
    public static void Validate(Pod pod, Pod old, FieldErrors errors)
    {
        ObjectMetaRules.ValidateUpdate(pod.Metadata, old.Metadata, errors);
        PodRules.ValidateMetadataAndSpec(pod, errors);
        PodAnnotationRules.ValidateUpdate(pod, old, errors);
        FieldPath path = "spec";
        if (!HaveSameCount(pod.Spec.Containers, old.Spec.Containers, path.Child("containers"), errors)
            || !HaveSameCount(pod.Spec.InitContainers, old.Spec.InitContainers, path.Child("initContainers"), errors)
            || !ValidateDeadline(pod, old, path.Child("activeDeadlineSeconds"), errors))
            return;
        ValidateTolerations(pod, old, path.Child("tolerations"), errors);
        ValidateGates(pod, old, path.Child("schedulingGates"), errors);

        // What may change is set to what it was; anything that still differs may not.
        var copy = pod.Spec with
        {
            Containers = pod.Spec.Containers.Zip(old.Spec.Containers, (now, then) => now with { Image = then.Image }).ToApiList(),
            InitContainers = pod.Spec.InitContainers.Zip(old.Spec.InitContainers, (now, then) => now with { Image = then.Image }).ToApiList(),
            ActiveDeadlineSeconds = old.Spec.ActiveDeadlineSeconds,
            Tolerations = old.Spec.Tolerations,
            SchedulingGates = old.Spec.SchedulingGates,
            TerminationGracePeriodSeconds = old.Spec.TerminationGracePeriodSeconds < 0 && pod.Spec.TerminationGracePeriodSeconds == 1
                ? old.Spec.TerminationGracePeriodSeconds : pod.Spec.TerminationGracePeriodSeconds,
        };
        if (!old.Spec.SchedulingGates.IsEmpty)
        {
            ValidateNodeSelector(pod, old, path.Child("nodeSelector"), errors);
            copy = copy with { NodeSelector = old.Spec.NodeSelector, Affinity = WithNodeAffinity(copy.Affinity, old.Spec.Affinity) };
        }
        if (!Json.Same(copy, old.Spec))
        {
            errors.Forbidden(path, "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
                + "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
                + "(allow it to be set to 1 if it was previously negative)\n" + Difference(old.Spec, copy));
        }
    }

    public static void ValidateStatus(Pod pod, Pod old, FieldErrors errors)
    {
        ObjectMetaRules.ValidateUpdate(pod.Metadata, old.Metadata, errors);
        PodAnnotationRules.ValidateUpdate(pod, old, errors);
        for (var i = 0; i < pod.Status.Conditions.Count; i++)
        {
            // The odd path is upstream's.
            var type = pod.Status.Conditions[i].Type;
            PodRules.Each(Names.QualifiedName(type), new FieldPath("metadata.conditions").Index(i).Child("Type"), type, errors);
        }
        if (old.Status.NominatedNodeName != pod.Status.NominatedNodeName && pod.Status.NominatedNodeName.Length > 0)
            PodRules.Each(Names.Dns1123Subdomain(pod.Status.NominatedNodeName), "status.nominatedNodeName", pod.Status.NominatedNodeName, errors);
        if (pod.Status.QosClass != old.Status.QosClass)
            errors.Invalid("status.qosClass", pod.Status.QosClass, "field is immutable");
        ValidateTransitions(pod.Status.ContainerStatuses, old.Status.ContainerStatuses, old.Spec.RestartPolicy, "status.containerStatuses", errors);
        ValidateTransitions(pod.Status.InitContainerStatuses, old.Status.InitContainerStatuses, old.Spec.RestartPolicy, "status.initContainerStatuses", errors,
            name => old.Spec.InitContainers.Any(container => container.Name == name && container.RestartPolicy == ContainerRestartPolicy.Always));
        ValidateTransitions(pod.Status.EphemeralContainerStatuses, old.Status.EphemeralContainerStatuses, RestartPolicy.Never, "status.ephemeralContainerStatuses", errors);
        ValidateIps(pod.Status.PodIPs.Select(ip => ip.Ip).ToList(), "status.podIPs", errors);
        if (!pod.Status.HostIPs.IsEmpty)
        {
            if (pod.Status.HostIP != pod.Status.HostIPs[0].Ip)
                errors.Invalid("status.hostIPs[0].ip", pod.Status.HostIPs[0].Ip, "must be equal to `hostIP`");
            ValidateIps(pod.Status.HostIPs.Select(ip => ip.Ip).ToList(), "status.hostIPs", errors);
        }
    }

    public static void ValidateEphemeralContainers(Pod pod, Pod old, FieldErrors errors)
    {
        if (old.Metadata.Annotations.ContainsKey(PodAnnotationRules.MirrorPod))
        {
            errors.Forbidden("[]", "static pods do not support ephemeral containers");
            return;
        }
        ObjectMetaRules.ValidateUpdate(pod.Metadata, old.Metadata, errors);
        PodRules.ValidateMetadataAndSpec(pod, errors);
        PodAnnotationRules.ValidateUpdate(pod, old, errors);
        FieldPath path = "spec.ephemeralContainers";
        foreach (var then in old.Spec.EphemeralContainers)
        {
            var index = pod.Spec.EphemeralContainers.ToList().FindIndex(now => now.Name == then.Name);
            if (index < 0)
                errors.Forbidden(path, $"existing ephemeral containers {FieldErrors.Quote(then.Name)} may not be removed\n");
            else if (!Json.Same(pod.Spec.EphemeralContainers[index], then))
                errors.Forbidden(path, $"existing ephemeral containers {FieldErrors.Quote(then.Name)} may not be changed\n{Difference(then, pod.Spec.EphemeralContainers[index])}");
        }
    }

    private static bool HaveSameCount(ApiList<Container> now, ApiList<Container> then, FieldPath path, FieldErrors errors)
    {
        if (now.Count == then.Count)
            return true;
        errors.Forbidden(path, "pod updates may not add or remove containers");
        return false;
    }

    /// <summary>False where upstream looks no further.</summary>
    private static bool ValidateDeadline(Pod pod, Pod old, FieldPath path, FieldErrors errors)
    {
        if (pod.Spec.ActiveDeadlineSeconds is not { } now)
        {
            if (old.Spec.ActiveDeadlineSeconds is not null)
                errors.Invalid(path, null, "must not update from a positive integer to nil value");
            return true;
        }
        if (now is < 0 or > int.MaxValue)
            errors.Invalid(path, now, "must be between 0 and 2147483647, inclusive");
        else if (old.Spec.ActiveDeadlineSeconds is { } then && then < now)
            errors.Invalid(path, now, "must be less than or equal to previous value");
        else
            return true;
        return false;
    }

    private static void ValidateNodeSelector(Pod pod, Pod old, FieldPath path, FieldErrors errors)
    {
        var now = pod.Spec.NodeSelector;
        if (old.Spec.NodeSelector.Any(pair => !now.TryGetValue(pair.Key, out var value) || value != pair.Value))
            errors.Invalid(path, now, "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
    }

    private static Affinity? WithNodeAffinity(Affinity? now, Affinity? then) =>
        now is null && then?.NodeAffinity is null ? now
        : then is null && now is { PodAffinity: null, PodAntiAffinity: null } ? null
        : (now ?? new()) with { NodeAffinity = then?.NodeAffinity };

    private static void ValidateIps(List<string> ips, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < ips.Count; i++)
            PodRules.ValidateIp(ips[i], path.Index(i), errors);
        if (ips.Count < 2)
            return;
        if (ips.Count > 2 || ips[0].Contains(':', StringComparison.Ordinal) == ips[1].Contains(':', StringComparison.Ordinal))
            errors.Invalid(path, ips, "may specify no more than one IP for each IP family");
        for (var i = 1; i < ips.Count; i++)
        {
            if (ips.IndexOf(ips[i]) < i)
                errors.Duplicate(path.Index(i), ips[i]);
        }
    }

    private static void ValidateTolerations(Pod pod, Pod old, FieldPath path, FieldErrors errors)
    {
        // Only tolerationSeconds of NoExecute may change; anything else may only be added.
        foreach (var then in old.Spec.Tolerations)
        {
            if (!pod.Spec.Tolerations.Any(now => now.Key == then.Key && now.Operator == then.Operator && now.Value == then.Value && now.Effect == then.Effect))
            {
                errors.Forbidden(path, "existing toleration can not be modified except its tolerationSeconds");
                return;
            }
        }
    }

    private static void ValidateGates(Pod pod, Pod old, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < pod.Spec.SchedulingGates.Count; i++)
        {
            var name = pod.Spec.SchedulingGates[i].Name;
            if (!old.Spec.SchedulingGates.Any(then => then.Name == name))
                errors.Forbidden(path.Index(i).Child("name"), $"only deletion is allowed, but found new scheduling gate '{name}'");
        }
    }

    private static void ValidateTransitions(
        ApiList<ContainerStatus> now, ApiList<ContainerStatus> then, string restartPolicy, FieldPath path, FieldErrors errors, Func<string, bool>? mayRestart = null)
    {
        if (restartPolicy == RestartPolicy.Always)
            return;
        for (var i = 0; i < then.Count; i++)
        {
            // What must not restart stays terminated.
            if (then[i].State.Terminated is not { } terminated || (terminated.ExitCode != 0 && restartPolicy == RestartPolicy.OnFailure)
                || mayRestart?.Invoke(then[i].Name) == true)
                continue;
            foreach (var status in now)
            {
                if (status.Name == then[i].Name && status.State.Terminated is null)
                    errors.Forbidden(path.Index(i).Child("state"), "may not be transitioned to non-terminated state");
            }
        }
    }

    /// <summary>The lines that differ, old with "-" and new with "+", as upstream shows them (there with Go's field names).</summary>
    public static string Difference(IJsonWritable then, IJsonWritable now)
    {
        var before = System.Text.Json.Nodes.JsonNode.Parse(Json.Write(then))!.AsObject();
        var after = System.Text.Json.Nodes.JsonNode.Parse(Json.Write(now))!.AsObject();
        var lines = new List<string>();
        foreach (var key in before.Select(pair => pair.Key).Union(after.Select(pair => pair.Key)))
        {
            var (a, b) = (before[key], after[key]);
            if (System.Text.Json.Nodes.JsonNode.DeepEquals(a, b))
                continue;
            if (a is not null)
                lines.Add($"-\t{key}: {a.ToJsonString()},");
            if (b is not null)
                lines.Add($"+\t{key}: {b.ToJsonString()},");
        }
        return string.Join('\n', lines) + "\n";
    }
}
