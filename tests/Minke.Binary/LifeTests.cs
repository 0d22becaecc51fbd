using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Minke.Binary;

/// <summary>How clusters begin and end, in order and otherwise.</summary>
public sealed partial class LifeTests
{
    private const int Interrupt = 2;
    private const int Kill = 9;
    private const int Terminate = 15;

    [Fact]
    public async Task Down_leaves_nothing_behind()
    {
        await using var machine = await Machine.CreateAsync();
        var cluster = machine.Cluster();
        var linksBefore = await machine.LinksAsync();
        await cluster.UpAsync();
        _ = (await cluster.MinkeAsync(Cluster.Pod("a") + "---\n" + WithMemoryVolume("b"), ["up", "-f", "-"])).Text;
        Assert.NotEmpty(await cluster.LeftoversAsync());

        Assert.Contains("stopped the cluster", (await cluster.MinkeAsync("down", "--grace", "0")).Text, StringComparison.Ordinal);

        Assert.Empty(await cluster.LeftoversAsync());
        Assert.Equal(linksBefore, await machine.LinksAsync());
        Assert.Equal("", await machine.TablesAsync());
        Assert.Equal(1, (await cluster.MinkeAsync("status")).ExitCode);
        Assert.Equal(0, (await cluster.MinkeAsync("down")).ExitCode);
    }

    [Fact]
    public async Task Down_cleans_up_after_a_kill()
    {
        await using var machine = await Machine.CreateAsync();
        var cluster = machine.Cluster();
        await cluster.UpAsync();
        _ = (await cluster.MinkeAsync(Cluster.Pod("a"), ["up", "-f", "-"])).Text;
        await EndAsync(await cluster.PidAsync(), Kill);

        _ = (await cluster.MinkeAsync("down", "--grace", "0")).Text;

        Assert.Empty(await cluster.LeftoversAsync());
    }

    [Theory]
    [InlineData(Kill)]
    [InlineData(Terminate)]
    public async Task Pods_run_on_while_minke_is_away(int signal)
    {
        await using var machine = await Machine.CreateAsync();
        var cluster = machine.Cluster();
        await cluster.UpAsync();
        _ = (await cluster.MinkeAsync(Cluster.Pod("counter", "i=0; while true; do i=$((i+1)); echo $i; sleep 0.1; done"), ["up", "-f", "-"])).Text;
        var before = (await cluster.KubectlAsync("get", "pod", "counter", "-o", "jsonpath={.status.containerStatuses[0].containerID} {.status.podIP}")).Text;

        await EndAsync(await cluster.PidAsync(), signal);
        await cluster.UpAsync();

        var after = await Cluster.EventuallyAsync(
            async () => (await cluster.KubectlAsync("get", "pod", "counter", "-o", "jsonpath={.status.containerStatuses[0].containerID} {.status.podIP}")).Text,
            text => text == before);
        Assert.Equal(before, after);
        Assert.Equal("0", (await cluster.KubectlAsync("get", "pod", "counter", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")).Text);
        var lines = (await cluster.KubectlAsync("logs", "counter")).Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse).ToArray();
        Assert.Equal(Enumerable.Range(1, lines.Length), lines);
    }

    [Fact]
    public async Task An_exit_that_happened_meanwhile_is_reported()
    {
        await using var machine = await Machine.CreateAsync();
        var cluster = machine.Cluster();
        await cluster.UpAsync();
        var go = Path.Combine(Directory.CreateTempSubdirectory("minke-go-").FullName, "go");
        var pod = Cluster.Pod("waiter", "until [ -e /go/go ]; do sleep 0.05; done; exit 7", $$$"""
              restartPolicy: Never
              volumes: [{name: go, hostPath: {path: {{{Path.GetDirectoryName(go)}}}}}]
            """).Replace("command:", "volumeMounts: [{name: go, mountPath: /go}]\n      command:", StringComparison.Ordinal);
        _ = (await cluster.MinkeAsync(pod, ["up", "-f", "-"])).Text;
        await EndAsync(await cluster.PidAsync(), Kill);

        await File.WriteAllTextAsync(go, "", TestContext.Current.CancellationToken);
        await cluster.UpAsync();

        Assert.Equal("Failed 7", await Cluster.EventuallyAsync(async () => (await cluster.KubectlAsync(
            "get", "pod", "waiter", "-o", "jsonpath={.status.phase} {.status.containerStatuses[0].state.terminated.exitCode}")).Text, text => text == "Failed 7"));
        Directory.Delete(Path.GetDirectoryName(go)!, recursive: true);
    }

    [Fact]
    public async Task Down_can_leave_the_pods_running()
    {
        await using var machine = await Machine.CreateAsync();
        var cluster = machine.Cluster();
        await cluster.UpAsync();
        _ = (await cluster.MinkeAsync(Cluster.Pod("a"), ["up", "-f", "-"])).Text;

        Assert.Contains("its pods run on", (await cluster.MinkeAsync("down", "--keep")).Text, StringComparison.Ordinal);

        Assert.Contains(await cluster.LeftoversAsync(), left => left.StartsWith("process", StringComparison.Ordinal));
        await cluster.UpAsync();
        Assert.Equal("0", (await cluster.KubectlAsync("get", "pod", "a", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")).Text);
    }

    [Fact]
    public async Task A_kill_under_a_hundred_pods_disturbs_none_and_leaks_nothing()
    {
        const int Pods = 100;
        await using var machine = await Machine.CreateAsync();
        var cluster = machine.Cluster();
        await cluster.UpAsync();
        _ = (await cluster.MinkeAsync(Cluster.Pod("first"), ["up", "-f", "-"])).Text;
        _ = (await cluster.KubectlAsync("delete", "pod", "first", "--grace-period=1")).Text;
        var idle = await Cluster.EventuallyAsync(() => KernelAsync(machine, cluster), things => !things.Contains('\n', StringComparison.Ordinal), 60);
        var go = Directory.CreateTempSubdirectory("minke-go-").FullName;
        // Ninety go on for ever, ten end when told to: while nobody looks.
        string Counter(int number) => Cluster.Pod($"pod-{number}", $"i=0; until [ -e /go/{number} ]; do i=$((i+1)); echo $i; sleep 1; done; echo end; exit 7", $$$"""
              restartPolicy: Never
              volumes: [{name: go, hostPath: {path: {{{go}}}}}]
            """).Replace("command:", "volumeMounts: [{name: go, mountPath: /go}]\n      command:", StringComparison.Ordinal);
        _ = (await cluster.CreateAsync(string.Join("\n---\n", Enumerable.Range(0, Pods).Select(Counter)))).Text;
        _ = (await cluster.KubectlAsync("wait", "--for=condition=Ready", "pod", "--all", "--timeout=80s")).Text;
        async Task<string[]> Containers(string more = "") => (await cluster.KubectlAsync("get", "pods", "-o",
            $"jsonpath={{range .items[*]}}{{.metadata.name}} {{.status.containerStatuses[0].containerID}} {{.status.podIP}} {{.status.containerStatuses[0].restartCount}}{more}{{'\\n'}}{{end}}"))
            .Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var (containers, processes) = (await Containers(), Processes(cluster));
        Assert.Equal(Pods, processes.Count);

        await EndAsync(await cluster.PidAsync(), Kill);
        foreach (var number in Enumerable.Range(0, 10))
            await File.WriteAllTextAsync(Path.Combine(go, number.ToString(System.Globalization.CultureInfo.InvariantCulture)), "", TestContext.Current.CancellationToken);
        await Cluster.EventuallyAsync(() => Task.FromResult(Processes(cluster)), left => left.Count <= processes.Count - 10, 60);
        await cluster.UpAsync();

        const string Ended = "{.status.phase} {.status.containerStatuses[0].state.terminated.exitCode}";
        foreach (var number in Enumerable.Range(0, 10))
        {
            await Cluster.EventuallyAsync(async () => (await cluster.KubectlAsync("get", "pod", $"pod-{number}", "-o", $"jsonpath={Ended}")).Text, text => text == "Failed 7", 60);
            Assert.EndsWith("\nend\n", (await cluster.KubectlAsync("logs", $"pod-{number}")).Text, StringComparison.Ordinal);
        }
        Assert.Equal(containers, await Containers());
        Assert.Subset(processes.ToHashSet(), Processes(cluster).ToHashSet());
        foreach (var number in (int[])[10, 55, 99])
        {
            var lines = (await cluster.KubectlAsync("logs", $"pod-{number}")).Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            Assert.Equal(Enumerable.Range(1, lines.Length).Select(line => line.ToString(System.Globalization.CultureInfo.InvariantCulture)), lines);
        }

        // When all of them are gone the kernel has what it had before the first.
        _ = (await cluster.KubectlAsync("delete", "pods", "--all", "--grace-period=1", "--timeout=80s")).Text;
        await Cluster.EventuallyAsync(() => KernelAsync(machine, cluster), things => things == idle, 60);
        Directory.Delete(go, recursive: true);
    }

    /// <summary>Numbers of the processes that run the pods' command.</summary>
    private static List<int> Processes(Cluster cluster)
    {
        var found = new List<int>();
        foreach (var directory in Directory.GetDirectories("/proc").Where(path => int.TryParse(Path.GetFileName(path), out _)))
        {
            try
            {
                if (File.ReadAllText(directory + "/cmdline").Contains("until [ -e /go/", StringComparison.Ordinal)
                    && File.ReadAllText(directory + "/cgroup").Contains(cluster.InstanceId, StringComparison.Ordinal))
                    found.Add(int.Parse(Path.GetFileName(directory), System.Globalization.CultureInfo.InvariantCulture));
            }
            catch (IOException)
            {
                // It ended while we looked.
            }
        }
        return found;
    }

    /// <summary>
    /// What pods have of the kernel's: volumes, overlays, namespaces and cgroups, and, counted, links and network namespaces, of which some
    /// are kept ready for the next pods.
    /// </summary>
    private static async Task<string> KernelAsync(Machine machine, Cluster cluster)
    {
        var run = $"/run/minke/{cluster.InstanceId}/";
        var mounts = (await File.ReadAllLinesAsync("/proc/self/mountinfo", TestContext.Current.CancellationToken)).Select(line => line.Split(' ')[4])
            .Where(point => point.StartsWith(cluster.Data + "/", StringComparison.Ordinal) || point.StartsWith(run, StringComparison.Ordinal)).ToList();
        var ofPods = mounts.Where(point => !point.StartsWith(run + "network", StringComparison.Ordinal) && !point.StartsWith(run + "runtime/bin", StringComparison.Ordinal) && point != run + "runtime");
        var cgroups = Directory.EnumerateDirectories("/sys/fs/cgroup", "pod????????-*", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 6 })
            .Where(path => path.Contains("minke-" + cluster.InstanceId, StringComparison.Ordinal));
        var links = (await machine.LinksAsync()).Length;
        var networks = mounts.Count(point => point.StartsWith(run + "network/netns/", StringComparison.Ordinal));
        return string.Join('\n', [.. ofPods, .. cgroups, $"{links} links, {networks} network namespaces"]);
    }

    [Fact]
    public async Task Ctrl_c_ends_a_cluster_in_the_foreground_and_its_pods()
    {
        await using var machine = await Machine.CreateAsync();
        var cluster = machine.Cluster();
        using var up = cluster.StartMinke("up");
        await Cluster.EventuallyAsync(async () => await up.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken),
            line => line?.Contains("Ctrl-C", StringComparison.Ordinal) == true);
        _ = (await cluster.KubectlAsync("create", "configmap", "x")).Text;

        // nsenter becomes the program, so its pid is minke's.
        Assert.Equal(0, SendSignal(up.Id, Interrupt));
        var result = await Machine.FinishAsync(up, null, "minke up");

        Assert.Equal(0, result.ExitCode);
        Assert.Empty(await cluster.LeftoversAsync());
    }

    [Fact]
    public async Task Two_clusters_do_not_meet()
    {
        await using var machine = await Machine.CreateAsync();
        var (first, second) = (machine.Cluster(), machine.Cluster());
        await first.UpAsync();
        await second.UpAsync();
        foreach (var cluster in (Cluster[])[first, second])
            _ = (await cluster.MinkeAsync(Cluster.Pod("same-name"), ["up", "-f", "-"])).Text;

        Assert.Equal("https://127.0.0.1:6443", (string?)(await first.StatusAsync())["addresses"]![0]);
        Assert.Equal("https://127.0.0.1:6444", (string?)(await second.StatusAsync())["addresses"]![0]);
        var addresses = await Task.WhenAll(((Cluster[])[first, second]).Select(async cluster =>
            (await cluster.KubectlAsync("get", "pod", "same-name", "-o", "jsonpath={.status.podIP}")).Text));
        Assert.NotEqual(addresses[0], addresses[1]);

        _ = (await first.MinkeAsync("down", "--grace", "0")).Text;
        Assert.Empty(await first.LeftoversAsync());
        Assert.Equal("same-name\n", (await second.KubectlAsync("exec", "same-name", "--", "hostname")).Text);

        // Started again, each has the port its kubeconfig names.
        _ = (await second.MinkeAsync("down", "--grace", "0")).Text;
        await second.UpAsync();
        Assert.Equal("https://127.0.0.1:6444", (string?)(await second.StatusAsync())["addresses"]![0]);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_said_with_the_way_out()
    {
        await using var machine = await Machine.CreateAsync();
        var (first, second) = (machine.Cluster(), machine.Cluster());
        await first.UpAsync();

        var up = await second.MinkeAsync("up", "--detach", "--listen", "127.0.0.1:6443");

        Assert.Equal(1, up.ExitCode);
        Assert.Equal("minke: listen on 127.0.0.1:6443: the port is taken; choose another with --listen, or leave the port out\n", up.Errors);
        Assert.Empty(await second.LeftoversAsync());
    }

    [Fact]
    public async Task A_full_disk_refuses_writes_and_recovers_by_itself()
    {
        await using var machine = await Machine.CreateAsync();
        var directory = Directory.CreateTempSubdirectory("minke-small-").FullName;
        _ = (await machine.RunAsync("mount", "-t", "tmpfs", "-o", "size=64m", "minke-test", directory)).Text;
        var filler = Path.Combine(directory, "filler");
        var cluster = machine.Cluster(Path.Combine(directory, "data"));
        try
        {
            _ = (await cluster.MinkeAsync("up", "--detach")).Text;
            _ = await machine.RunAsync("dd", "if=/dev/zero", $"of={filler}", "bs=1M"); // ends when the disk is full

            var big = new string('x', 500_000);
            var create = await Cluster.EventuallyAsync(
                () => cluster.CreateAsync($"apiVersion: v1\nkind: ConfigMap\nmetadata: {{generateName: x-}}\ndata: {{a: {big}}}\n"),
                result => result.ExitCode != 0);
            Assert.Contains("disk", create.Errors, StringComparison.Ordinal);
            _ = (await cluster.KubectlAsync("get", "namespaces")).Text;

            File.Delete(filler);
            await Cluster.EventuallyAsync(() => cluster.KubectlAsync("create", "configmap", "after"), result => result.ExitCode == 0);
        }
        finally
        {
            File.Delete(filler);
            await cluster.RemoveAsync();
            await machine.RunAsync("umount", "-l", directory);
            Directory.Delete(directory);
        }
    }

    private static string WithMemoryVolume(string name) => Cluster.Pod(name, "sleep 3600", """
          volumes: [{name: v, emptyDir: {medium: Memory}}]
        """).Replace("command:", "volumeMounts: [{name: v, mountPath: /v}]\n      command:", StringComparison.Ordinal);

    private static async Task EndAsync(int pid, int signal)
    {
        using var process = Process.GetProcessById(pid);
        Assert.Equal(0, SendSignal(pid, signal));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int pid, int signal);
}
