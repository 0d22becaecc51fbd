using System.Globalization;
using Minke.Api;
using Minke.Api.Core.V1;
using static Minke.Server.Admission.PodSecurity.Phrases;
using static Minke.Server.Admission.PodSecurity.SecurityChecks;

namespace Minke.Server.Admission.PodSecurity;

/// <summary>Baseline: nothing that is known to lead out of a container.</summary>
internal static class BaselineChecks
{
    private const string AppArmorAnnotation = "container.apparmor.security.beta.kubernetes.io/";

    private static readonly HashSet<string> DefaultCapabilities =
    [
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    ];

    /// <summary>Names, and the minor release that first allowed each.</summary>
    private static readonly Dictionary<string, int> SafeSysctls = new(StringComparer.Ordinal)
    {
        ["kernel.shm_rmid_forced"] = 0,
        ["net.ipv4.ip_local_port_range"] = 0,
        ["net.ipv4.tcp_syncookies"] = 0,
        ["net.ipv4.ping_group_range"] = 0,
        ["net.ipv4.ip_unprivileged_port_start"] = 0,
        ["net.ipv4.ip_local_reserved_ports"] = 27,
        ["net.ipv4.tcp_keepalive_time"] = 29,
        ["net.ipv4.tcp_fin_timeout"] = 29,
        ["net.ipv4.tcp_keepalive_intvl"] = 29,
        ["net.ipv4.tcp_keepalive_probes"] = 29,
        ["net.ipv4.tcp_rmem"] = 32,
        ["net.ipv4.tcp_wmem"] = 32,
    };

    public static Violation? AppArmor(Subject subject)
    {
        static bool IsForbidden(AppArmorProfile? profile) => profile is not null && profile.Type is not ("RuntimeDefault" or "Localhost");
        var values = new SortedSet<string>(StringComparer.Ordinal);
        var isPod = IsForbidden(subject.Spec.SecurityContext?.AppArmorProfile);
        if (isPod)
            values.Add(subject.Spec.SecurityContext!.AppArmorProfile!.Type);
        var containers = new List<string>();
        foreach (var container in subject.Containers.Where(one => IsForbidden(one.Security?.AppArmorProfile)))
        {
            containers.Add(container.Name);
            values.Add(container.Security!.AppArmorProfile!.Type);
        }
        var annotations = subject.Metadata.Annotations
            .Where(pair => pair.Key.StartsWith(AppArmorAnnotation, StringComparison.Ordinal)
                && !(pair.Value is "" or "runtime/default" || pair.Value.StartsWith("localhost/", StringComparison.Ordinal)))
            .Select(pair => $"{pair.Key}={FieldErrors.Quote(pair.Value)}").Order(StringComparer.Ordinal).ToList();
        var setters = new List<string>();
        if (isPod)
            setters.Add("pod");
        if (containers.Count > 0)
            setters.Add(Containers(containers));
        if (annotations.Count > 0)
            setters.Add(Plural(annotations.Count, "annotation", "annotations"));
        List<string> bad = [.. values, .. annotations];
        return setters.Count == 0 ? null : new(
            Plural(bad.Count, "forbidden AppArmor profile", "forbidden AppArmor profiles"),
            $"{string.Join(" and ", setters)} must not set AppArmor profile type to {Quoted(bad)}");
    }

    public static Violation? Capabilities(Subject subject)
    {
        var (containers, bad) = Added(subject, DefaultCapabilities.Contains);
        return containers.Count == 0 ? null
            : new("non-default capabilities", $"{Containers(containers)} must not include {Quoted(bad)} in securityContext.capabilities.add");
    }

    public static Violation? HostNamespaces(Subject subject)
    {
        var used = new List<string>();
        if (subject.Spec.HostNetwork)
            used.Add("hostNetwork=true");
        if (subject.Spec.HostPID)
            used.Add("hostPID=true");
        if (subject.Spec.HostIPC)
            used.Add("hostIPC=true");
        return used.Count == 0 ? null : new("host namespaces", string.Join(", ", used));
    }

    public static Violation? HostPaths(Subject subject)
    {
        var volumes = subject.Spec.Volumes.Where(volume => volume.HostPath is not null).Select(volume => volume.Name).ToList();
        return volumes.Count == 0 ? null : new("hostPath volumes", $"{Plural(volumes.Count, "volume", "volumes")} {Quoted(volumes)}");
    }

    public static Violation? HostPorts(Subject subject)
    {
        var containers = subject.Containers.Where(one => one.Ports.Any(port => port.HostPort != 0)).Select(one => one.Name).ToList();
        var ports = subject.Containers.SelectMany(one => one.Ports).Where(port => port.HostPort != 0)
            .Select(port => port.HostPort.ToString(CultureInfo.InvariantCulture)).Distinct().Order(StringComparer.Ordinal).ToList();
        return containers.Count == 0 ? null : new("hostPort",
            $"{Containers(containers)} {Plural(containers.Count, "uses", "use")} {Plural(ports.Count, "hostPort", "hostPorts")} {string.Join(", ", ports)}");
    }

    public static Violation? Privileged(Subject subject)
    {
        var containers = subject.Containers.Where(one => one.Security?.Privileged == true).Select(one => one.Name).ToList();
        return containers.Count == 0 ? null : new("privileged", $"{Containers(containers)} must not set securityContext.privileged=true");
    }

    public static Violation? ProcMount(Subject subject)
    {
        var bad = subject.Containers.Where(one => one.Security?.ProcMount is not (null or "Default")).ToList();
        return bad.Count == 0 ? null : new("procMount",
            $"{Containers([.. bad.Select(one => one.Name)])} must not set securityContext.procMount to {Quoted(bad.Select(one => one.Security!.ProcMount!).Distinct().Order(StringComparer.Ordinal))}");
    }

    public static Violation? SELinux(Subject subject, int minor)
    {
        var types = new SortedSet<string>(StringComparer.Ordinal);
        var (setsUser, setsRole) = (false, false);
        bool IsForbidden(SELinuxOptions? options)
        {
            if (options is null)
                return false;
            var isType = options.Type is not ("" or "container_t" or "container_init_t" or "container_kvm_t") && !(minor >= 31 && options.Type == "container_engine_t");
            if (isType)
                types.Add(options.Type);
            setsUser |= options.User.Length > 0;
            setsRole |= options.Role.Length > 0;
            return isType || options.User.Length > 0 || options.Role.Length > 0;
        }
        var isPod = IsForbidden(subject.Spec.SecurityContext?.SeLinuxOptions);
        var containers = subject.Containers.Where(one => IsForbidden(one.Security?.SeLinuxOptions)).Select(one => one.Name).ToList();
        if (!isPod && containers.Count == 0)
            return null;
        var what = new List<string>();
        if (types.Count > 0)
            what.Add($"{Plural(types.Count, "type", "types")} {Quoted(types)}");
        if (setsUser)
            what.Add("user may not be set");
        if (setsRole)
            what.Add("role may not be set");
        return new("seLinuxOptions", $"{Setters(isPod, containers)} set forbidden securityContext.seLinuxOptions: {string.Join("; ", what)}");
    }

    public static Violation? Seccomp(Subject subject)
    {
        var values = new SortedSet<string>(StringComparer.Ordinal);
        var isPod = IsForbidden(subject.Spec.SecurityContext?.SeccompProfile, values);
        var containers = subject.Containers.Where(one => IsForbidden(one.Security?.SeccompProfile, values)).Select(one => one.Name).ToList();
        return Setters(isPod, containers) is not { Length: > 0 } setters ? null
            : new("seccompProfile", $"{setters} must not set securityContext.seccompProfile.type to {Quoted(values)}");
    }

    public static Violation? Sysctls(Subject subject, int minor)
    {
        var bad = (subject.Spec.SecurityContext?.Sysctls ?? default).Select(one => one.Name)
            .Where(name => !(SafeSysctls.TryGetValue(name, out var since) && since <= minor)).ToList();
        return bad.Count == 0 ? null : new("forbidden sysctls", string.Join(", ", bad));
    }

    public static Violation? WindowsHostProcess(Subject subject)
    {
        var isPod = subject.Spec.SecurityContext?.WindowsOptions?.HostProcess == true;
        var containers = subject.Containers.Where(one => one.Security?.WindowsOptions?.HostProcess == true).Select(one => one.Name).ToList();
        return Setters(isPod, containers) is not { Length: > 0 } setters ? null
            : new("hostProcess", $"{setters} must not set securityContext.windowsOptions.hostProcess=true");
    }

    /// <summary>Set, and to something else than a profile. Its type goes into <paramref name="values"/>.</summary>
    internal static bool IsForbidden(SeccompProfile? profile, SortedSet<string> values)
    {
        if (profile is null || profile.Type is "RuntimeDefault" or "Localhost")
            return false;
        values.Add(profile.Type);
        return true;
    }

    /// <summary>Capabilities that are added and not allowed, and the containers that do.</summary>
    internal static (List<string> Containers, SortedSet<string> Capabilities) Added(Subject subject, Predicate<string> isAllowed)
    {
        var (containers, bad) = (new List<string>(), new SortedSet<string>(StringComparer.Ordinal));
        foreach (var container in subject.Containers)
        {
            var forbidden = (container.Security?.Capabilities?.Add ?? default).Where(one => !isAllowed(one)).ToList();
            if (forbidden.Count > 0)
                containers.Add(container.Name);
            bad.UnionWith(forbidden);
        }
        return (containers, bad);
    }
}
