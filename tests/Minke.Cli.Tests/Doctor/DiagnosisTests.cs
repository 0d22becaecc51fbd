using Minke.Cli.Doctor;

namespace Minke.Cli.Tests.Doctor;

public class DiagnosisTests
{
    private static readonly MachineFacts Healthy = new()
    {
        IsRoot = true,
        KernelRelease = "6.1.0-18-amd64",
        FileSystems = ["ext4", "overlay"],
        Namespaces = ["mnt", "net", "pid", "ipc", "uts", "cgroup", "user"],
        CgroupMounts = [("cgroup2", "/sys/fs/cgroup", "rw,nsdelegate")],
        UnifiedControllers = ["cpu", "memory", "pids", "io"],
        HasSeccomp = true,
        NftWorks = true,
        Tools = new Dictionary<string, string> { ["crun"] = "/usr/bin/crun", ["conmon"] = "/usr/bin/conmon", ["nft"] = "/usr/sbin/nft", ["kubectl"] = "/usr/bin/kubectl" },
        Libraries = [.. Diagnosis.Libraries.Select(library => library.Name)],
        InotifyInstances = 128,
        FreeBytes = 10L << 30,
    };

    [Fact]
    public void A_healthy_machine_lacks_nothing() =>
        Assert.All(Diagnosis.Of(Healthy), finding => Assert.Equal(Verdict.Good, finding.Verdict));

    [Fact]
    public void Whatever_is_missing_comes_with_a_remedy()
    {
        var nothing = Healthy with
        {
            IsRoot = false,
            KernelRelease = "4.9.0",
            FileSystems = [],
            Namespaces = [],
            CgroupMounts = [],
            UnifiedControllers = [],
            HasSeccomp = false,
            NftWorks = null,
            Tools = new Dictionary<string, string>(),
            Libraries = [],
            InotifyInstances = 8,
            FreeBytes = 1,
        };
        Assert.All(Diagnosis.Of(nothing), finding =>
        {
            Assert.NotEqual(Verdict.Good, finding.Verdict);
            Assert.NotEmpty(finding.Remedy);
        });
    }

    [Fact]
    public void A_hybrid_machine_is_recognised()
    {
        var hybrid = Healthy with
        {
            CgroupMounts = [("cgroup", "/sys/fs/cgroup/cpu", "rw,cpu"), ("cgroup", "/sys/fs/cgroup/memory", "rw,memory"),
                ("cgroup", "/sys/fs/cgroup/pids", "rw,pids"), ("cgroup2", "/sys/fs/cgroup/unified", "rw")],
            UnifiedControllers = [],
        };
        Assert.Contains(new Finding(Verdict.Good, "cgroups", "v1 with a v2 tree (hybrid)"), Diagnosis.Of(hybrid));
    }

    [Fact]
    public void A_missing_controller_is_named() =>
        Assert.Contains(new Finding(Verdict.Missing, "cgroups", "v2 (unified), without memory", "boot with cgroup_enable=memory"),
            Diagnosis.Of(Healthy with { UnifiedControllers = ["cpu", "pids"] }));

    [Fact]
    public void Runc_does_where_there_is_no_crun() =>
        Assert.Contains(new Finding(Verdict.Good, "runc", "/usr/sbin/runc"), Diagnosis.Of(Healthy with
        {
            Tools = new Dictionary<string, string> { ["runc"] = "/usr/sbin/runc", ["conmon"] = "/usr/bin/conmon" },
        }));

    [Theory]
    [InlineData(true, "this machine can run pods")]
    [InlineData(false, "nothing is missing of what could be looked at; running pods needs root: sudo minke up")]
    public void Only_root_is_told_that_pods_can_run(bool isRoot, string last)
    {
        var output = new StringWriter();
        var facts = Healthy with { IsRoot = isRoot, NftWorks = isRoot ? true : null };
        Assert.Equal(0, new DoctorVerb(new Terminal { Out = output, Error = output, In = TextReader.Null, IsInteractive = false, CommandName = "minke" }, facts).Run(asJson: false));
        Assert.Equal(last, output.ToString().TrimEnd().Split('\n')[^1]);
    }
}
