using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Containers, init containers and ephemeral containers.</summary>
internal static class ContainerRules
{
    private static readonly string[] PullPolicies = [PullPolicy.Always, PullPolicy.IfNotPresent, PullPolicy.Never];
    public static readonly string[] Protocols = [Protocol.SCTP, Protocol.TCP, Protocol.UDP];
    private static readonly string[] MessagePolicies = [TerminationMessagePolicy.File, TerminationMessagePolicy.FallbackToLogsOnError];

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

    public static void ValidateAll(PodSpec spec, Dictionary<string, Volume> volumes, FieldPath path, FieldErrors errors, bool isTemplate)
    {
        var at = path.Child("containers");
        if (spec.Containers.IsEmpty)
            errors.Required(at);
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < spec.Containers.Count; i++)
        {
            var (container, index) = (spec.Containers[i], at.Index(i));
            Common(container, volumes, index, spec, errors);
            if (!names.Add(container.Name))
                errors.Duplicate(index.Child("name"), container.Name);
            ValidateHandlers(container, spec.TerminationGracePeriodSeconds, index, errors);
            if (container.RestartPolicy is not null)
                errors.Forbidden(index.Child("restartPolicy"), "may not be set for non-init containers");
        }
        HostPortConflicts(spec.Containers, at, errors);
        InitContainers(spec, volumes, path.Child("initContainers"), names, errors);
        EphemeralContainers(spec, volumes, path.Child("ephemeralContainers"), names, errors);
        if (spec.HostNetwork)
            HostPortsMatch(spec.Containers, at, errors, isTemplate);
    }

    /// <summary>Of a pod and not of a template, which has always been allowed it.</summary>
    public static void ValidateImagesOfPod(ApiList<Container> containers, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < containers.Count; i++)
            ValidateImageOfPod(containers[i].Image, path.Index(i).Child("image"), errors);
    }

    public static void ValidatePullPolicy(string policy, FieldPath path, FieldErrors errors)
    {
        if (policy.Length == 0)
            errors.Required(path);
        else if (!PullPolicies.Contains(policy))
            errors.NotSupported(path, policy, PullPolicies);
    }

    private static void ValidateImageOfPod(string image, FieldPath path, FieldErrors errors)
    {
        if (image.Trim().Length != image.Length)
            errors.Invalid(path, image, "must not have leading or trailing whitespace");
    }

    private static void ValidateHandlers(Container container, long? grace, FieldPath path, FieldErrors errors)
    {
        ProbeRules.ValidateLifecycle(container.Lifecycle, grace, path.Child("lifecycle"), errors);
        ProbeRules.ValidateLiveness(container.LivenessProbe, path.Child("livenessProbe"), errors);
        ProbeRules.ValidateReadiness(container.ReadinessProbe, path.Child("readinessProbe"), errors);
        ProbeRules.ValidateLiveness(container.StartupProbe, path.Child("startupProbe"), errors);
    }

    private static void InitContainers(PodSpec spec, Dictionary<string, Volume> volumes, FieldPath path, HashSet<string> names, FieldErrors errors)
    {
        for (var i = 0; i < spec.InitContainers.Count; i++)
        {
            var (container, at) = (spec.InitContainers[i], path.Index(i));
            Common(container, volumes, at, spec, errors);
            if (container.RestartPolicy is { } policy && policy != ContainerRestartPolicy.Always)
                errors.NotSupported(at.Child("restartPolicy"), policy, [ContainerRestartPolicy.Always]);
            if (names.Contains(container.Name))
                errors.Duplicate(at.Child("name"), container.Name);
            else if (container.Name.Length > 0)
                names.Add(container.Name);
            // Each runs alone, so each is checked alone; upstream's path then names the first.
            HostPortConflicts([container], path, errors);
            if (container.RestartPolicy == ContainerRestartPolicy.Always)
            {
                ValidateHandlers(container, spec.TerminationGracePeriodSeconds, at, errors);
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
            ValidateImageOfPod(container.Image, at.Child("image"), errors);
            if (!names.Add(container.Name))
                errors.Duplicate(at.Child("name"), container.Name);
            if (ephemeral.TargetContainerName.Length > 0 && !others.Contains(ephemeral.TargetContainerName))
                errors.NotFound(at.Child("targetContainerName"), ephemeral.TargetContainerName);
            void Refuse(bool isSet, string field)
            {
                if (isSet)
                    errors.Forbidden(at.Child(field), "cannot be set for an Ephemeral Container");
            }
            Refuse(!container.Ports.IsEmpty, "ports");
            Refuse(!container.Resources.Limits.IsNull || !container.Resources.Requests.IsNull || !container.Resources.Claims.IsNull, "resources");
            Refuse(!container.ResizePolicy.IsEmpty, "resizePolicy");
            Refuse(container.RestartPolicy is not null, "restartPolicy");
            Refuse(container.LivenessProbe is not null, "livenessProbe");
            Refuse(container.ReadinessProbe is not null, "readinessProbe");
            Refuse(container.StartupProbe is not null, "startupProbe");
            Refuse(container.Lifecycle is not null, "lifecycle");
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
        if (container.TerminationMessagePolicy.Length == 0)
            errors.Required(path.Child("terminationMessagePolicy"));
        else if (!MessagePolicies.Contains(container.TerminationMessagePolicy))
            errors.NotSupported(path.Child("terminationMessagePolicy"), container.TerminationMessagePolicy, MessagePolicies);

        ValidatePorts(container, path.Child("ports"), errors);
        EnvRules.Validate(container.Env, path.Child("env"), errors);
        EnvRules.ValidateFrom(container.EnvFrom, path.Child("envFrom"), errors);
        ValidateMounts(container, volumes, path.Child("volumeMounts"), errors);
        ValidateDevices(container, volumes, path.Child("volumeDevices"), errors);
        ValidatePullPolicy(container.ImagePullPolicy, path.Child("imagePullPolicy"), errors);
        ResourceRules.Validate(container.Resources, spec.ResourceClaims, path.Child("resources"), errors);
        SecurityRules.ValidateContainer(container.SecurityContext, path.Child("securityContext"), errors, spec.HostUsers != false);
    }

    private static void ValidatePorts(Container container, FieldPath path, FieldErrors errors)
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
        }
    }

    private static void HostPortConflicts(ApiList<Container> containers, FieldPath path, FieldErrors errors)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < containers.Count; i++)
        {
            for (var p = 0; p < containers[i].Ports.Count; p++)
            {
                var port = containers[i].Ports[p];
                var text = $"{port.Protocol}/{port.HostIP}/{PodRules.Number(port.HostPort)}";
                if (port.HostPort != 0 && !taken.Add(text))
                    errors.Duplicate(path.Index(i).Child("ports").Index(p).Child("hostPort"), text);
            }
        }
    }

    private static void HostPortsMatch(ApiList<Container> containers, FieldPath path, FieldErrors errors, bool isTemplate)
    {
        for (var i = 0; i < containers.Count; i++)
        {
            for (var p = 0; p < containers[i].Ports.Count; p++)
            {
                var port = containers[i].Ports[p];
                // A template's are filled in when its pods are made.
                if (port.HostPort != port.ContainerPortValue && !(isTemplate && port.HostPort == 0))
                    errors.Invalid(path.Index(i).Child("ports").Index(p).Child("hostPort"), port.HostPort, "must match `containerPort` when `hostNetwork` is true");
            }
        }
    }

    private static void ValidateMounts(Container container, Dictionary<string, Volume> volumes, FieldPath path, FieldErrors errors)
    {
        var places = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < container.VolumeMounts.Count; i++)
        {
            var (mount, at) = (container.VolumeMounts[i], path.Index(i));
            if (mount.Name.Length == 0)
                errors.Required(at.Child("name"));
            var volume = volumes.GetValueOrDefault(mount.Name);
            if (volume is null)
                errors.NotFound(at.Child("name"), mount.Name);
            if (mount.MountPath.Length == 0)
                errors.Required(at.Child("mountPath"));
            if (!places.Add(mount.MountPath))
                errors.Invalid(at.Child("mountPath"), mount.MountPath, "must be unique");
            if (container.VolumeDevices.Any(device => device.Name == mount.Name))
                errors.Invalid(at.Child("name"), mount.Name, "must not already exist in volumeDevices");
            if (container.VolumeDevices.Any(device => device.DevicePath == mount.MountPath))
                errors.Invalid(at.Child("mountPath"), mount.MountPath, "must not already exist as a path in volumeDevices");
            if (volume?.Image is not null)
            {
                if (mount.SubPath.Length > 0)
                    errors.Invalid(at.Child("subPath"), mount.SubPath, "not allowed in image volume sources");
                if (mount.SubPathExpr.Length > 0)
                    errors.Invalid(at.Child("subPathExpr"), mount.SubPathExpr, "not allowed in image volume sources");
            }
            // The paths of these four go without an index upstream.
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
                ValidateRecursive(recursive, mount, path.Child("recursiveReadOnly"), errors);
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
        var (names, places) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
        for (var i = 0; i < container.VolumeDevices.Count; i++)
        {
            var (device, at) = (container.VolumeDevices[i], path.Index(i));
            if (device.Name.Length == 0)
                errors.Required(at.Child("name"));
            else if (!names.Add(device.Name))
                errors.Invalid(at.Child("name"), device.Name, "must be unique");
            if (!volumes.TryGetValue(device.Name, out var volume))
                errors.NotFound(at.Child("name"), device.Name);
            else if (volume.PersistentVolumeClaim is null && volume.Ephemeral is null)
                errors.Invalid(at.Child("name"), device.Name, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode");
            if (device.DevicePath.Length == 0)
                errors.Required(at.Child("devicePath"));
            if (places.Contains(device.DevicePath))
                errors.Invalid(at.Child("devicePath"), device.DevicePath, "must be unique");
            if (device.DevicePath.Split('/').Contains(".."))
                errors.Invalid(at.Child("devicePath"), device.DevicePath, "can not contain backsteps ('..')");
            else
                places.Add(device.DevicePath);
            if (container.VolumeMounts.Any(mount => mount.Name == device.Name))
                errors.Invalid(at.Child("name"), device.Name, "must not already exist in volumeMounts");
            if (container.VolumeMounts.Any(mount => mount.MountPath == device.DevicePath))
                errors.Invalid(at.Child("devicePath"), device.DevicePath, "must not already exist as a path in volumeMounts");
        }
    }
}
