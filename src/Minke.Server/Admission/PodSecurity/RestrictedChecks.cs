using Minke.Api.Core.V1;
using static Minke.Server.Admission.PodSecurity.Phrases;
using static Minke.Server.Admission.PodSecurity.SecurityChecks;

namespace Minke.Server.Admission.PodSecurity;

/// <summary>Restricted: what hardening asks of a pod, at the price of some that would not run.</summary>
internal static class RestrictedChecks
{
    public static Violation? PrivilegeEscalation(Subject subject)
    {
        var containers = subject.Containers.Where(one => one.Security?.AllowPrivilegeEscalation != false).Select(one => one.Name).ToList();
        return containers.Count == 0 ? null
            : new("allowPrivilegeEscalation != false", $"{Containers(containers)} must set securityContext.allowPrivilegeEscalation=false");
    }

    public static Violation? Capabilities(Subject subject)
    {
        var keeping = subject.Containers.Where(one => !(one.Security?.Capabilities?.Drop ?? default).Contains("ALL")).Select(one => one.Name).ToList();
        var (adding, bad) = BaselineChecks.Added(subject, capability => capability == "NET_BIND_SERVICE");
        var details = new List<string>();
        if (keeping.Count > 0)
            details.Add($"{Containers(keeping)} must set securityContext.capabilities.drop=[\"ALL\"]");
        if (adding.Count > 0)
            details.Add($"{Containers(adding)} must not include {Quoted(bad)} in securityContext.capabilities.add");
        return details.Count == 0 ? null : new("unrestricted capabilities", string.Join("; ", details));
    }

    public static Violation? Volumes(Subject subject)
    {
        var bad = subject.Spec.Volumes.Select(volume => (volume.Name, Type: RestrictedType(volume))).Where(volume => volume.Type.Length > 0).ToList();
        var types = bad.Select(volume => volume.Type).Distinct().Order(StringComparer.Ordinal).ToList();
        return bad.Count == 0 ? null : new("restricted volume types",
            $"{Plural(bad.Count, "volume", "volumes")} {Quoted(bad.Select(volume => volume.Name))} {Plural(bad.Count, "uses", "use")} "
            + $"{Plural(types.Count, "restricted volume type", "restricted volume types")} {Quoted(types)}");
    }

    public static Violation? NonRoot(Subject subject)
    {
        var pod = subject.Spec.SecurityContext?.RunAsNonRoot;
        var refusing = subject.Containers.Where(one => one.Security?.RunAsNonRoot == false).Select(one => one.Name).ToList();
        if (Setters(pod == false, refusing) is { Length: > 0 } setters)
            return new("runAsNonRoot != true", $"{setters} must not set securityContext.runAsNonRoot=false");
        var silent = pod == true ? [] : subject.Containers.Where(one => one.Security?.RunAsNonRoot is null).Select(one => one.Name).ToList();
        return silent.Count == 0 ? null : new("runAsNonRoot != true", $"pod or {Containers(silent)} must set securityContext.runAsNonRoot=true");
    }

    public static Violation? User(Subject subject)
    {
        var containers = subject.Containers.Where(one => one.Security?.RunAsUser == 0).Select(one => one.Name).ToList();
        return Setters(subject.Spec.SecurityContext?.RunAsUser == 0, containers) is not { Length: > 0 } setters ? null
            : new("runAsUser=0", $"{setters} must not set runAsUser=0");
    }

    public static Violation? Seccomp(Subject subject)
    {
        if (BaselineChecks.Seccomp(subject) is { } explicitly)
            return explicitly;
        var silent = subject.Spec.SecurityContext?.SeccompProfile is not null ? []
            : subject.Containers.Where(one => one.Security?.SeccompProfile is null).Select(one => one.Name).ToList();
        return silent.Count == 0 ? null
            : new("seccompProfile", $"pod or {Containers(silent)} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"");
    }

    /// <summary>Empty for a type that may be used.</summary>
    private static string RestrictedType(Volume volume) => volume switch
    {
        { ConfigMap: not null } or { Csi: not null } or { DownwardAPI: not null } or { EmptyDir: not null } or { Ephemeral: not null }
            or { PersistentVolumeClaim: not null } or { Projected: not null } or { Secret: not null } => "",
        { HostPath: not null } => "hostPath",
        { GcePersistentDisk: not null } => "gcePersistentDisk",
        { AwsElasticBlockStore: not null } => "awsElasticBlockStore",
        { GitRepo: not null } => "gitRepo",
        { Nfs: not null } => "nfs",
        { Iscsi: not null } => "iscsi",
        { Glusterfs: not null } => "glusterfs",
        { Rbd: not null } => "rbd",
        { FlexVolume: not null } => "flexVolume",
        { Cinder: not null } => "cinder",
        { Cephfs: not null } => "cephfs",
        { Flocker: not null } => "flocker",
        { Fc: not null } => "fc",
        { AzureFile: not null } => "azureFile",
        { VsphereVolume: not null } => "vsphereVolume",
        { Quobyte: not null } => "quobyte",
        { AzureDisk: not null } => "azureDisk",
        { PortworxVolume: not null } => "portworxVolume",
        { ScaleIO: not null } => "scaleIO",
        { Storageos: not null } => "storageos",
        _ => "unknown",
    };
}
