using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;

namespace Minke.Server.Admission.PodSecurity;

/// <summary>The checks of both profiles, in the order their violations are told.</summary>
internal static class SecurityChecks
{
    /// <summary>What a pod is judged by: its metadata (annotations), its spec and every container in it.</summary>
    internal readonly record struct Subject(ObjectMeta Metadata, PodSpec Spec, IReadOnlyList<EitherContainer> Containers)
    {
        public bool IsWindows => Spec.Os?.Name == "windows";
    }

    /// <summary>A container of whichever list: init, usual or ephemeral.</summary>
    internal readonly record struct EitherContainer(string Name, SecurityContext? Security, ApiList<ContainerPort> Ports);

    /// <param name="Since">The first minor release that has it.</param>
    /// <param name="Until">The first that does not.</param>
    /// <param name="IsWithin">A stricter check of the restricted profile says it all.</param>
    private readonly record struct Check(int Since, int Until, Func<Subject, Violation?> Find, bool IsWithin = false);

    private static readonly Check[] Baseline =
    [
        new(0, Never, BaselineChecks.AppArmor),
        new(0, Never, BaselineChecks.Capabilities, IsWithin: true),
        new(0, Never, BaselineChecks.HostNamespaces),
        new(0, Never, BaselineChecks.HostPaths, IsWithin: true),
        new(0, Never, BaselineChecks.HostPorts),
        new(0, Never, BaselineChecks.Privileged),
        new(0, Never, BaselineChecks.ProcMount),
        new(0, 31, subject => BaselineChecks.SELinux(subject, 0)),
        new(31, Never, subject => BaselineChecks.SELinux(subject, 31)),
        new(19, Never, BaselineChecks.Seccomp, IsWithin: true),
        new(0, 27, subject => BaselineChecks.Sysctls(subject, 0)),
        new(27, 29, subject => BaselineChecks.Sysctls(subject, 27)),
        new(29, 32, subject => BaselineChecks.Sysctls(subject, 29)),
        new(32, Never, subject => BaselineChecks.Sysctls(subject, 32)),
        new(0, Never, BaselineChecks.WindowsHostProcess),
    ];

    private static readonly Check[] Restricted =
    [
        new(8, 25, RestrictedChecks.PrivilegeEscalation),
        new(25, Never, subject => subject.IsWindows ? null : RestrictedChecks.PrivilegeEscalation(subject)),
        new(22, 25, RestrictedChecks.Capabilities),
        new(25, Never, subject => subject.IsWindows ? null : RestrictedChecks.Capabilities(subject)),
        new(0, Never, RestrictedChecks.Volumes),
        new(0, Never, RestrictedChecks.NonRoot),
        new(23, Never, RestrictedChecks.User),
        new(19, 25, RestrictedChecks.Seccomp),
        new(25, Never, subject => subject.IsWindows ? null : RestrictedChecks.Seccomp(subject)),
    ];

    private const int Never = int.MaxValue;

    /// <summary>Everything the profile does not allow; empty for a pod that keeps to it.</summary>
    public static List<Violation> Evaluate(LeveledVersion policy, ObjectMeta metadata, PodSpec spec)
    {
        var found = new List<Violation>();
        if (policy.Level == SecurityLevel.Privileged)
            return found;
        var subject = new Subject(metadata, spec, ContainersOf(spec));
        // The newest checks there are judge for "latest" and for releases to come.
        var minor = Math.Min(policy.Minor, Never - 1);
        var isRestricted = policy.Level == SecurityLevel.Restricted;
        foreach (var check in Baseline)
        {
            if (!(isRestricted && check.IsWithin && HasStricter(minor, check)))
                Run(check);
        }
        if (isRestricted)
        {
            foreach (var check in Restricted)
                Run(check);
        }
        return found;

        void Run(Check check)
        {
            if (check.Since <= minor && minor < check.Until && check.Find(subject) is { } violation)
                found.Add(violation);
        }
    }

    // The restricted form of capabilities came with 1.22, of seccomp with 1.19, of volumes at the beginning.
    private static bool HasStricter(int minor, Check check) => check.Find == BaselineChecks.Capabilities ? minor >= 22 : minor >= check.Since;

    private static EitherContainer[] ContainersOf(PodSpec spec) =>
    [
        .. spec.InitContainers.Select(one => new EitherContainer(one.Name, one.SecurityContext, one.Ports)),
        .. spec.Containers.Select(one => new EitherContainer(one.Name, one.SecurityContext, one.Ports)),
        .. spec.EphemeralContainers.Select(one => new EitherContainer(one.Name, one.SecurityContext, one.Ports)),
    ];
}
