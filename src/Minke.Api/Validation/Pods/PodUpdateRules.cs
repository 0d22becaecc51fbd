using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What of a pod may change after create. (ValidatePodUpdate, ValidatePodStatusUpdate, ValidatePodEphemeralContainersUpdate)</summary>
internal static class PodUpdateRules
{
    public static void Validate(Pod pod, Pod old, FieldErrors errors)
    {
        ObjectMetaRules.ValidateUpdate(pod.Metadata, old.Metadata, errors);
        PodRules.ValidateSpec(pod.Spec, pod.Metadata, "spec", errors, isTemplate: false);
        FieldPath path = "spec";
        if (pod.Spec.Containers.Count != old.Spec.Containers.Count)
        {
            errors.Forbidden(path.Child("containers"), "pod updates may not add or remove containers");
            return;
        }
        if (pod.Spec.InitContainers.Count != old.Spec.InitContainers.Count)
        {
            errors.Forbidden(path.Child("initContainers"), "pod updates may not add or remove containers");
            return;
        }
        for (var i = 0; i < pod.Spec.Containers.Count; i++)
        {
            if (pod.Spec.Containers[i].Image.Trim().Length == 0)
                errors.Required(path.Child("containers").Index(i).Child("image"));
        }
        ValidateDeadline(pod, old, path.Child("activeDeadlineSeconds"), errors);
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
            copy = copy with { NodeSelector = WithAdditions(copy.NodeSelector, old.Spec.NodeSelector), Affinity = old.Spec.Affinity };
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
        if (old.Status.NominatedNodeName != pod.Status.NominatedNodeName && pod.Status.NominatedNodeName.Length > 0)
            PodRules.Each(Names.Dns1123Subdomain(pod.Status.NominatedNodeName), "status.nominatedNodeName", pod.Status.NominatedNodeName, errors);
        ValidateTransitions(pod.Status.ContainerStatuses, old.Status.ContainerStatuses, old, "status.containerStatuses", errors);
        if (old.Status.QosClass.Length > 0 && pod.Status.QosClass != old.Status.QosClass)
            errors.Invalid("status.qosClass", pod.Status.QosClass, "field is immutable");
        for (var i = 0; i < pod.Status.PodIPs.Count; i++)
            PodRules.ValidateIp(pod.Status.PodIPs[i].Ip, new FieldPath("status.podIPs").Index(i), errors);
    }

    public static void ValidateEphemeralContainers(Pod pod, Pod old, FieldErrors errors)
    {
        ObjectMetaRules.ValidateUpdate(pod.Metadata, old.Metadata, errors);
        PodRules.ValidateSpec(pod.Spec, pod.Metadata, "spec", errors, isTemplate: false);
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

    private static void ValidateDeadline(Pod pod, Pod old, FieldPath path, FieldErrors errors)
    {
        if (pod.Spec.ActiveDeadlineSeconds is { } now)
        {
            if (now is < 0 or > int.MaxValue)
                errors.Invalid(path, now, "must be between 0 and 2147483647, inclusive");
            else if (old.Spec.ActiveDeadlineSeconds is { } then && then < now)
                errors.Invalid(path, now, "must be less than or equal to previous value");
        }
        else if (old.Spec.ActiveDeadlineSeconds is not null)
        {
            errors.Invalid(path, null, "must not update from a positive integer to nil value");
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
        foreach (var gate in pod.Spec.SchedulingGates)
        {
            if (!old.Spec.SchedulingGates.Any(then => then.Name == gate.Name))
            {
                errors.Forbidden(path, "only deletion is allowed, but found new scheduling gate '" + gate.Name + "'");
                return;
            }
        }
    }

    private static ApiMap<string> WithAdditions(ApiMap<string> now, ApiMap<string> then) =>
        then.All(pair => now.TryGetValue(pair.Key, out var value) && value == pair.Value) ? then : now;

    private static void ValidateTransitions(ApiList<ContainerStatus> now, ApiList<ContainerStatus> then, Pod old, FieldPath path, FieldErrors errors)
    {
        if (old.Spec.RestartPolicy == RestartPolicy.Always)
            return;
        for (var i = 0; i < then.Count; i++)
        {
            // What must not restart stays terminated.
            if (then[i].State.Terminated is not { } terminated || (terminated.ExitCode != 0 && old.Spec.RestartPolicy == RestartPolicy.OnFailure))
                continue;
            foreach (var status in now)
            {
                if (status.Name == then[i].Name && status.State.Terminated is null)
                    errors.Forbidden(path.Index(i).Child("state"), "may not be transitioned to non-terminated state");
            }
        }
    }

    /// <summary>The lines that differ, old with "-" and new with "+", as upstream shows them (there with Go's field names).</summary>
    private static string Difference(IJsonWritable then, IJsonWritable now)
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
