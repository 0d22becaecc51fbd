using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded.Cgroups;

/// <summary>A hierarchy of cgroup v1 that is mounted: its directory and its controllers (none for a named one or for v2's tree).</summary>
internal sealed record CgroupHierarchy(string Directory, IReadOnlyList<string> Controllers);

/// <summary>cgroup v1, and v1 with a v2 tree beside it: one directory for each controller.</summary>
internal sealed class CgroupV1Tree : CgroupTree
{
    private static readonly string[] Controllers = ["cpu", "cpuacct", "cpuset", "memory", "pids", "hugetlb", "freezer", "devices", "blkio"];
    private readonly string? _cpu;
    private readonly string? _cpuacct;
    private readonly string? _cpuset;
    private readonly string? _memory;
    private readonly string? _pids;
    private readonly string? _hugetlb;

    public CgroupV1Tree(string root, IReadOnlyList<CgroupHierarchy> hierarchies) : base(root)
    {
        Hierarchies = [.. hierarchies.Select(hierarchy => hierarchy.Directory)];
        string? Of(string controller) => hierarchies.FirstOrDefault(hierarchy => hierarchy.Controllers.Contains(controller))?.Directory;
        _cpu = Of("cpu");
        _cpuacct = Of("cpuacct");
        _cpuset = Of("cpuset");
        _memory = Of("memory");
        _pids = Of("pids");
        _hugetlb = Of("hugetlb");
    }

    protected override IReadOnlyList<string> Hierarchies { get; }
    protected override IReadOnlyList<string> Counted => (_pids ?? _memory) is { } one ? [one] : Hierarchies;
    public override bool LimitsHugePages => _hugetlb is not null;
    public override bool IsUnified => false;

    public static IReadOnlyList<CgroupHierarchy> MountedHierarchies(string mountPoint)
    {
        var found = new List<CgroupHierarchy>();
        foreach (var mount in Mounts.List())
        {
            if (mount.FileSystem is "cgroup" or "cgroup2" && mount.MountPoint.StartsWith(mountPoint + "/", StringComparison.Ordinal)
                && found.All(other => other.Directory != mount.MountPoint))
                found.Add(new CgroupHierarchy(mount.MountPoint, [.. mount.SuperOptions.Split(',').Intersect(Controllers)]));
        }
        return found.Count > 0 ? found
            : throw new RuntimeException($"find cgroups: nothing is mounted below {mountPoint}; mount cgroup2 on it, or the v1 controllers below it");
    }

    public override void Prepare()
    {
        foreach (var hierarchy in (string?[])[_cpu, _memory, _pids])
        {
            if (hierarchy is null)
                continue;
            foreach (var qos in (string[])["Burstable", "BestEffort"])
                Directory.CreateDirectory(hierarchy + QosPath(qos));
        }
        // The kubelet's weights: best effort gets what nobody else wants.
        if (_cpu is not null)
            Write($"{_cpu}{QosPath("BestEffort")}/cpu.shares", "2");
    }

    public override void Create(string path, LinuxResources resources)
    {
        foreach (var hierarchy in (string?[])[_cpu, _memory, _pids])
        {
            if (hierarchy is not null)
                Directory.CreateDirectory(hierarchy + path);
        }
        Update(path, resources);
    }

    public override void Update(string path, LinuxResources resources)
    {
        if (_cpu is not null)
        {
            if (resources.CpuShares is { } shares)
                Write($"{_cpu}{path}/cpu.shares", Text(Math.Clamp(shares, 2, 262_144)));
            if (resources.CpuPeriod is { } period)
                Write($"{_cpu}{path}/cpu.cfs_period_us", Text(period));
            if (resources.CpuQuota is { } quota)
                Write($"{_cpu}{path}/cpu.cfs_quota_us", Text(quota));
        }
        if (_cpuset is not null && (resources.CpusetCpus.Length > 0 || resources.CpusetMems.Length > 0) && Directory.Exists(_cpuset + path))
        {
            if (resources.CpusetCpus.Length > 0)
                Write($"{_cpuset}{path}/cpuset.cpus", resources.CpusetCpus);
            if (resources.CpusetMems.Length > 0)
                Write($"{_cpuset}{path}/cpuset.mems", resources.CpusetMems);
        }
        if (_memory is not null && resources.MemoryLimitBytes is { } memory)
            SetMemory(_memory + path, memory);
        if (_pids is not null && resources.PidsLimit is { } pids)
            Write($"{_pids}{path}/pids.max", pids > 0 ? Text(pids) : "max");
        if (_hugetlb is not null)
        {
            foreach (var (size, limit) in resources.HugepageLimits)
                Write($"{_hugetlb}{path}/hugetlb.{size}.limit_in_bytes", Text(limit));
        }
    }

    public override CgroupUsage? Usage(string path)
    {
        if (_memory is null || !Directory.Exists(_memory + path))
            return null;
        var stat = TryRead($"{_memory}{path}/memory.stat");
        return new CgroupUsage(
            TryReadNumber($"{_cpuacct}{path}/cpuacct.usage") ?? 0,
            TryReadNumber($"{_memory}{path}/memory.usage_in_bytes") ?? 0,
            Field(stat, "total_inactive_file"),
            Field(stat, "total_rss"),
            TryReadNumber($"{_pids}{path}/pids.current") ?? 0);
    }

    public override long OutOfMemoryKills(string path) =>
        _memory is null ? 0 : Field(TryRead($"{_memory}{path}/memory.oom_control"), "oom_kill");

    /// <summary>Memory, and memory with swap, to the same: no swap. The second may never be below the first, so the order depends.</summary>
    private static void SetMemory(string directory, long bytes)
    {
        var limit = bytes > 0 ? Text(bytes) : "-1";
        var swap = $"{directory}/memory.memsw.limit_in_bytes";
        if (!File.Exists(swap))
        {
            Write($"{directory}/memory.limit_in_bytes", limit);
            return;
        }
        if (bytes <= 0 || TryReadNumber(swap) < bytes)
        {
            Write(swap, limit);
            Write($"{directory}/memory.limit_in_bytes", limit);
        }
        else
        {
            Write($"{directory}/memory.limit_in_bytes", limit);
            Write(swap, limit);
        }
    }
}
