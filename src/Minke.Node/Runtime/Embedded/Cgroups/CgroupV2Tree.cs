namespace Minke.Node.Runtime.Embedded.Cgroups;

/// <summary>cgroup v2: one tree.</summary>
internal sealed class CgroupV2Tree(string root, string mountPoint) : CgroupTree(root)
{
    private static readonly string[] Wanted = ["cpu", "cpuset", "io", "memory", "hugetlb", "pids"];

    protected override IReadOnlyList<string> Hierarchies { get; } = [mountPoint];
    public override bool LimitsHugePages => (TryRead($"{mountPoint}/cgroup.controllers") ?? "").Contains("hugetlb", StringComparison.Ordinal);
    public override bool IsUnified => true;

    public override void Prepare()
    {
        Delegate(mountPoint);
        foreach (var branch in (string[])[Root, $"{Root}/kubepods", QosPath("Burstable"), QosPath("BestEffort")])
        {
            Directory.CreateDirectory(mountPoint + branch);
            Delegate(mountPoint + branch);
        }
        if (File.Exists($"{mountPoint}{QosPath("BestEffort")}/cpu.weight"))
            Write($"{mountPoint}{QosPath("BestEffort")}/cpu.weight", "1");
    }

    public override void Create(string path, LinuxResources resources)
    {
        Directory.CreateDirectory(mountPoint + path);
        Delegate(mountPoint + path);
        Update(path, resources);
    }

    public override void Update(string path, LinuxResources resources)
    {
        var directory = mountPoint + path;
        if (resources.CpuShares is { } shares)
            Write($"{directory}/cpu.weight", Text(Weight(shares)));
        if (resources.CpuQuota is { } quota)
            Write($"{directory}/cpu.max", $"{(quota > 0 ? Text(quota) : "max")} {Text(resources.CpuPeriod ?? 100_000)}");
        if (resources.CpusetCpus.Length > 0)
            Write($"{directory}/cpuset.cpus", resources.CpusetCpus);
        if (resources.CpusetMems.Length > 0)
            Write($"{directory}/cpuset.mems", resources.CpusetMems);
        if (resources.MemoryLimitBytes is { } memory)
        {
            Write($"{directory}/memory.max", memory > 0 ? Text(memory) : "max");
            if (File.Exists($"{directory}/memory.swap.max"))
                Write($"{directory}/memory.swap.max", "0");
        }
        if (resources.PidsLimit is { } pids)
            Write($"{directory}/pids.max", pids > 0 ? Text(pids) : "max");
        foreach (var (size, limit) in resources.HugepageLimits)
            Write($"{directory}/hugetlb.{size}.max", Text(limit));
    }

    public override CgroupUsage? Usage(string path)
    {
        var directory = mountPoint + path;
        if (!Directory.Exists(directory))
            return null;
        var memory = TryRead($"{directory}/memory.stat");
        return new CgroupUsage(
            Field(TryRead($"{directory}/cpu.stat"), "usage_usec") * 1000,
            TryReadNumber($"{directory}/memory.current") ?? 0,
            Field(memory, "inactive_file"),
            Field(memory, "anon"),
            TryReadNumber($"{directory}/pids.current") ?? 0);
    }

    public override long OutOfMemoryKills(string path) => Field(TryRead($"{mountPoint}{path}/memory.events"), "oom_kill");

    public override void Kill(string path)
    {
        // Linux 5.14: one write kills all, also what is being forked. The loop below then only waits.
        var kill = $"{mountPoint}{path}/cgroup.kill";
        try
        {
            if (File.Exists(kill))
                Write(kill, "1");
        }
        catch (RuntimeException) when (!File.Exists(kill))
        {
            // Its last process has ended, and the cgroup was removed.
        }
        base.Kill(path);
    }

    /// <summary>v1's shares (2…262144, 1024 a core) as v2's weight (1…10000), by the formula the OCI runtimes use.</summary>
    internal static long Weight(long shares) => 1 + (Math.Clamp(shares, 2, 262_144) - 2) * 9999 / 262_142;

    private static void Delegate(string directory)
    {
        var there = (TryRead($"{directory}/cgroup.controllers") ?? "").Split(' ');
        var given = (TryRead($"{directory}/cgroup.subtree_control") ?? "").Split(' ');
        var missing = Wanted.Intersect(there).Except(given).Select(controller => $"+{controller}").ToList();
        if (missing.Count > 0)
            Write($"{directory}/cgroup.subtree_control", string.Join(' ', missing));
    }
}
