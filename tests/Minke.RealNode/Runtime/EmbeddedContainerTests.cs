using Minke.Node.Runtime;

namespace Minke.RealNode.Runtime;

/// <summary>What a container's processes find: who they are, what they may, what they see.</summary>
public sealed class EmbeddedContainerTests(EmbeddedFixture fixture) : EmbeddedTestBase(fixture)
{
    [Fact]
    public async Task The_environment_is_the_images_with_the_pods_over_it()
    {
        var output = await OutputAsync("echo $FROM_IMAGE $MINE $HOME $HOSTNAME $PATH; pwd", config => config with
        {
            Env = [new("MINE", "1"), new("FROM_IMAGE", "changed")],
            WorkingDir = "/made/for/me",
        });
        Assert.Matches(@"^changed 1 /root pod-\d+ /bin\n/made/for/me$", output);
    }

    [Fact]
    public async Task Users_are_found_by_name_in_the_image_with_their_groups()
    {
        Fixture.Images.Add("sha256:app", new ImageConfig { User = "app", Env = ["PATH=/bin"], WorkingDir = "/opt" }, Fixture.Images.Layer);
        var output = await OutputAsync("id; echo $HOME; pwd", config => config with
        {
            ImageId = "sha256:app",
            Security = new ContainerSecurity { SupplementalGroups = [2000] },
        });
        Assert.Equal("uid=1000(app) gid=1001(app) groups=50(staff),51(wheel),1001(app),2000\n/home/app\n/opt", output);
    }

    [Fact]
    public async Task Strict_supplemental_groups_leave_out_those_of_the_image()
    {
        var output = await OutputAsync("id", config => config with
        {
            Security = new ContainerSecurity { RunAsUser = 1000, SupplementalGroups = [2000], StrictSupplementalGroups = true },
        });
        Assert.Equal("uid=1000(app) gid=1001(app) groups=1001(app),2000", output);
    }

    [Fact]
    public async Task A_user_number_that_nobody_knows_has_group_0()
    {
        var (status, output) = await RunToEndAsync(Shell("id -u; id -g; echo $HOME") with
        {
            Security = new ContainerSecurity { RunAsUser = 4711 },
        });
        Assert.Equal("4711\n0\n/\n", output);
        Assert.Equal((4711, 0), (status.Uid, status.Gid));
    }

    [Fact]
    public async Task A_user_name_that_nobody_knows_is_refused()
    {
        var sandbox = await RunPodAsync();
        var error = await Assert.ThrowsAsync<RuntimeException>(() => Runtime.CreateContainerAsync(
            sandbox, Shell() with { Security = new ContainerSecurity { RunAsUserName = "nobody-here" } }, Token));
        Assert.Equal("unable to find user nobody-here: no matching entries in passwd file", error.Message);
    }

    [Theory]
    [InlineData("00000000a80425fb", new string[0], new string[0])]
    [InlineData("0000000000000000", new string[0], new[] { "ALL" })]
    [InlineData("0000000000000400", new[] { "NET_BIND_SERVICE" }, new[] { "ALL" })]
    [InlineData("00000000a80435fb", new[] { "CAP_NET_ADMIN" }, new string[0])]
    [InlineData("00000000a80405fb", new string[0], new[] { "net_raw" })]
    public async Task Capabilities_are_the_default_ones_changed_as_asked(string expected, string[] add, string[] drop)
    {
        var output = await OutputAsync("grep -E 'Cap(Eff|Bnd)' /proc/self/status", config => config with
        {
            Security = new ContainerSecurity { AddCapabilities = add, DropCapabilities = drop },
        });
        Assert.Equal($"CapEff:\t{expected}\nCapBnd:\t{expected}", output);
    }

    [Fact]
    public async Task A_user_other_than_root_has_no_capabilities()
    {
        var output = await OutputAsync("grep CapEff /proc/self/status", config => config with { Security = new ContainerSecurity { RunAsUser = 1000 } });
        Assert.Equal("CapEff:\t0000000000000000", output);
    }

    [Fact]
    public async Task A_privileged_container_has_what_we_have()
    {
        var own = File.ReadLines("/proc/self/status").First(line => line.StartsWith("CapBnd", StringComparison.Ordinal));
        var output = await OutputAsync(
            "grep CapBnd /proc/self/status; grep Seccomp: /proc/self/status; test -w /proc/sys/vm/swappiness && echo writable; ls /dev/vda /dev/kmsg; mount -t tmpfs x /tmp && echo mounted",
            config => config with { Security = new ContainerSecurity { Privileged = true } });
        Assert.Equal($"{own}\nSeccomp:\t0\nwritable\n/dev/kmsg\n/dev/vda\nmounted", output);
    }

    [Fact]
    public async Task Seccomp_lets_through_what_a_capability_allows_and_no_more()
    {
        const string Script = "grep Seccomp: /proc/self/status; unshare -u true 2>&1; mount -t tmpfs x /tmp 2>&1";
        Assert.Contains("Seccomp:\t2", await OutputAsync($"{Script}; true"), StringComparison.Ordinal);
        // Twice: compiled by the OCI runtime, and then from our cache.
        for (var i = 0; i < 2; i++)
        {
            var output = await OutputAsync($"{Script}; true");
            Assert.Contains("unshare(0x4000000): Operation not permitted", output, StringComparison.Ordinal);
        }
        var admin = await OutputAsync(Script, config => config with { Security = new ContainerSecurity { AddCapabilities = ["SYS_ADMIN"] } });
        Assert.Equal("Seccomp:\t2", admin);
    }

    [Fact]
    public async Task A_local_seccomp_profile_and_none_are_honoured()
    {
        var profile = Path.Combine(Fixture.Root, "no-mkdir.json");
        File.WriteAllText(profile, """
            {"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}
            """);
        for (var i = 0; i < 2; i++)
        {
            var output = await OutputAsync("mkdir /tmp/x 2>&1 || true", config => config with
            {
                Security = new ContainerSecurity { Seccomp = SeccompKind.Localhost, SeccompLocalhostProfile = profile },
            });
            Assert.Contains("No space left on device", output, StringComparison.Ordinal);
        }
        Assert.Equal("Seccomp:\t0", await OutputAsync("grep Seccomp: /proc/self/status", config => config with
        {
            Security = new ContainerSecurity { Seccomp = SeccompKind.Unconfined },
        }));
        var sandbox = await RunPodAsync();
        var error = await Assert.ThrowsAsync<RuntimeException>(() => Runtime.CreateContainerAsync(sandbox, Shell() with
        {
            Security = new ContainerSecurity { Seccomp = SeccompKind.Localhost, SeccompLocalhostProfile = "/no/such.json" },
        }, Token));
        Assert.StartsWith("cannot load seccomp profile \"/no/such.json\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_new_privileges_is_set_when_asked()
    {
        Assert.Equal("NoNewPrivs:\t1", await OutputAsync("grep NoNewPrivs /proc/self/status", config => config with
        {
            Security = new ContainerSecurity { NoNewPrivileges = true },
        }));
        Assert.Equal("NoNewPrivs:\t0", await OutputAsync("grep NoNewPrivs /proc/self/status"));
    }

    [Fact]
    public async Task A_read_only_root_file_system_cannot_be_written_but_volumes_can()
    {
        var volume = Directory.CreateDirectory(Path.Combine(Fixture.Root, "ro-volume")).FullName;
        var output = await OutputAsync("touch /x 2>&1; touch /data/y && echo written", config => config with
        {
            Security = new ContainerSecurity { ReadOnlyRootFilesystem = true },
            Mounts = [new ContainerMount { ContainerPath = "/data", HostPath = volume }],
        });
        Assert.Equal("touch: /x: Read-only file system\nwritten", output);
        Assert.True(File.Exists(Path.Combine(volume, "y")));
    }

    [Fact]
    public async Task The_usual_paths_are_masked_or_read_only_unless_unmasked()
    {
        const string Script = "cat /proc/keys | wc -c; touch /proc/sys/kernel/domainname 2>&1 && echo touched; ls /sys/firmware | wc -l";
        Assert.Equal("0\ntouch: /proc/sys/kernel/domainname: Read-only file system\n0", await OutputAsync(Script));
        Assert.Contains("touched", await OutputAsync("touch /proc/sys/kernel/domainname && echo touched",
            config => config with { Security = new ContainerSecurity { MaskPaths = false } }), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Limits_reach_the_cgroup_and_can_be_changed_while_it_runs()
    {
        var sandbox = await RunPodAsync(Pod() with { QosClass = "Burstable", Resources = new LinuxResources { CpuShares = 512 } });
        var container = await StartAsync(sandbox, Shell() with
        {
            Resources = new LinuxResources { CpuShares = 204, CpuQuota = 20_000, CpuPeriod = 100_000, MemoryLimitBytes = 64 << 20, PidsLimit = 50, OomScoreAdj = 999 },
        });
        Assert.Equal("67108864", await ExecAsync(container, "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"));
        Assert.Equal("204", await ExecAsync(container, "cat", "/sys/fs/cgroup/cpu/cpu.shares"));
        Assert.Equal("20000", await ExecAsync(container, "cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"));
        Assert.Equal("50", await ExecAsync(container, "cat", "/sys/fs/cgroup/pids/pids.max"));
        Assert.Equal("999", await ExecAsync(container, "cat", "/proc/1/oom_score_adj"));

        await Runtime.UpdateContainerResourcesAsync(
            container, new LinuxResources { CpuShares = 1024, CpuQuota = 50_000, CpuPeriod = 100_000, MemoryLimitBytes = 128 << 20 }, Token);
        Assert.Equal("134217728", await ExecAsync(container, "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"));
        Assert.Equal("50000", await ExecAsync(container, "cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"));
        Assert.Equal(128 << 20, (await Runtime.ContainerStatusAsync(container, Token))!.Config.Resources.MemoryLimitBytes);

        var stats = await Runtime.ContainerStatsAsync(container, Token);
        Assert.True(stats!.MemoryUsageBytes > 0 && stats.CpuUsageNanoseconds > 0 && stats.Pids > 0);
    }

    [Fact]
    public async Task An_oom_score_the_kernel_refuses_keeps_the_old_value()
    {
        var own = File.ReadAllText("/proc/self/oom_score_adj").Trim();
        if (!File.ReadAllText("/proc/self/status").Contains("CapEff:\t000001ff", StringComparison.Ordinal))
            Assert.Equal(own, await OutputAsync("cat /proc/self/oom_score_adj", config => config with { Resources = new LinuxResources { OomScoreAdj = -997 } }));
    }

    [Fact]
    public async Task Out_of_memory_is_told_apart_from_other_kills()
    {
        // tail keeps the last line, and this line never ends.
        var (status, _) = await RunToEndAsync(Shell("dd if=/dev/zero of=/dev/shm/x bs=1M count=64; exec dd if=/dev/zero of=/dev/null bs=256M count=1") with
        {
            Resources = new LinuxResources { MemoryLimitBytes = 16 << 20 },
        });
        Assert.Equal((137, "OOMKilled"), (status.ExitCode, status.Reason));
    }

    [Fact]
    public async Task The_images_stop_signal_is_sent_unless_the_pod_names_another()
    {
        Fixture.Images.Add("sha256:quit", new ImageConfig { StopSignal = "SIGQUIT", Env = ["PATH=/bin"] }, Fixture.Images.Layer);
        const string Script = "trap 'exit 3' QUIT; trap 'exit 4' USR1; trap 'exit 5' TERM; echo ready; while true; do sleep 1000 & wait; done";
        foreach (var (image, signal, expected) in new (string, string?, int)[] { ("sha256:quit", null, 3), ("sha256:quit", "SIGUSR1", 4), (BusyboxImages.Id, null, 5) })
        {
            var container = await StartAsync(await RunPodAsync(), Shell(Script) with { ImageId = image, StopSignal = signal });
            await WhenLoggedAsync((await Runtime.ContainerStatusAsync(container, Token))!.LogPath, "ready");
            await Runtime.StopContainerAsync(container, TimeSpan.FromSeconds(10), Token);
            Assert.Equal(expected, (await Runtime.ContainerStatusAsync(container, Token))!.ExitCode);
        }
    }

    [Theory]
    [InlineData("/bin/nothing", "exec: \"/bin/nothing\": stat /bin/nothing: no such file or directory")]
    [InlineData("nothing", "exec: \"nothing\": executable file not found in $PATH")]
    [InlineData("/etc/passwd", "permission denied")]
    public async Task What_cannot_be_executed_says_so(string command, string expected)
    {
        var container = await Runtime.CreateContainerAsync(await RunPodAsync(), Shell() with { Command = [command] }, Token);
        var error = await Assert.ThrowsAsync<RuntimeException>(() => Runtime.StartContainerAsync(container, Token));
        Assert.Contains(expected, error.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Equal("RunContainerError", error.Reason);
    }

    [Fact]
    public async Task An_image_without_a_command_needs_one_from_the_pod()
    {
        Fixture.Images.Add("sha256:bare", new ImageConfig(), Fixture.Images.Layer);
        var sandbox = await RunPodAsync();
        var error = await Assert.ThrowsAsync<RuntimeException>(
            () => Runtime.CreateContainerAsync(sandbox, Shell() with { ImageId = "sha256:bare", Command = null }, Token));
        Assert.Contains("no command specified", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Logs_are_in_the_format_of_cri_and_reopen_after_rotation()
    {
        var container = await StartAsync(await RunPodAsync(), Shell("echo one; echo two >&2; read x; echo three; read x") with { Stdin = true });
        var log = (await Runtime.ContainerStatusAsync(container, Token))!.LogPath;
        await WhenLoggedAsync(log, "two");
        Assert.All(File.ReadAllLines(log), line => Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00 (stdout F one|stderr F two)$", line));

        File.Move(log, log + ".1");
        await Runtime.ReopenLogAsync(container, Token);
        await using (var session = await Runtime.AttachAsync(container, new AttachRequest(true, false, false, false), Token))
            await session.Stdin!.WriteAsync("go\n"u8.ToArray(), Token);
        await WhenLoggedAsync(log, "three");
        Assert.DoesNotContain("three", File.ReadAllText(log + ".1"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_the_machine_only_root_can_look_into_containers_and_their_environment()
    {
        var id = await StartAsync(await RunPodAsync(), Shell() with { Env = [new("PASSWORD", "secret")] });

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Fixture.Options.RunDirectory));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode($"{Fixture.Options.StateDirectory}/containers"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode($"{Fixture.Options.StateDirectory}/containers/{id.Value}/container.json"));
    }
}
