using System.Globalization;

namespace Minke.Cli.Doctor;

internal enum Verdict { Good, Advice, Missing }

/// <summary>One thing that was looked at.</summary>
/// <param name="Verdict">Missing: pods cannot run without it.</param>
/// <param name="Name">What was looked at.</param>
/// <param name="Found">What is there.</param>
/// <param name="Remedy">What to do; empty when nothing needs doing.</param>
internal sealed record Finding(Verdict Verdict, string Name, string Found, string Remedy = "");

/// <summary>What a machine has and lacks to run pods. A pure function of its facts.</summary>
internal static class Diagnosis
{
    private const long EnoughInotify = 128;
    private const long EnoughBytes = 2L << 30;

    /// <summary>Alternatives in order of preference, and the Debian package that brings the first.</summary>
    public static readonly (string[] Names, string Package, string Purpose, bool IsNeeded)[] Tools =
    [
        (["crun", "runc"], "crun", "runs containers", true),
        (["conmon"], "conmon", "keeps logs and exit codes of containers", true),
        (["nft"], "nftables", "pod and Service network", true),
        (["kubectl"], "kubectl", "talks to the cluster (https://kubernetes.io/docs/tasks/tools/)", false),
    ];

    public static readonly (string Name, string Package, string Purpose)[] Libraries =
    [
        ("libsqlite3.so.0", "libsqlite3-0", "state"),
        ("libzstd.so.1", "libzstd1", "zstd image layers"),
        ("libssl.so.3", "libssl3", "TLS"),
    ];

    public static IReadOnlyList<Finding> Of(MachineFacts facts) =>
    [
        Root(facts), Kernel(facts), Overlay(facts), NamespacesOf(facts), Cgroups(facts), Seccomp(facts), Nftables(facts),
        .. Tools.Select(tool => OfTool(facts, tool)),
        .. Libraries.Select(library => facts.Libraries.Contains(library.Name)
            ? new Finding(Verdict.Good, library.Name, library.Purpose)
            : new Finding(Verdict.Missing, library.Name, "not found", $"sudo apt-get install {library.Package}")),
        Inotify(facts), Disk(facts),
    ];

    private static Finding Root(MachineFacts facts) => facts.IsRoot
        ? new(Verdict.Good, "root", "yes")
        : new(Verdict.Advice, "root", "no: some of this could not be looked at", "sudo minke doctor");

    private static Finding Kernel(MachineFacts facts)
    {
        var numbers = facts.KernelRelease.Split('.', '-');
        var isRecent = numbers.Length >= 2 && int.TryParse(numbers[0], out var major) && int.TryParse(numbers[1], out var minor) && (major, minor).CompareTo((5, 4)) >= 0;
        return isRecent
            ? new(Verdict.Good, "kernel", facts.KernelRelease)
            : new(Verdict.Missing, "kernel", facts.KernelRelease, "Linux 5.4 or later is needed");
    }

    private static Finding Overlay(MachineFacts facts) => facts.FileSystems.Contains("overlay")
        ? new(Verdict.Good, "overlayfs", "yes")
        : new(Verdict.Missing, "overlayfs", "not loaded", "sudo modprobe overlay");

    private static Finding NamespacesOf(MachineFacts facts)
    {
        var missing = ((string[])["mnt", "net", "pid", "ipc", "uts"]).Except(facts.Namespaces).ToArray();
        return missing.Length == 0
            ? new(Verdict.Good, "namespaces", string.Join(' ', facts.Namespaces.Where(name => !name.Contains('_', StringComparison.Ordinal)).Order(StringComparer.Ordinal)))
            : new(Verdict.Missing, "namespaces", "the kernel lacks " + string.Join(", ", missing), "use a kernel built with CONFIG_NAMESPACES");
    }

    private static Finding Cgroups(MachineFacts facts)
    {
        string[] needed = ["cpu", "memory", "pids"];
        var v1 = facts.CgroupMounts.Where(mount => mount.Type == "cgroup").SelectMany(mount => mount.Options.Split(',')).ToHashSet(StringComparer.Ordinal);
        var v2 = facts.CgroupMounts.FirstOrDefault(mount => mount.Type == "cgroup2").Point;
        var layout = (v1.Overlaps(needed), v2) switch
        {
            (false, not null) => "v2 (unified)",
            (true, not null) => "v1 with a v2 tree (hybrid)",
            (true, null) => "v1",
            _ => "",
        };
        if (layout.Length == 0)
            return new(Verdict.Missing, "cgroups", "not mounted", "mount -t cgroup2 none /sys/fs/cgroup, or boot with systemd");
        var missing = needed.Where(name => !v1.Contains(name) && !facts.UnifiedControllers.Contains(name)).ToArray();
        return missing.Length == 0
            ? new(Verdict.Good, "cgroups", layout)
            : new(Verdict.Missing, "cgroups", $"{layout}, without {string.Join(", ", missing)}",
                missing.Contains("memory") ? "boot with cgroup_enable=memory" : "enable them in the kernel");
    }

    private static Finding Seccomp(MachineFacts facts) => facts.HasSeccomp
        ? new(Verdict.Good, "seccomp", "yes")
        : new(Verdict.Missing, "seccomp", "not in this kernel", "use a kernel built with CONFIG_SECCOMP_FILTER");

    private static Finding Nftables(MachineFacts facts) => facts.NftWorks switch
    {
        true => new(Verdict.Good, "nf_tables", "yes"),
        false => new(Verdict.Missing, "nf_tables", "the kernel refuses it", "sudo modprobe nf_tables"),
        null => new(Verdict.Advice, "nf_tables", "not tried", facts.IsRoot ? "install nftables first" : "sudo minke doctor"),
    };

    private static Finding OfTool(MachineFacts facts, (string[] Names, string Package, string Purpose, bool IsNeeded) tool)
    {
        foreach (var name in tool.Names)
        {
            if (facts.Tools.TryGetValue(name, out var path))
                return new(Verdict.Good, name, path);
        }
        return new(tool.IsNeeded ? Verdict.Missing : Verdict.Advice, tool.Names[0], $"not found: {tool.Purpose}", $"sudo apt-get install {tool.Package}");
    }

    private static Finding Inotify(MachineFacts facts) => facts.InotifyInstances is 0 or >= EnoughInotify
        ? new(Verdict.Good, "inotify", facts.InotifyInstances == 0 ? "unknown" : $"{facts.InotifyInstances} instances a user")
        : new(Verdict.Advice, "inotify", $"{facts.InotifyInstances} instances a user", "sudo sysctl fs.inotify.max_user_instances=512");

    private static Finding Disk(MachineFacts facts)
    {
        if (facts.FreeBytes is not { } free)
            return new(Verdict.Advice, "disk", "unknown");
        var gigabytes = (free / (double)(1L << 30)).ToString("0.0", CultureInfo.InvariantCulture) + " GiB free in /var/lib";
        return free >= EnoughBytes ? new(Verdict.Good, "disk", gigabytes) : new(Verdict.Advice, "disk", gigabytes, "make room, or put the cluster elsewhere with --data-dir");
    }
}
