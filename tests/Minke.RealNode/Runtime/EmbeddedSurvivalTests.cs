using Minke.Node.Linux;
using Minke.Node.Runtime;

namespace Minke.RealNode.Runtime;

/// <summary>Another process takes over: nothing is disturbed, nothing is lost, nothing half-made stays.</summary>
public sealed class EmbeddedSurvivalTests : IAsyncLifetime
{
    private readonly EmbeddedFixture _fixture = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await _fixture.OpenAsync();
    public ValueTask DisposeAsync() => _fixture.DisposeAsync();

    [Fact]
    public async Task Running_containers_go_on_and_ends_in_between_are_reported()
    {
        var sandbox = await RunPodAsync("web");
        var runs = await StartAsync(sandbox, "runs", "trap 'exit 0' TERM; echo listening; while true; do sleep 1000 & wait; done");
        await EmbeddedTestBase.WhenLoggedAsync((await _fixture.Runtime.ContainerStatusAsync(runs, Token))!.LogPath, "listening");
        var ends = await StartAsync(sandbox, "ends", "read x; exit 5", stdin: true);
        var before = (await _fixture.Runtime.ContainerStatusAsync(runs, Token))!;
        var attach = await _fixture.Runtime.AttachAsync(ends, new AttachRequest(true, false, false, false), Token);

        await _fixture.Runtime.DisposeAsync();
        // Our end of the socket is gone with us; any process can take its place.
        await attach.DisposeAsync();
        await EndFromOutsideAsync(ends);
        await _fixture.OpenAsync();

        Assert.Equal(SandboxState.Ready, (await _fixture.Runtime.SandboxStatusAsync(sandbox, Token))!.State);
        var after = (await _fixture.Runtime.ContainerStatusAsync(runs, Token))!;
        Assert.Equal((ContainerState.Running, before.StartedAt), (after.State, after.StartedAt));
        var ended = (await _fixture.Runtime.ContainerStatusAsync(ends, Token))!;
        Assert.Equal((ContainerState.Exited, 137, "Error"), (ended.State, ended.ExitCode, ended.Reason));
        Assert.NotNull(ended.FinishedAt);

        Assert.Equal(0, (await _fixture.Runtime.ExecSyncAsync(runs, ["true"], TimeSpan.FromSeconds(20), Token)).ExitCode);
        await _fixture.Runtime.StopContainerAsync(runs, TimeSpan.FromSeconds(10), Token);
        Assert.Equal("Completed", (await _fixture.Runtime.ContainerStatusAsync(runs, Token))!.Reason);
    }

    [Fact]
    public async Task What_was_never_completed_is_removed()
    {
        var sandbox = await RunPodAsync("web");
        var kept = await StartAsync(sandbox, "kept", "sleep 1000");
        await _fixture.Runtime.DisposeAsync();

        // A container whose record was never written, with a mount; a sandbox likewise; a cgroup nobody knows.
        var half = Path.Combine(_fixture.Options.StateDirectory, "containers", "half");
        foreach (var below in (string[])["upper", "work"])
            Directory.CreateDirectory(Path.Combine(half, below));
        var rootfs = Directory.CreateDirectory(Path.Combine(_fixture.Options.RunDirectory, "bundles", "half", "rootfs")).FullName;
        Mounts.Overlay([_fixture.Images.Layer], Path.Combine(half, "upper"), Path.Combine(half, "work"), rootfs);
        Directory.CreateDirectory(Path.Combine(_fixture.Options.StateDirectory, "sandboxes", "half"));
        var pins = Directory.CreateDirectory(Path.Combine(_fixture.Options.RunDirectory, "ns", "half")).FullName;
        Mounts.Bind(pins, pins);
        Namespaces.OnOwnThread(() =>
        {
            Namespaces.Unshare(NamespaceKinds.CLONE_NEWUTS);
            Namespaces.Pin("uts", Path.Combine(pins, "uts"));
        });
        Directory.CreateDirectory($"/sys/fs/cgroup/memory/{_fixture.Options.CgroupRoot}/kubepods/besteffort/podstray");

        await _fixture.OpenAsync();
        Assert.False(Directory.Exists(half));
        Assert.False(Directory.Exists(Path.GetDirectoryName(rootfs)));
        Assert.False(Directory.Exists(pins));
        Assert.False(Directory.Exists(Path.Combine(_fixture.Options.StateDirectory, "sandboxes", "half")));
        Assert.False(Directory.Exists($"/sys/fs/cgroup/memory/{_fixture.Options.CgroupRoot}/kubepods/besteffort/podstray"));
        Assert.Equal(ContainerState.Running, (await _fixture.Runtime.ContainerStatusAsync(kept, Token))!.State);
        Assert.True(File.Exists(Path.Combine(_fixture.Images.Layer, "bin/busybox")));
    }

    [Fact]
    public async Task A_container_whose_monitor_is_killed_ends_with_an_unknown_status()
    {
        var container = await StartAsync(await RunPodAsync("web"), "main", "sleep 1000");
        await using var events = _fixture.Runtime.EventsAsync(Token).GetAsyncEnumerator(Token);
        var monitor = int.Parse(File.ReadAllText(Path.Combine(_fixture.Options.RunDirectory, "bundles", container.Value, "conmon.pid")));
        Node.Linux.Processes.Signal(monitor, Node.Linux.Processes.SIGKILL);
        while (await events.MoveNextAsync() && events.Current.Kind != RuntimeEventKind.Exited)
            ;
        var status = (await _fixture.Runtime.ContainerStatusAsync(container, Token))!;
        Assert.Equal((ContainerState.Exited, 255, "Unknown"), (status.State, status.ExitCode, status.Reason));
    }

    [Fact]
    public async Task Many_pods_at_once_start_and_go_without_a_trace()
    {
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
        {
            var sandbox = await RunPodAsync($"pod-{i}");
            var container = await StartAsync(sandbox, "main", "sleep 1000");
            Assert.Equal(ContainerState.Running, (await _fixture.Runtime.ContainerStatusAsync(container, Token))!.State);
            if (i % 2 == 0)
                await _fixture.Runtime.RemoveSandboxAsync(sandbox, Token);
        }));
        Assert.Equal(10, (await _fixture.Runtime.ListSandboxesAsync(Token)).Count);
        Assert.Equal(10, Directory.GetDirectories(Path.Combine(_fixture.Options.StateDirectory, "containers")).Length);
        Assert.Equal(10, Mounts.List().Count(mount => mount.FileSystem == "overlay" && mount.MountPoint.StartsWith(_fixture.Root, StringComparison.Ordinal)));
    }

    private Task<SandboxId> RunPodAsync(string name) => _fixture.Runtime.RunSandboxAsync(new SandboxConfig
    {
        Namespace = "default",
        Name = name,
        Uid = name,
        Hostname = name,
        LogDirectory = Path.Combine(_fixture.Logs, name),
    }, Token);

    private async Task<ContainerId> StartAsync(SandboxId sandbox, string name, string script, bool stdin = false)
    {
        var id = await _fixture.Runtime.CreateContainerAsync(sandbox, new ContainerConfig
        {
            Name = name,
            ImageId = BusyboxImages.Id,
            LogPath = $"{name}.log",
            Command = ["sh", "-c", script],
            Stdin = stdin,
        }, Token);
        await _fixture.Runtime.StartContainerAsync(id, Token);
        return id;
    }

    /// <summary>Kills a container's first process while no runtime is there, and waits for its monitor to leave the exit code.</summary>
    private async Task EndFromOutsideAsync(ContainerId container)
    {
        using var poller = new Poller();
        var exits = Path.Combine(_fixture.Options.RunDirectory, "exits");
        using var inotify = new Inotify(poller, exits);
        var pid = int.Parse(File.ReadAllText(Path.Combine(_fixture.Options.RunDirectory, "bundles", container.Value, "pid")));
        Node.Linux.Processes.Signal(pid, Node.Linux.Processes.SIGKILL);
        await foreach (var name in inotify.NamesAsync(Token))
        {
            if (name == container.Value)
                return;
        }
    }
}
