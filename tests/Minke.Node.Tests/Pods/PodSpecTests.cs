using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Node.Pods;
using Minke.Node.Runtime;
using Minke.Node.Tests.Runtime;
using Minke.TestSupport;

namespace Minke.Node.Tests.Pods;

/// <summary>What a pod's spec becomes: sandbox, container, limits, admission.</summary>
public sealed class PodSpecTests
{
    private static readonly NodeSettings Node = new() { NodeName = "node", Paths = new NodePaths("/data"), ClusterDns = ["10.96.0.10"] };
    private static readonly Resolver Host = new(["192.0.2.53"], ["example.org"], ["rotate"]);

    [Fact]
    public void The_containers_word_wins_over_the_pods_in_security()
    {
        var pod = Make.Pod("web");
        pod = pod with { Spec = pod.Spec with { SecurityContext = new() { RunAsUser = 1000, RunAsGroup = 1001, FsGroup = 2000, SupplementalGroups = [3000], SeccompProfile = new() { Type = "Unconfined" } } } };
        var security = ContainerSpec.SecurityOf(pod, Make.Container("web") with
        {
            SecurityContext = new() { RunAsUser = 5, AllowPrivilegeEscalation = false, SeccompProfile = new() { Type = "Localhost", LocalhostProfile = "p.json" } },
        }, Node);
        Assert.Equal((5, 1001), (security.RunAsUser, security.RunAsGroup));
        Assert.Equal([2000, 3000], security.SupplementalGroups);
        Assert.True(security.NoNewPrivileges);
        Assert.Equal((SeccompKind.Localhost, "/data/seccomp/p.json"), (security.Seccomp, security.SeccompLocalhostProfile));
    }

    [Fact]
    public void Seccomp_is_the_runtimes_default_except_for_privileged_containers()
    {
        Assert.Equal(SeccompKind.RuntimeDefault, ContainerSpec.SecurityOf(Make.Pod("web"), Make.Container("web"), Node).Seccomp);
        Assert.Equal(SeccompKind.Unconfined, ContainerSpec.SecurityOf(Make.Pod("web"), Make.Container("web") with { SecurityContext = new() { Privileged = true } }, Node).Seccomp);
    }

    [Theory]
    [InlineData("", true, "container has runAsNonRoot and image will run as root")]
    [InlineData("0:5", true, "container has runAsNonRoot and image will run as root")]
    [InlineData("web", true, "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root")]
    [InlineData("1000", true, null)]
    [InlineData("", false, null)]
    public void Root_is_refused_where_it_is_forbidden(string imageUser, bool nonRoot, string? error)
    {
        var container = Make.Container("web") with { SecurityContext = new() { RunAsNonRoot = nonRoot } };
        var thrown = Record.Exception(() => ContainerSpec.VerifyNonRoot(Make.Pod("web"), container, new ImageConfig { User = imageUser }));
        if (error is null)
            Assert.Null(thrown);
        else
            Assert.Equal($"{error} (pod: \"web_default()\", container: web)", thrown!.Message);
    }

    [Fact]
    public void Limits_become_shares_quota_and_bytes()
    {
        var container = Make.Container("web") with
        {
            Resources = new() { Requests = Quantities(("cpu", "250m"), ("memory", "1Gi")), Limits = Quantities(("cpu", "1500m"), ("memory", "2Gi"), ("hugepages-2Mi", "4Mi")) },
        };
        var resources = QosClass.ResourcesOf(Make.Pod("web", container), container, Quantity.Parse("8Gi"), 100);
        Assert.Equal((256, 150_000, 100_000, 2L << 30), (resources.CpuShares, resources.CpuQuota, resources.CpuPeriod, resources.MemoryLimitBytes));
        Assert.Equal((100, 875), (resources.PidsLimit, resources.OomScoreAdj));
        Assert.Equal(4L << 20, resources.HugepageLimits["2MB"]);
    }

    [Fact]
    public void Sidecars_count_beside_the_containers_and_init_containers_by_their_peak()
    {
        var pod = Make.Pod("web", Make.Container("web") with { Resources = new() { Requests = Quantities(("cpu", "100m")) } });
        pod = pod with
        {
            Spec = pod.Spec with
            {
                InitContainers =
                [
                    Make.Container("side") with { RestartPolicy = "Always", Resources = new() { Requests = Quantities(("cpu", "50m")) } },
                    Make.Container("init") with { Resources = new() { Requests = Quantities(("cpu", "400m")) } },
                ],
            },
        };
        Assert.Equal(450, PodResources.Requests(pod)["cpu"].ToMillis());
    }

    [Fact]
    public void Cluster_first_asks_the_cluster_and_searches_the_namespace_first()
    {
        var dns = SandboxSpec.DnsOf(Make.Pod("web"), Node, Host, _ => { });
        Assert.Equal(["10.96.0.10"], dns.Servers);
        Assert.Equal(["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org"], dns.Searches);
        Assert.Equal(["ndots:5"], dns.Options);
    }

    [Fact]
    public void A_pods_own_resolver_settings_are_laid_over_its_policy()
    {
        var pod = Make.Pod("web");
        pod = pod with { Spec = pod.Spec with { DnsConfig = new() { Nameservers = ["1.1.1.1"], Searches = ["own"], Options = [new() { Name = "ndots", Value = "2" }, new() { Name = "edns0" }] } } };
        var dns = SandboxSpec.DnsOf(pod, Node, Host, _ => { });
        Assert.Equal(["10.96.0.10", "1.1.1.1"], dns.Servers);
        Assert.Equal(["ndots:2", "edns0"], dns.Options);
        dns = SandboxSpec.DnsOf(pod with { Spec = pod.Spec with { DnsPolicy = "None" } }, Node, Host, _ => { });
        Assert.Equal(["1.1.1.1"], dns.Servers);
        Assert.Equal(["own"], dns.Searches);
        dns = SandboxSpec.DnsOf(pod with { Spec = pod.Spec with { HostNetwork = true, DnsConfig = null } }, Node, Host, _ => { });
        Assert.Equal(["192.0.2.53"], dns.Servers);
    }

    [Fact]
    public void A_host_name_too_long_for_the_kernel_is_refused_as_a_full_name_and_cut_as_a_short_one()
    {
        var pod = Make.Pod(new string('a', 70));
        Assert.Equal(new string('a', 63), SandboxSpec.For(pod, 0, Node, "", Host, _ => { }).Hostname);
        pod = pod with { Spec = pod.Spec with { Subdomain = "sub", SetHostnameAsFQDN = true } };
        var error = Assert.Throws<SandboxConfigException>(() => SandboxSpec.For(pod, 0, Node, "", Host, _ => { }));
        Assert.Contains("is too long (64 characters is the max, 93 characters requested)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Host_ports_node_labels_and_sysctls_decide_admission()
    {
        var node = NodeStatusBuilder.Build(
            Node, new NodeMachine { CpuCount = 1, MemoryBytes = 1L << 30, DiskBytes = 1L << 30 }, new("x", "1"), [], null, true, "", DateTimeOffset.UnixEpoch);
        var web = Make.Pod("web", Make.Container("web") with { Ports = [new() { HostPort = 80, ContainerPortValue = 80, Protocol = "TCP" }] });
        Assert.Null(NodeAdmission.Check(web, [], node, []));
        Assert.Equal(
            new("NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"), NodeAdmission.Check(web, [web], node, []));
        var picky = web with { Spec = web.Spec with { NodeSelector = [KeyValuePair.Create("disk", "ssd")] } };
        Assert.Equal(
            new("NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"), NodeAdmission.Check(picky, [], node, []));
        var unsafeOne = web with { Spec = web.Spec with { SecurityContext = new() { Sysctls = [new() { Name = "kernel.msgmax", Value = "1" }] } } };
        Assert.Equal(new("SysctlForbidden", "forbidden sysctl: \"kernel.msgmax\" not allowlisted"), NodeAdmission.Check(unsafeOne, [], node, []));
        Assert.Null(NodeAdmission.Check(unsafeOne, [], node, ["kernel.msg*"]));
    }

    [Theory]
    [InlineData("registry.example.com", "registry.example.com/app:1", true)]
    [InlineData("https://registry.example.com/v1/", "registry.example.com/app:1", true)]
    [InlineData("registry.example.com/team", "registry.example.com/team/app", true)]
    [InlineData("registry.example.com/other", "registry.example.com/team/app", false)]
    [InlineData("*.example.com", "registry.example.com/app", true)]
    [InlineData("*.example.com", "a.b.example.com/app", false)]
    [InlineData("registry.example.com:5000", "registry.example.com/app", false)]
    [InlineData("https://index.docker.io/v1/", "nginx", true)]
    [InlineData("docker.io", "team/app", true)]
    public void Pull_secrets_match_by_host_and_path(string pattern, string image, bool matches) =>
        Assert.Equal(matches, PullSecrets.Matches(pattern, PullSecrets.Normalized(image)));

    [Fact]
    public void Back_off_doubles_to_its_limit_and_is_forgotten_after_twice_that()
    {
        var time = new ManualTime();
        var backoff = Backoff.ForContainers(time);
        int[] expected = [10, 20, 40, 80, 160, 300, 300];
        foreach (var seconds in expected)
        {
            Assert.Equal(TimeSpan.FromSeconds(seconds), backoff.Next("web", time.GetUtcNow()));
            time.Advance(TimeSpan.FromSeconds(seconds));
        }
        time.Advance(TimeSpan.FromMinutes(11));
        Assert.Null(backoff.WaitsUntil("web", time.GetUtcNow()));
        Assert.Equal(TimeSpan.FromSeconds(10), backoff.Next("web", time.GetUtcNow()));
    }

    private static ApiMap<Quantity> Quantities(params (string Name, string Value)[] entries) =>
        ApiMap.From(entries.Select(entry => KeyValuePair.Create(entry.Name, Quantity.Parse(entry.Value))));
}
