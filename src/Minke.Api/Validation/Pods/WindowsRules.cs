using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a pod of the other operating system may not say.</summary>
internal static class WindowsRules
{
    public static void ValidateOs(PodSpec spec, FieldPath path, FieldErrors errors)
    {
        if (spec.Os is not { } os)
            return;
        if (os.Name.Length == 0)
            errors.Required(path.Child("os").Child("name"), "cannot be empty");
        else if (os.Name == OSName.Linux)
            ValidateLinux(spec, path, errors);
        else if (os.Name == OSName.Windows)
            ValidateWindows(spec, path, errors);
        else
            errors.NotSupported(path.Child("os"), os.Name, [OSName.Linux, OSName.Windows]);
    }

    public static void ValidateHostProcess(PodSpec spec, FieldPath path, FieldErrors errors)
    {
        var ofPod = spec.SecurityContext?.WindowsOptions?.HostProcess;
        var (all, host) = (0, 0);
        foreach (var (container, at) in ContainerRules.Every(spec, path))
        {
            all++;
            var own = container.SecurityContext?.WindowsOptions?.HostProcess;
            if (ofPod is { } pod && own is { } value && pod != value)
            {
                errors.Invalid(at.Child("securityContext").Child("windowsOptions").Child("hostProcess"), value,
                    $"pod hostProcess value must be identical if both are specified, was {(pod ? "true" : "false")}");
            }
            if (own ?? ofPod == true)
                host++;
        }
        if (host == 0)
            return;
        if (host != all)
            errors.Invalid(path, "", "If pod contains any hostProcess containers then all containers must be HostProcess containers");
        if (!spec.HostNetwork)
            errors.Invalid(path.Child("hostNetwork"), false, "hostNetwork must be true if pod contains any hostProcess containers");
    }

    private static void ValidateLinux(PodSpec spec, FieldPath path, FieldErrors errors)
    {
        const string why = "windows options cannot be set for a linux pod";
        if (spec.SecurityContext?.WindowsOptions is not null)
            errors.Forbidden(path.Child("securityContext").Child("windowsOptions"), why);
        foreach (var (container, at) in ContainerRules.Every(spec, path))
        {
            if (container.SecurityContext?.WindowsOptions is not null)
                errors.Forbidden(at.Child("securityContext").Child("windowsOptions"), why);
        }
    }

    private static void ValidateWindows(PodSpec spec, FieldPath path, FieldErrors errors)
    {
        void Refuse(bool isSet, FieldPath at)
        {
            if (isSet)
                errors.Forbidden(at, "cannot be set for a windows pod");
        }
        var (security, context) = (spec.SecurityContext ?? new(), path.Child("securityContext"));
        Refuse(security.AppArmorProfile is not null, context.Child("appArmorProfile"));
        Refuse(security.SeLinuxOptions is not null, context.Child("seLinuxOptions"));
        Refuse(spec.HostUsers is not null, path.Child("hostUsers"));
        Refuse(spec.HostPID, path.Child("hostPID"));
        Refuse(spec.HostIPC, path.Child("hostIPC"));
        Refuse(security.SeccompProfile is not null, context.Child("seccompProfile"));
        Refuse(security.FsGroup is not null, context.Child("fsGroup"));
        Refuse(security.FsGroupChangePolicy is not null, context.Child("fsGroupChangePolicy"));
        Refuse(!security.Sysctls.IsEmpty, context.Child("sysctls"));
        Refuse(spec.ShareProcessNamespace is not null, path.Child("shareProcessNamespace"));
        Refuse(security.RunAsUser is not null, context.Child("runAsUser"));
        Refuse(security.RunAsGroup is not null, context.Child("runAsGroup"));
        Refuse(!security.SupplementalGroups.IsEmpty, context.Child("supplementalGroups"));
        foreach (var (container, at) in ContainerRules.Every(spec, path))
        {
            if (container.SecurityContext is not { } own)
                continue;
            var of = at.Child("securityContext");
            Refuse(own.AppArmorProfile is not null, of.Child("appArmorProfile"));
            Refuse(own.SeLinuxOptions is not null, of.Child("seLinuxOptions"));
            Refuse(own.SeccompProfile is not null, of.Child("seccompProfile"));
            Refuse(own.Capabilities is not null, of.Child("capabilities"));
            Refuse(own.ReadOnlyRootFilesystem is not null, of.Child("readOnlyRootFilesystem"));
            Refuse(own.Privileged is not null, of.Child("privileged"));
            Refuse(own.AllowPrivilegeEscalation is not null, of.Child("allowPrivilegeEscalation"));
            Refuse(own.ProcMount is not null, of.Child("procMount"));
            Refuse(own.RunAsUser is not null, of.Child("runAsUser"));
            Refuse(own.RunAsGroup is not null, of.Child("runAsGroup"));
        }
    }
}
