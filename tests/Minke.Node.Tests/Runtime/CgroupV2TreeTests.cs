using Minke.Node.Runtime;
using Minke.Node.Runtime.Embedded.Cgroups;

namespace Minke.Node.Tests.Runtime;

/// <summary>What is written where on cgroup v2, on a directory that looks like it.</summary>
public sealed class CgroupV2TreeTests : IDisposable
{
    private readonly string _mount = Directory.CreateTempSubdirectory("minke-cgroup2-").FullName;
    private readonly CgroupV2Tree _tree;

    public CgroupV2TreeTests() => _tree = new CgroupV2Tree("/minke-1", _mount);

    public void Dispose() => Directory.Delete(_mount, recursive: true);

    [Fact]
    public void Limits_are_written_in_the_words_of_v2()
    {
        var path = _tree.PodPath("Burstable", "u1");
        Make(path, "cpu.weight", "cpu.max", "memory.max", "memory.swap.max", "pids.max", "hugetlb.2MB.max");
        _tree.Update(path, new LinuxResources
        {
            CpuShares = 1024,
            CpuQuota = 50_000,
            CpuPeriod = 100_000,
            MemoryLimitBytes = 64 << 20,
            PidsLimit = 100,
            HugepageLimits = new Dictionary<string, long> { ["2MB"] = 4 << 20 },
        });
        Assert.Equal("39", Read(path, "cpu.weight"));
        Assert.Equal("50000 100000", Read(path, "cpu.max"));
        Assert.Equal("67108864", Read(path, "memory.max"));
        Assert.Equal("0", Read(path, "memory.swap.max"));
        Assert.Equal("100", Read(path, "pids.max"));
        Assert.Equal("4194304", Read(path, "hugetlb.2MB.max"));
    }

    [Fact]
    public void No_limit_is_spelled_max()
    {
        var path = _tree.PodPath("BestEffort", "u1");
        Make(path, "cpu.max", "memory.max", "pids.max");
        _tree.Update(path, new LinuxResources { CpuQuota = -1, MemoryLimitBytes = -1, PidsLimit = -1 });
        Assert.Equal(("max 100000", "max", "max"), (Read(path, "cpu.max"), Read(path, "memory.max"), Read(path, "pids.max")));
    }

    [Fact]
    public void Usage_and_kills_are_read()
    {
        var path = _tree.PodPath("Guaranteed", "u1");
        Make(path);
        File.WriteAllText($"{_mount}{path}/cpu.stat", "usage_usec 1500\nuser_usec 1000\n");
        File.WriteAllText($"{_mount}{path}/memory.current", "9000\n");
        File.WriteAllText($"{_mount}{path}/memory.stat", "anon 5000\nfile 100\ninactive_file 4000\n");
        File.WriteAllText($"{_mount}{path}/memory.events", "low 0\noom 2\noom_kill 1\noom_group_kill 0\n");
        File.WriteAllText($"{_mount}{path}/pids.current", "3\n");
        Assert.Equal(new CgroupUsage(1_500_000, 9000, 4000, 5000, 3), _tree.Usage(path));
        Assert.Equal(1, _tree.OutOfMemoryKills(path));
        Assert.Null(_tree.Usage(_tree.PodPath("Guaranteed", "other")));
    }

    [Fact]
    public void Controllers_are_handed_down_the_tree()
    {
        foreach (var path in (string[])["", "/minke-1", "/minke-1/kubepods", "/minke-1/kubepods/burstable", "/minke-1/kubepods/besteffort"])
        {
            Make(path, "cgroup.subtree_control");
            File.WriteAllText($"{_mount}{path}/cgroup.controllers", "cpuset cpu io memory pids rdma\n");
        }
        _tree.Prepare();
        Assert.Equal("+cpu +cpuset +io +memory +pids", Read("/minke-1/kubepods/burstable", "cgroup.subtree_control"));
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1024, 39)]
    [InlineData(262_144, 10_000)]
    [InlineData(0, 1)]
    public void Shares_become_weights(long shares, long weight) => Assert.Equal(weight, CgroupV2Tree.Weight(shares));

    private void Make(string path, params string[] files)
    {
        Directory.CreateDirectory(_mount + path);
        foreach (var file in files)
            File.WriteAllText($"{_mount}{path}/{file}", "");
    }

    private string Read(string path, string file) => File.ReadAllText($"{_mount}{path}/{file}");
}
