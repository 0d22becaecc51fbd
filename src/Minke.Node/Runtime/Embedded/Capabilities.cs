using System.Globalization;

namespace Minke.Node.Runtime.Embedded;

/// <summary>Which capabilities a container gets.</summary>
internal static class Capabilities
{
    /// <summary>In the order of their numbers (linux/capability.h).</summary>
    private static readonly string[] Names =
    [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
        "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
        "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
        "PERFMON", "BPF", "CHECKPOINT_RESTORE",
    ];

    /// <summary>What Docker and containerd give when nothing is asked.</summary>
    private static readonly string[] Defaults =
    [
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE",
        "SYS_CHROOT", "KILL", "AUDIT_WRITE",
    ];

    /// <summary>The capabilities of a container with their full names, <c>CAP_</c> before them, in a fixed order.</summary>
    /// <param name="security">What is asked.</param>
    /// <param name="held">What this process holds itself: nobody can give more (see <see cref="Held"/>).</param>
    /// <exception cref="RuntimeException">A name is not a capability.</exception>
    public static IReadOnlyList<string> For(ContainerSecurity security, IReadOnlySet<string> held)
    {
        if (security.Privileged)
            return [.. Names.Where(held.Contains).Select(name => $"CAP_{name}")];
        var add = security.AddCapabilities.Select(Bare).ToHashSet(StringComparer.Ordinal);
        var drop = security.DropCapabilities.Select(Bare).ToHashSet(StringComparer.Ordinal);
        foreach (var name in add.Concat(drop))
        {
            if (name != "ALL" && !Names.Contains(name))
                throw new RuntimeException($"unknown capability \"CAP_{name}\"") { Reason = "CreateContainerError" };
        }
        // As containerd does: ALL first, then the single names, and a dropped name wins over an added one.
        var given = (add.Contains("ALL") ? Names : drop.Contains("ALL") ? [] : Defaults).ToHashSet(StringComparer.Ordinal);
        given.UnionWith(add);
        given.ExceptWith(drop);
        return [.. Names.Where(name => given.Contains(name) && held.Contains(name)).Select(name => $"CAP_{name}")];
    }

    /// <summary>The names in this process's bounding and permitted sets.</summary>
    public static IReadOnlySet<string> Held(IEnumerable<string> procStatus)
    {
        var held = ulong.MaxValue;
        foreach (var line in procStatus)
        {
            if (line.StartsWith("CapBnd:", StringComparison.Ordinal) || line.StartsWith("CapPrm:", StringComparison.Ordinal))
                held &= ulong.Parse(line.AsSpan(7).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        }
        return Names.Where((_, number) => (held >> number & 1) != 0).ToHashSet(StringComparer.Ordinal);
    }

    private static string Bare(string name)
    {
        var upper = name.ToUpperInvariant();
        return upper.StartsWith("CAP_", StringComparison.Ordinal) ? upper[4..] : upper;
    }
}
