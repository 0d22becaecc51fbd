using Minke.Node.Runtime;

namespace Minke.RealNode.Runtime;

/// <summary>What the containers of a pod share, and what they do not.</summary>
public sealed class EmbeddedSandboxTests(EmbeddedFixture fixture) : EmbeddedTestBase(fixture)
{
    [Fact]
    public async Task Containers_share_network_ipc_host_name_and_shared_memory_but_not_processes()
    {
        var sandbox = await RunPodAsync(Pod() with { Hostname = "shared-name", ShmSizeBytes = 8 << 20 });
        var first = await StartAsync(sandbox, Shell("echo hello > /dev/shm/x; nc -l -p 8080 -e cat", "first"));
        var second = await StartAsync(sandbox, Shell(name: "second"));
        foreach (var kind in (string[])["net", "ipc", "uts"])
            Assert.Equal(await ExecAsync(first, "readlink", $"/proc/self/ns/{kind}"), await ExecAsync(second, "readlink", $"/proc/self/ns/{kind}"));
        foreach (var kind in (string[])["pid", "mnt"])
            Assert.NotEqual(await ExecAsync(first, "readlink", $"/proc/self/ns/{kind}"), await ExecAsync(second, "readlink", $"/proc/self/ns/{kind}"));
        foreach (var kind in (string[])["net", "ipc", "uts", "pid", "mnt"])
            Assert.NotEqual(new FileInfo($"/proc/self/ns/{kind}").LinkTarget, await ExecAsync(second, "readlink", $"/proc/self/ns/{kind}"));
        Assert.Equal("shared-name", await ExecAsync(second, "hostname"));
        Assert.Equal("shared-name", await ExecAsync(second, "cat", "/etc/hostname"));
        Assert.Equal("hello", await ExecAsync(second, "cat", "/dev/shm/x"));
        Assert.Contains("size=8192k", await ExecAsync(second, "grep", "/dev/shm", "/proc/mounts"), StringComparison.Ordinal);
        Assert.Equal("over localhost", await ExecAsync(second, "sh", "-c", "echo over localhost | nc 127.0.0.1 8080"));
        Assert.DoesNotContain("nc -l", await ExecAsync(second, "ps"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_shared_process_namespace_has_an_init_that_reaps_and_hides_the_machine()
    {
        var sandbox = await RunPodAsync(Pod() with { Pid = NamespaceMode.Pod });
        var first = await StartAsync(sandbox, Shell($"(sleep 0.1 & ) ; {Waiting}", "first"));
        var second = await StartAsync(sandbox, Shell(name: "second") with { Security = new ContainerSecurity { AddCapabilities = ["SYS_PTRACE"] } });
        var processes = await ExecAsync(second, "ps", "-o", "pid,args");
        Assert.Contains("1 /pause", processes, StringComparison.Ordinal);
        Assert.Equal(3, processes.Split("while true").Length);
        await WhenListeningAsync(first);
        // Even with ptrace, init's root leads nowhere.
        Assert.Equal("dev\npause\nproc", await ExecAsync(second, "sh", "-c", "ls /proc/1/root"));

        await Runtime.StopContainerAsync(first, TimeSpan.FromSeconds(10), Token);
        Assert.DoesNotContain("Z", await ExecAsync(second, "sh", "-c", "grep State /proc/[0-9]*/status"), StringComparison.Ordinal);
        await Runtime.StopSandboxAsync(sandbox, Token);
        Assert.Equal(ContainerState.Exited, (await Runtime.ContainerStatusAsync(second, Token))!.State);
    }

    [Fact]
    public async Task The_machines_processes_are_seen_when_asked_and_a_killed_container_takes_its_children_along()
    {
        var sandbox = await RunPodAsync(Pod() with { Pid = NamespaceMode.Node });
        var container = await StartAsync(sandbox, Shell("sleep 987654 & echo ready; trap '' TERM; while true; do sleep 1000; done"));
        await WhenLoggedAsync((await Runtime.ContainerStatusAsync(container, Token))!.LogPath, "ready");
        Assert.Equal(new FileInfo("/proc/self/ns/pid").LinkTarget, await ExecAsync(container, "readlink", "/proc/self/ns/pid"));
        await Runtime.StopContainerAsync(container, TimeSpan.FromMilliseconds(100), Token);
        await Runtime.RemoveContainerAsync(container, Token);
        Assert.DoesNotContain(Directory.EnumerateDirectories("/proc"), process => CommandLine(process).Contains("987654", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Hosts_resolv_conf_and_sysctls_are_the_pods()
    {
        var pod = Pod() with
        {
            HostsFile = "127.0.0.1\tlocalhost\n\n# Entries added by HostAliases.\n1.2.3.4\talias\n",
            OwnHostNames = ["web.sub.default.svc.cluster.local", "web"],
            Dns = new DnsConfig { Servers = ["10.43.0.10"], Searches = ["default.svc.cluster.local", "svc.cluster.local"], Options = ["ndots:5"] },
            Sysctls = new Dictionary<string, string> { ["kernel.shm_rmid_forced"] = "1", ["kernel.msgmax"] = "65536" },
        };
        var output = await OutputAsync("cat /etc/hosts /etc/resolv.conf /proc/sys/kernel/shm_rmid_forced /proc/sys/kernel/msgmax", pod: pod);
        Assert.Equal("""
            127.0.0.1	localhost
            10.0.0.7	web.sub.default.svc.cluster.local	web

            # Entries added by HostAliases.
            1.2.3.4	alias
            search default.svc.cluster.local svc.cluster.local
            nameserver 10.43.0.10
            options ndots:5
            1
            65536
            """, output);
    }

    [Fact]
    public async Task A_sysctl_of_the_whole_machine_is_refused_and_leaves_nothing()
    {
        var before = (await Runtime.ListSandboxesAsync(Token)).Count;
        var error = await Assert.ThrowsAsync<RuntimeException>(
            () => Runtime.RunSandboxAsync(Pod() with { Sysctls = new Dictionary<string, string> { ["vm.swappiness"] = "1" } }, Token));
        Assert.Contains("vm.swappiness", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, (await Runtime.ListSandboxesAsync(Token)).Count);
        Assert.Equal(before, Directory.GetDirectories(Path.Combine(Fixture.Options.StateDirectory, "sandboxes")).Length);
    }

    [Fact]
    public async Task An_unknown_runtime_handler_is_refused_and_runc_can_be_chosen()
    {
        var error = await Assert.ThrowsAsync<RuntimeException>(() => Runtime.RunSandboxAsync(Pod() with { RuntimeHandler = "nothing" }, Token));
        Assert.Equal("failed to get sandbox runtime: no runtime for \"nothing\" is configured", error.Message);
        Assert.Equal("by runc", await OutputAsync("echo by runc", pod: Pod() with { RuntimeHandler = "runc" }));
        var container = await StartAsync(await RunPodAsync(Pod() with { RuntimeHandler = "runc" }), Shell());
        Assert.Equal("yes", await ExecAsync(container, "echo", "yes"));
        await WhenListeningAsync(container);
        await Runtime.StopContainerAsync(container, TimeSpan.FromSeconds(10), Token);
    }

    [Fact]
    public async Task The_machines_network_ipc_and_names_are_used_when_asked()
    {
        var sandbox = await RunPodAsync(Pod() with { Network = NamespaceMode.Node, Ipc = NamespaceMode.Node, HostsFile = null });
        Assert.Empty((await Runtime.SandboxStatusAsync(sandbox, Token))!.Ips);
        var container = await StartAsync(sandbox, Shell());
        foreach (var kind in (string[])["net", "ipc", "uts"])
            Assert.Equal(new FileInfo($"/proc/self/ns/{kind}").LinkTarget, await ExecAsync(container, "readlink", $"/proc/self/ns/{kind}"));
        Assert.Equal(File.ReadAllText("/etc/hosts").TrimEnd('\n'), await ExecAsync(container, "cat", "/etc/hosts"));
    }

    [Fact]
    public async Task A_debugging_container_joins_the_processes_of_its_target()
    {
        var sandbox = await RunPodAsync();
        var target = await StartAsync(sandbox, Shell("exec sleep 76543", "target"));
        var debugger = await StartAsync(sandbox, Shell(name: "debugger") with { TargetContainer = target });
        Assert.Contains("sleep 76543", await ExecAsync(debugger, "ps"), StringComparison.Ordinal);
    }

    private static string CommandLine(string process)
    {
        try
        {
            return File.ReadAllText($"{process}/cmdline");
        }
        catch (IOException)
        {
            return "";
        }
    }
}
