using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Containers, init containers and ephemeral containers.</summary>
internal static class ContainerRules
{
    private static readonly string[] PullPolicies = [PullPolicy.Always, PullPolicy.IfNotPresent, PullPolicy.Never];
    private static readonly string[] Protocols = [Protocol.SCTP, Protocol.TCP, Protocol.UDP];
    private static readonly string[] MessagePolicies = [TerminationMessagePolicy.FallbackToLogsOnError, TerminationMessagePolicy.File];

    /// <summary>Every container of a spec with its path: containers, init containers, ephemeral containers as such.</summary>
    public static IEnumerable<(Container Container, FieldPath Path)> Every(PodSpec spec, FieldPath path)
    {
        for (var i = 0; i < spec.InitContainers.Count; i++)
            yield return (spec.InitContainers[i], path.Child("initContainers").Index(i));
        for (var i = 0; i < spec.Containers.Count; i++)
            yield return (spec.Containers[i], path.Child("containers").Index(i));
        for (var i = 0; i < spec.EphemeralContainers.Count; i++)
            yield return (spec.EphemeralContainers[i].AsContainer(), path.Child("ephemeralContainers").Index(i));
    }

    public static void ValidateAll(PodSpec spec, Dictionary<string, Volume> volumes, long grace, FieldPath path, FieldErrors errors)
    {
        var at = path.Child("containers");
        if (spec.Containers.IsEmpty)
            errors.Required(at);
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < spec.Containers.Count; i++)
        {
            var (container, index) = (spec.Containers[i], at.Index(i));
            Common(container, volumes, index, spec, errors);
            if (container.Name.Length > 0 && !names.Add(container.Name))
                errors.Duplicate(index.Child("name"), container.Name);
            if (container.RestartPolicy is not null)
                errors.Forbidden(index.Child("restartPolicy"), "may not be set for non-init containers");
            ProbeRules.ValidateLifecycle(container.Lifecycle, grace, index.Child("lifecycle"), errors);
            ProbeRules.ValidateLiveness(container.LivenessProbe, grace, index.Child("livenessProbe"), errors);
            ProbeRules.ValidateReadiness(container.ReadinessProbe, index.Child("readinessProbe"), errors);
            ProbeRules.ValidateLiveness(container.StartupProbe, grace, index.Child("startupProbe"), errors);
        }
        HostPortConflicts(spec.Containers, at, errors);
        InitContainers(spec, volumes, grace, path.Child("initContainers"), names, errors);
        EphemeralContainers(spec, volumes, path.Child("ephemeralContainers"), names, errors);
    }

    public static void ValidatePullPolicy(string policy, FieldPath path, FieldErrors errors)
    {
        if (policy.Length == 0)
            errors.Required(path);
        else if (!PullPolicies.Contains(policy))
            errors.NotSupported(path, policy, PullPolicies);
    }

    private static void InitContainers(PodSpec spec, Dictionary<string, Volume> volumes, long grace, FieldPath path, HashSet<string> names, FieldErrors errors)
    {
        for (var i = 0; i < spec.InitContainers.Count; i++)
        {
            var (container, at) = (spec.InitContainers[i], path.Index(i));
            Common(container, volumes, at, spec, errors);
            if (container.RestartPolicy is { } policy && policy != ContainerRestartPolicy.Always)
                errors.NotSupported(at.Child("restartPolicy"), policy, [ContainerRestartPolicy.Always]);
            if (container.Name.Length > 0 && !names.Add(container.Name))
                errors.Duplicate(at.Child("name"), container.Name);
            HostPortConflicts([container], at, errors, isSingle: true);
            if (container.RestartPolicy == ContainerRestartPolicy.Always)
            {
                ProbeRules.ValidateLifecycle(container.Lifecycle, grace, at.Child("lifecycle"), errors);
                ProbeRules.ValidateLiveness(container.LivenessProbe, grace, at.Child("livenessProbe"), errors);
                ProbeRules.ValidateReadiness(container.ReadinessProbe, at.Child("readinessProbe"), errors);
                ProbeRules.ValidateLiveness(container.StartupProbe, grace, at.Child("startupProbe"), errors);
                continue;
            }
            const string why = "may not be set for init containers without restartPolicy=Always";
            if (container.Lifecycle is not null)
                errors.Forbidden(at.Child("lifecycle"), why);
            if (container.LivenessProbe is not null)
                errors.Forbidden(at.Child("livenessProbe"), why);
            if (container.ReadinessProbe is not null)
                errors.Forbidden(at.Child("readinessProbe"), why);
            if (container.StartupProbe is not null)
                errors.Forbidden(at.Child("startupProbe"), why);
        }
    }

    private static void EphemeralContainers(PodSpec spec, Dictionary<string, Volume> volumes, FieldPath path, HashSet<string> names, FieldErrors errors)
    {
        var others = spec.Containers.Concat(spec.InitContainers).Select(container => container.Name).ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < spec.EphemeralContainers.Count; i++)
        {
            var (ephemeral, at) = (spec.EphemeralContainers[i], path.Index(i));
            var container = ephemeral.AsContainer();
            Common(container, volumes, at, spec, errors);
            if (container.Name.Length > 0 && !names.Add(container.Name))
                errors.Duplicate(at.Child("name"), container.Name);
            if (ephemeral.TargetContainerName.Length > 0 && !others.Contains(ephemeral.TargetContainerName))
                errors.NotFound(at.Child("targetContainerName"), ephemeral.TargetContainerName);
            void Refuse(bool isSet, string field)
            {
                if (isSet)
                    errors.Forbidden(at.Child(field), "cannot be set for an Ephemeral Container");
            }
            Refuse(!container.Ports.IsEmpty, "ports");
            Refuse(container.LivenessProbe is not null, "livenessProbe");
            Refuse(container.ReadinessProbe is not null, "readinessProbe");
            Refuse(container.StartupProbe is not null, "startupProbe");
            Refuse(container.Lifecycle is not null, "lifecycle");
            Refuse(!container.Resources.Limits.IsEmpty || !container.Resources.Requests.IsEmpty, "resources");
            Refuse(container.RestartPolicy is not null, "restartPolicy");
            for (var m = 0; m < container.VolumeMounts.Count; m++)
            {
                if (container.VolumeMounts[m].SubPath.Length > 0)
                    errors.Forbidden(at.Child("volumeMounts").Index(m).Child("subPath"), "cannot be set for an Ephemeral Container");
                if (container.VolumeMounts[m].SubPathExpr.Length > 0)
                    errors.Forbidden(at.Child("volumeMounts").Index(m).Child("subPathExpr"), "cannot be set for an Ephemeral Container");
            }
        }
    }

    private static void Common(Container container, Dictionary<string, Volume> volumes, FieldPath path, PodSpec spec, FieldErrors errors)
    {
        if (container.Name.Length == 0)
            errors.Required(path.Child("name"));
        else
            PodRules.Each(Names.Dns1123Label(container.Name), path.Child("name"), container.Name, errors);
        if (container.Image.Length == 0)
            errors.Required(path.Child("image"));
        else if (container.Image.Trim() != container.Image)
            errors.Invalid(path.Child("image"), container.Image, "must not have leading or trailing whitespace");
        if (container.TerminationMessagePolicy.Length == 0)
            errors.Required(path.Child("terminationMessagePolicy"));
        else if (!MessagePolicies.Contains(container.TerminationMessagePolicy))
            errors.NotSupported(path.Child("terminationMessagePolicy"), container.TerminationMessagePolicy, MessagePolicies);

        ValidatePorts(container, path.Child("ports"), spec.HostNetwork, errors);
        EnvRules.Validate(container.Env, path.Child("env"), errors);
        EnvRules.ValidateFrom(container.EnvFrom, path.Child("envFrom"), errors);
        ValidateMounts(container, volumes, path.Child("volumeMounts"), errors);
        ValidateDevices(container, volumes, path.Child("volumeDevices"), errors);
        ValidatePullPolicy(container.ImagePullPolicy, path.Child("imagePullPolicy"), errors);
        ResourceRules.Validate(container.Resources, path.Child("resources"), errors);
        SecurityRules.ValidateContainer(container.SecurityContext, path.Child("securityContext"), errors, spec.HostUsers != false);
    }

    private static void ValidatePorts(Container container, FieldPath path, bool hostNetwork, FieldErrors errors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < container.Ports.Count; i++)
        {
            var (port, at) = (container.Ports[i], path.Index(i));
            if (port.Name.Length > 0)
            {
                var wrong = Names.PortName(port.Name).ToList();
                PodRules.Each(wrong, at.Child("name"), port.Name, errors);
                if (wrong.Count == 0 && !names.Add(port.Name))
                    errors.Duplicate(at.Child("name"), port.Name);
            }
            if (port.ContainerPortValue == 0)
                errors.Required(at.Child("containerPort"));
            else
                PodRules.Each(Names.PortNumber(port.ContainerPortValue), at.Child("containerPort"), port.ContainerPortValue, errors);
            if (port.HostPort != 0)
                PodRules.Each(Names.PortNumber(port.HostPort), at.Child("hostPort"), port.HostPort, errors);
            if (port.Protocol.Length == 0)
                errors.Required(at.Child("protocol"));
            else if (!Protocols.Contains(port.Protocol))
                errors.NotSupported(at.Child("protocol"), port.Protocol, Protocols);
            if (hostNetwork && port.HostPort != port.ContainerPortValue)
                errors.Invalid(at.Child("containerPort"), port.ContainerPortValue, "must match `hostPort` when `hostNetwork` is true");
        }
    }

    private static void HostPortConflicts(ApiList<Container> containers, FieldPath path, FieldErrors errors, bool isSingle = false)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < containers.Count; i++)
        {
            var at = isSingle ? path : path.Index(i);
            for (var p = 0; p < containers[i].Ports.Count; p++)
            {
                var port = containers[i].Ports[p];
                var text = $"{port.Protocol}/{port.HostIP}/{PodRules.Number(port.HostPort)}";
                if (port.HostPort != 0 && !taken.Add(text))
                    errors.Duplicate(at.Child("ports").Index(p).Child("hostPort"), text);
            }
        }
    }

    private static void ValidateMounts(Container container, Dictionary<string, Volume> volumes, FieldPath path, FieldErrors errors)
    {
        var places = new HashSet<string>(StringComparer.Ordinal);
        var devices = container.VolumeDevices.ToDictionarySafe(device => device.Name);
        for (var i = 0; i < container.VolumeMounts.Count; i++)
        {
            var (mount, at) = (container.VolumeMounts[i], path.Index(i));
            if (mount.Name.Length == 0)
                errors.Required(at.Child("name"));
            else if (!volumes.ContainsKey(mount.Name))
                errors.NotFound(at.Child("name"), mount.Name);
            if (mount.MountPath.Length == 0)
                errors.Required(at.Child("mountPath"));
            if (!places.Add(mount.MountPath))
                errors.Invalid(at.Child("mountPath"), mount.MountPath, "must be unique");
            if (devices.ContainsKey(mount.Name))
                errors.Invalid(at.Child("name"), mount.Name, "must not already exist in volumeDevices");
            if (mount.SubPath.Length > 0)
                VolumeRules.ValidateLocalDescendingPath(mount.SubPath, path.Child("subPath"), errors);
            if (mount.SubPathExpr.Length > 0)
            {
                if (mount.SubPath.Length > 0)
                    errors.Invalid(at.Child("subPathExpr"), mount.SubPathExpr, "subPathExpr and subPath are mutually exclusive");
                VolumeRules.ValidateLocalDescendingPath(mount.SubPathExpr, path.Child("subPathExpr"), errors);
            }
            ValidatePropagation(mount, container, path.Child("mountPropagation"), errors);
            if (mount.RecursiveReadOnly is { } recursive)
                ValidateRecursive(recursive, mount, at.Child("recursiveReadOnly"), errors);
        }
    }

    private static void ValidatePropagation(VolumeMount mount, Container container, FieldPath path, FieldErrors errors)
    {
        if (mount.MountPropagation is not { } mode)
            return;
        string[] supported = [MountPropagationMode.Bidirectional, MountPropagationMode.HostToContainer, MountPropagationMode.None];
        if (!supported.Contains(mode))
            errors.NotSupported(path, mode, supported);
        if (mode == MountPropagationMode.Bidirectional && container.SecurityContext?.Privileged != true)
            errors.Forbidden(path, "Bidirectional mount propagation is available only to privileged containers");
    }

    private static void ValidateRecursive(string recursive, VolumeMount mount, FieldPath path, FieldErrors errors)
    {
        switch (recursive)
        {
            case RecursiveReadOnlyMode.Disabled:
                break;
            case RecursiveReadOnlyMode.Enabled or RecursiveReadOnlyMode.IfPossible:
                if (!mount.ReadOnly)
                    errors.Forbidden(path, "may only be specified when readOnly is true");
                if (mount.MountPropagation is not (null or MountPropagationMode.None))
                    errors.Forbidden(path, "may only be specified when mountPropagation is None or not specified");
                break;
            default:
                errors.NotSupported(path, recursive, [RecursiveReadOnlyMode.Disabled, RecursiveReadOnlyMode.Enabled, RecursiveReadOnlyMode.IfPossible]);
                break;
        }
    }

    private static void ValidateDevices(Container container, Dictionary<string, Volume> volumes, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < container.VolumeDevices.Count; i++)
        {
            var (device, at) = (container.VolumeDevices[i], path.Index(i));
            if (device.Name.Length == 0)
                errors.Required(at.Child("name"));
            else if (!volumes.TryGetValue(device.Name, out var volume))
                errors.NotFound(at.Child("name"), device.Name);
            else if (volume.PersistentVolumeClaim is null && volume.Ephemeral is null)
                errors.Invalid(at.Child("name"), device.Name, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode");
            if (device.DevicePath.Length == 0)
                errors.Required(at.Child("devicePath"));
            else if (device.DevicePath.Split('/').Contains(".."))
                errors.Invalid(at.Child("devicePath"), device.DevicePath, "can not contain backsteps ('..')");
        }
    }

    private static Dictionary<string, T> ToDictionarySafe<T>(this ApiList<T> items, Func<T, string> key)
    {
        var result = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach (var item in items)
            result.TryAdd(key(item), item);
        return result;
    }
}
