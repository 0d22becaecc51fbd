using System.Text;
using Minke.Node.Runtime;
using Minke.Node.Runtime.Embedded;

namespace Minke.RealNode.Runtime;

/// <summary>One embedded runtime for all tests of a class, and the words they share.</summary>
public abstract class EmbeddedTestBase(EmbeddedFixture fixture) : IClassFixture<EmbeddedFixture>, IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private static int _lastPod;

    /// <summary>Says when it minds SIGTERM, and then waits for it.</summary>
    protected const string Waiting = "trap 'exit 0' TERM; echo listening; while true; do sleep 1000 & wait; done";
    private readonly List<SandboxId> _made = [];

    protected EmbeddedFixture Fixture => fixture;
    protected EmbeddedRuntime Runtime => fixture.Runtime;
    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        if (fixture.Runtime is null)
            await fixture.OpenAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var sandbox in _made)
            await Runtime.RemoveSandboxAsync(sandbox, CancellationToken.None);
        GC.SuppressFinalize(this);
    }

    protected SandboxConfig Pod()
    {
        var name = $"pod-{Interlocked.Increment(ref _lastPod)}";
        return new SandboxConfig
        {
            Namespace = "default",
            Name = name,
            Uid = $"{name}-{Guid.NewGuid():n}",
            Hostname = name,
            LogDirectory = Path.Combine(fixture.Logs, name),
            HostsFile = "127.0.0.1\tlocalhost\n",
        };
    }

    /// <summary>A container that runs a line of shell; by default it waits to be stopped.</summary>
    protected static ContainerConfig Shell(string script = Waiting, string name = "main") => new()
    {
        Name = name,
        ImageId = BusyboxImages.Id,
        LogPath = $"{name}/0.log",
        Command = ["sh", "-c", script],
    };

    protected async Task<SandboxId> RunPodAsync(SandboxConfig? config = null)
    {
        var id = await Runtime.RunSandboxAsync(config ?? Pod(), Token);
        _made.Add(id);
        return id;
    }

    protected async Task<ContainerId> StartAsync(SandboxId sandbox, ContainerConfig config)
    {
        var id = await Runtime.CreateContainerAsync(sandbox, config, Token);
        await Runtime.StartContainerAsync(id, Token);
        return id;
    }

    /// <summary>Runs a container to its end: its status, and what it wrote.</summary>
    protected async Task<(ContainerStatus Status, string Output)> RunToEndAsync(ContainerConfig config, SandboxConfig? pod = null)
    {
        var id = await StartAsync(await RunPodAsync(pod), config);
        return await EndAsync(id);
    }

    /// <summary>What a line of shell writes, in a pod of its own.</summary>
    protected async Task<string> OutputAsync(string script, Func<ContainerConfig, ContainerConfig>? change = null, SandboxConfig? pod = null)
    {
        var config = Shell(script);
        var (status, output) = await RunToEndAsync(change?.Invoke(config) ?? config, pod);
        Assert.True(status.ExitCode == 0, $"exit code {status.ExitCode}: {output}");
        return output.TrimEnd('\n');
    }

    protected async Task<(ContainerStatus Status, string Output)> EndAsync(ContainerId container)
    {
        var status = await WhenAsync(container, status => status.State == ContainerState.Exited);
        return (status, Output(status.LogPath));
    }

    /// <summary>Waits for a state, told by events.</summary>
    protected async Task<ContainerStatus> WhenAsync(ContainerId container, Func<ContainerStatus, bool> isSo)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(Deadline);
        await using var events = Runtime.EventsAsync(limit.Token).GetAsyncEnumerator(limit.Token);
        while (true)
        {
            var status = await Runtime.ContainerStatusAsync(container, Token) ?? throw new InvalidOperationException($"no container {container}");
            if (isSo(status))
                return status;
            await events.MoveNextAsync();
        }
    }

    protected async Task WhenListeningAsync(ContainerId container) =>
        await WhenLoggedAsync((await Runtime.ContainerStatusAsync(container, Token))!.LogPath, "listening");

    /// <summary>Waits until a log holds a text.</summary>
    internal static async Task WhenLoggedAsync(string path, string text)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(Deadline);
        using var watcher = new FileSystemWatcher(Path.GetDirectoryName(path)!) { EnableRaisingEvents = true };
        while (!File.Exists(path) || !Output(path).Contains(text, StringComparison.Ordinal))
        {
            var changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            void Changed(object sender, FileSystemEventArgs e) => changed.TrySetResult();
            watcher.Changed += Changed;
            watcher.Created += Changed;
            if (!File.Exists(path) || !Output(path).Contains(text, StringComparison.Ordinal))
                await changed.Task.WaitAsync(limit.Token);
            watcher.Changed -= Changed;
            watcher.Created -= Changed;
        }
    }

    /// <summary>A log without times and streams: <c>2030-01-01T00:00:00.0+00:00 stdout F text</c>.</summary>
    protected static string Output(string logPath)
    {
        var text = new StringBuilder();
        foreach (var line in File.ReadAllLines(logPath))
        {
            var parts = line.Split(' ', 4);
            text.Append(parts.Length > 3 ? parts[3] : "");
            if (parts.Length > 2 && parts[2] == "F")
                text.Append('\n');
        }
        return text.ToString();
    }

    protected async Task<string> ExecAsync(ContainerId container, params string[] command)
    {
        var result = await Runtime.ExecSyncAsync(container, command, TimeSpan.FromSeconds(20), Token);
        Assert.True(result.ExitCode == 0, $"exit code {result.ExitCode}: {Encoding.UTF8.GetString(result.Stderr)}");
        return Encoding.UTF8.GetString(result.Stdout).TrimEnd('\n');
    }
}
