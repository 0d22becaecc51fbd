using System.Text.RegularExpressions;
using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Security contexts of pods and containers.</summary>
internal static partial class SecurityRules
{
    private const string UserRange = "must be between 0 and 2147483647, inclusive";
    private const int MaxPath = 4095;
    private const string SysctlSegment = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
    private const string SysctlContainsSlash = "(" + SysctlSegment + @"[\./])*" + SysctlSegment;

    private static readonly string[] ProfileTypes = [SeccompProfileType.Localhost, SeccompProfileType.RuntimeDefault, SeccompProfileType.Unconfined];

    public static void ValidatePod(PodSpec spec, FieldPath path, FieldErrors errors)
    {
        var context = spec.SecurityContext ?? new();
        var at = path.Child("securityContext");
        if (context.FsGroup is { } fsGroup)
            Id(fsGroup, at.Child("fsGroup"), errors);
        if (context.RunAsUser is { } user)
            Id(user, at.Child("runAsUser"), errors);
        if (context.RunAsGroup is { } group)
            Id(group, at.Child("runAsGroup"), errors);
        for (var i = 0; i < context.SupplementalGroups.Count; i++)
            Id(context.SupplementalGroups[i], at.Child("supplementalGroups").Index(i), errors);
        if (spec.ShareProcessNamespace == true && spec.HostPID)
            errors.Invalid(at.Child("shareProcessNamespace"), true, "ShareProcessNamespace and HostPID cannot both be enabled");
        ValidateSysctls(spec, context, at.Child("sysctls"), errors);
        if (context.FsGroupChangePolicy is { } change && change is not (PodFSGroupChangePolicy.OnRootMismatch or PodFSGroupChangePolicy.Always))
            errors.NotSupported(at.Child("fsGroupChangePolicy"), change, [PodFSGroupChangePolicy.Always, PodFSGroupChangePolicy.OnRootMismatch]);
        ValidateSeccomp(context.SeccompProfile, at.Child("seccompProfile"), errors);
        ValidateAppArmor(context.AppArmorProfile, at.Child("appArmorProfile"), errors);
        if (context.SupplementalGroupsPolicy is { } policy && policy is not (SupplementalGroupsPolicy.Merge or SupplementalGroupsPolicy.Strict))
            errors.NotSupported(at.Child("supplementalGroupsPolicy"), policy, [SupplementalGroupsPolicy.Merge, SupplementalGroupsPolicy.Strict]);
    }

    public static void ValidateContainer(SecurityContext? context, FieldPath path, FieldErrors errors, bool hostUsers)
    {
        if (context is null)
            return;
        if (context.RunAsUser is { } user)
            Id(user, path.Child("runAsUser"), errors);
        if (context.RunAsGroup is { } group)
            Id(group, path.Child("runAsGroup"), errors);
        if (context.ProcMount is { } procMount)
        {
            if (procMount is not (ProcMountType.Default or ProcMountType.Unmasked))
                errors.NotSupported(path.Child("procMount"), procMount, [ProcMountType.Default, ProcMountType.Unmasked]);
            if (procMount == ProcMountType.Unmasked && hostUsers)
                errors.Invalid(path.Child("procMount"), procMount, "`hostUsers` must be false to use `Unmasked`");
        }
        ValidateSeccomp(context.SeccompProfile, path.Child("seccompProfile"), errors);
        if (context.AllowPrivilegeEscalation == false)
        {
            if (context.Privileged == true)
                errors.Invalid(path, context.ToString(), "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
            if (context.Capabilities?.Add.Any(name => name is "CAP_SYS_ADMIN") == true)
                errors.Invalid(path, context.ToString(), "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
        }
        ValidateAppArmor(context.AppArmorProfile, path.Child("appArmorProfile"), errors);
    }

    private static void Id(long id, FieldPath path, FieldErrors errors)
    {
        if (id is < 0 or > int.MaxValue)
            errors.Invalid(path, id, UserRange);
    }

    private static void ValidateSysctls(PodSpec spec, PodSecurityContext context, FieldPath path, FieldErrors errors)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < context.Sysctls.Count; i++)
        {
            var (name, at) = (context.Sysctls[i].Name, path.Index(i).Child("name"));
            if (name.Length == 0)
                errors.Required(at);
            else if (name.Length > Names.MaxSubdomainLength || !SysctlPattern().IsMatch(name))
                errors.Invalid(at, name, $"must have at most {Names.MaxSubdomainLength} characters and match regex ^{SysctlContainsSlash}$");
            else if (!seen.Add(name))
                errors.Duplicate(at, name);
            var dotted = name.Replace('/', '.');
            if (spec.HostNetwork && dotted.StartsWith("net.", StringComparison.Ordinal))
                errors.Invalid(at, name, "may not be specified when 'hostNetwork' is true");
            if (spec.HostIPC && (dotted.StartsWith("kernel.shm", StringComparison.Ordinal) || dotted.StartsWith("kernel.msg", StringComparison.Ordinal)
                || dotted == "kernel.sem" || dotted.StartsWith("fs.mqueue.", StringComparison.Ordinal)))
                errors.Invalid(at, name, "may not be specified when 'hostIPC' is true");
        }
    }

    private static void ValidateSeccomp(SeccompProfile? profile, FieldPath path, FieldErrors errors)
    {
        if (profile is null)
            return;
        if (profile.Type.Length == 0)
            errors.Required(path.Child("type"), "type is required when seccompProfile is set");
        else if (!ProfileTypes.Contains(profile.Type))
            errors.NotSupported(path.Child("type"), profile.Type, ProfileTypes);
        if (profile.Type != SeccompProfileType.Localhost)
        {
            if (profile.LocalhostProfile is not null)
            {
                errors.Invalid(path.Child("localhostProfile"), new GoText($"core.SeccompProfile{{Type:{FieldErrors.Quote(profile.Type)}, LocalhostProfile:{FieldErrors.Quote(profile.LocalhostProfile)}}}"),
                    "can only be set when seccomp type is Localhost");
            }
        }
        else if (profile.LocalhostProfile is null)
            errors.Required(path.Child("localhostProfile"), "must be set when seccomp type is Localhost");
        else
            VolumeRules.ValidateLocalDescendingPath(profile.LocalhostProfile, path.Child("localhostProfile"), errors);
    }

    private static void ValidateAppArmor(AppArmorProfile? profile, FieldPath path, FieldErrors errors)
    {
        if (profile is null)
            return;
        var localhost = path.Child("localhostProfile");
        switch (profile.Type)
        {
            case AppArmorProfileType.Localhost:
                if (profile.LocalhostProfile is null)
                    errors.Required(localhost, "must be set when AppArmor type is Localhost");
                else if (profile.LocalhostProfile.Trim() != profile.LocalhostProfile)
                    errors.Invalid(localhost, profile.LocalhostProfile, "must not be padded with whitespace");
                else if (profile.LocalhostProfile.Length == 0)
                    errors.Required(localhost, "must be set when AppArmor type is Localhost");
                if (profile.LocalhostProfile?.Length > MaxPath)
                    errors.TooLong(localhost, MaxPath);
                break;
            case AppArmorProfileType.RuntimeDefault or AppArmorProfileType.Unconfined:
                if (profile.LocalhostProfile is not null)
                    errors.Invalid(localhost, profile.LocalhostProfile, "can only be set when AppArmor type is Localhost");
                break;
            case "":
                errors.Required(path.Child("type"), "type is required when appArmorProfile is set");
                break;
            default:
                errors.NotSupported(path.Child("type"), profile.Type, ProfileTypes);
                break;
        }
    }

    [GeneratedRegex(@"\A" + SysctlContainsSlash + @"\z", RegexOptions.CultureInvariant)]
    private static partial Regex SysctlPattern();
}
