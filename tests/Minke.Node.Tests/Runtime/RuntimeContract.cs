using System.Text;
using Minke.Node.Runtime;

namespace Minke.Node.Tests.Runtime;

/// <summary>What a container of the contract tests does; each runtime under test makes a container of it.</summary>
public enum ContractProgram
{
    /// <summary>Runs until its stop signal, then ends with code 0.</summary>
    Waits,

    /// <summary>Takes no notice of its stop signal.</summary>
    Stubborn,

    /// <summary>Ends at once with code 0.</summary>
    Succeeds,

    /// <summary>Ends at once with code 3.</summary>
    Fails,

    /// <summary>Names a command that is not in the image.</summary>
    Missing,
}

/// <summary>What every <see cref="IContainerRuntime"/> does; one subclass for each implementation.</summary>
public abstract class RuntimeContract
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private int _lastUid;

    protected abstract IContainerRuntime Runtime { get; }
    protected abstract string LogDirectory { get; }
    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    protected abstract ContainerConfig Program(string name, ContractProgram program);

    /// <summary>Waits until a program that minds its stop signal does so: running it is not yet listening.</summary>
    protected virtual Task WhenListeningAsync(ContainerId container) => Task.CompletedTask;

    protected SandboxConfig Pod(string name = "web") => new()
    {
        Namespace = "default",
        Name = name,
        Uid = $"{name}-{++_lastUid}",
        Hostname = name,
        LogDirectory = Path.Combine(LogDirectory, name),
        Labels = new Dictionary<string, string> { ["app"] = "web" },
        HostsFile = "127.0.0.1\tlocalhost\n",
    };

    [Fact]
    public async Task A_sandbox_is_ready_once_it_is_run_and_lists_what_it_was_given()
    {
        var config = Pod();
        var id = await Runtime.RunSandboxAsync(config, Token);

        var status = Assert.Single(await Runtime.ListSandboxesAsync(Token), sandbox => sandbox.Id == id);
        Assert.Equal(SandboxState.Ready, status.State);
        Assert.Equal(config.Uid, status.Config.Uid);
        Assert.Equal("web", status.Config.Labels["app"]);
        Assert.Equal(status.CreatedAt, (await Runtime.SandboxStatusAsync(id, Token))?.CreatedAt);
    }

    [Fact]
    public async Task Stopping_and_removing_twice_or_what_never_was_succeeds()
    {
        var sandbox = await Runtime.RunSandboxAsync(Pod(), Token);
        var container = await Runtime.CreateContainerAsync(sandbox, Program("main", ContractProgram.Waits), Token);
        await Runtime.StartContainerAsync(container, Token);
        await WhenListeningAsync(container);
        for (var i = 0; i < 2; i++)
        {
            await Runtime.StopContainerAsync(container, TimeSpan.FromSeconds(5), Token);
            await Runtime.StopSandboxAsync(sandbox, Token);
        }
        for (var i = 0; i < 2; i++)
        {
            await Runtime.RemoveContainerAsync(container, Token);
            await Runtime.RemoveSandboxAsync(sandbox, Token);
        }
        await Runtime.RemoveContainerAsync(new ContainerId("never"), Token);
        await Runtime.StopContainerAsync(new ContainerId("never"), TimeSpan.Zero, Token);
        await Runtime.RemoveSandboxAsync(new SandboxId("never"), Token);
        Assert.Null(await Runtime.SandboxStatusAsync(sandbox, Token));
        Assert.Null(await Runtime.ContainerStatusAsync(container, Token));
        Assert.Null(await Runtime.ContainerStatsAsync(container, Token));
    }

    [Fact]
    public async Task A_container_goes_from_created_to_running_to_exited()
    {
        var sandbox = await Runtime.RunSandboxAsync(Pod(), Token);
        var container = await Runtime.CreateContainerAsync(sandbox, Program("main", ContractProgram.Waits), Token);
        var created = await StatusAsync(container);
        Assert.Equal(ContainerState.Created, created.State);
        Assert.Null(created.StartedAt);

        await Runtime.StartContainerAsync(container, Token);
        var running = await StatusAsync(container);
        Assert.Equal(ContainerState.Running, running.State);
        Assert.True(running.StartedAt >= running.CreatedAt);
        Assert.NotNull(await Runtime.ContainerStatsAsync(container, Token));

        await WhenListeningAsync(container);
        await Runtime.StopContainerAsync(container, TimeSpan.FromSeconds(10), Token);
        var exited = await StatusAsync(container);
        Assert.Equal((ContainerState.Exited, 0, "Completed"), (exited.State, exited.ExitCode, exited.Reason));
        Assert.True(exited.FinishedAt >= exited.StartedAt);
    }

    [Fact]
    public async Task Exit_codes_and_reasons_are_reported()
    {
        var sandbox = await Runtime.RunSandboxAsync(Pod(), Token);
        var good = await Runtime.CreateContainerAsync(sandbox, Program("good", ContractProgram.Succeeds), Token);
        var bad = await Runtime.CreateContainerAsync(sandbox, Program("bad", ContractProgram.Fails), Token);
        await Runtime.StartContainerAsync(good, Token);
        await Runtime.StartContainerAsync(bad, Token);

        var first = await WhenExitedAsync(good);
        var second = await WhenExitedAsync(bad);
        Assert.Equal((0, "Completed"), (first.ExitCode, first.Reason));
        Assert.Equal((3, "Error"), (second.ExitCode, second.Reason));
    }

    [Fact]
    public async Task What_ignores_its_stop_signal_is_killed_after_the_grace_period()
    {
        var sandbox = await Runtime.RunSandboxAsync(Pod(), Token);
        var container = await Runtime.CreateContainerAsync(sandbox, Program("main", ContractProgram.Stubborn), Token);
        await Runtime.StartContainerAsync(container, Token);
        await Runtime.StopContainerAsync(container, TimeSpan.FromMilliseconds(300), Token);

        var status = await StatusAsync(container);
        Assert.Equal((ContainerState.Exited, 137, "Error"), (status.State, status.ExitCode, status.Reason));
    }

    [Fact]
    public async Task A_missing_command_fails_the_start_and_leaves_a_terminated_container_that_says_why()
    {
        var sandbox = await Runtime.RunSandboxAsync(Pod(), Token);
        var container = await Runtime.CreateContainerAsync(sandbox, Program("main", ContractProgram.Missing), Token);
        var error = await Assert.ThrowsAsync<RuntimeException>(() => Runtime.StartContainerAsync(container, Token));
        Assert.Contains("not found in $PATH", error.Message, StringComparison.Ordinal);

        var status = await StatusAsync(container);
        Assert.Equal((ContainerState.Exited, 128, "StartError"), (status.State, status.ExitCode, status.Reason));
        Assert.Contains("not found in $PATH", status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopping_a_sandbox_kills_its_containers_and_keeps_their_status()
    {
        var sandbox = await Runtime.RunSandboxAsync(Pod(), Token);
        var container = await Runtime.CreateContainerAsync(sandbox, Program("main", ContractProgram.Stubborn), Token);
        await Runtime.StartContainerAsync(container, Token);
        await Runtime.StopSandboxAsync(sandbox, Token);

        Assert.Equal(SandboxState.NotReady, (await Runtime.SandboxStatusAsync(sandbox, Token))?.State);
        var status = await WhenExitedAsync(container);
        Assert.Equal(137, status.ExitCode);
        await Assert.ThrowsAsync<RuntimeException>(
            () => Runtime.CreateContainerAsync(sandbox, Program("late", ContractProgram.Waits), Token));
    }

    [Fact]
    public async Task Removing_a_sandbox_removes_its_running_containers()
    {
        var sandbox = await Runtime.RunSandboxAsync(Pod(), Token);
        var container = await Runtime.CreateContainerAsync(sandbox, Program("main", ContractProgram.Waits), Token);
        await Runtime.StartContainerAsync(container, Token);
        await Runtime.RemoveSandboxAsync(sandbox, Token);

        Assert.Null(await Runtime.ContainerStatusAsync(container, Token));
        Assert.DoesNotContain(await Runtime.ListContainersAsync(Token), status => status.Sandbox == sandbox);
    }

    [Fact]
    public async Task A_container_starts_once()
    {
        var sandbox = await Runtime.RunSandboxAsync(Pod(), Token);
        var container = await Runtime.CreateContainerAsync(sandbox, Program("main", ContractProgram.Waits), Token);
        await Runtime.StartContainerAsync(container, Token);
        await Assert.ThrowsAsync<RuntimeException>(() => Runtime.StartContainerAsync(container, Token));
        await Assert.ThrowsAsync<RuntimeException>(() => Runtime.StartContainerAsync(new ContainerId("never"), Token));
    }

    [Fact]
    public async Task Names_and_attempts_are_unique_within_a_sandbox()
    {
        var sandbox = await Runtime.RunSandboxAsync(Pod(), Token);
        await Runtime.CreateContainerAsync(sandbox, Program("main", ContractProgram.Waits), Token);
        await Assert.ThrowsAsync<RuntimeException>(
            () => Runtime.CreateContainerAsync(sandbox, Program("main", ContractProgram.Waits), Token));
        await Runtime.CreateContainerAsync(sandbox, Program("main", ContractProgram.Waits) with { Attempt = 1 }, Token);
    }

    [Fact]
    public async Task Events_tell_each_change_to_every_subscriber()
    {
        await using var events = Runtime.EventsAsync(Token).GetAsyncEnumerator(Token);
        var sandbox = await Runtime.RunSandboxAsync(Pod(), Token);
        var container = await Runtime.CreateContainerAsync(sandbox, Program("main", ContractProgram.Fails), Token);
        await Runtime.StartContainerAsync(container, Token);
        await WhenExitedAsync(container);
        await Runtime.RemoveContainerAsync(container, Token);

        List<RuntimeEventKind> seen = [];
        while (!seen.Contains(RuntimeEventKind.Removed) && await events.MoveNextAsync())
        {
            if (events.Current.Container == container)
                seen.Add(events.Current.Kind);
        }
        Assert.Equal(
            [RuntimeEventKind.Created, RuntimeEventKind.Started, RuntimeEventKind.Exited, RuntimeEventKind.Removed], seen);
    }

    [Fact]
    public async Task A_command_runs_to_its_end_with_its_output_and_code()
    {
        var container = await RunAsync(ContractProgram.Waits);
        var result = await Runtime.ExecSyncAsync(
            container, ["sh", "-c", "echo out; echo err >&2; exit 7"], TimeSpan.FromSeconds(10), Token);
        Assert.Equal((7, "out\n", "err\n"),
            (result.ExitCode, Encoding.UTF8.GetString(result.Stdout), Encoding.UTF8.GetString(result.Stderr)));
    }

    [Fact]
    public async Task A_command_that_takes_too_long_is_ended()
    {
        var container = await RunAsync(ContractProgram.Waits);
        await Assert.ThrowsAsync<TimeoutException>(
            () => Runtime.ExecSyncAsync(container, ["sleep", "1000"], TimeSpan.FromMilliseconds(200), Token));
    }

    [Fact]
    public async Task Nothing_is_executed_in_a_container_that_does_not_run()
    {
        var sandbox = await Runtime.RunSandboxAsync(Pod(), Token);
        var container = await Runtime.CreateContainerAsync(sandbox, Program("main", ContractProgram.Waits), Token);
        await Assert.ThrowsAsync<RuntimeException>(() => Runtime.ExecSyncAsync(container, ["true"], TimeSpan.FromSeconds(5), Token));
    }

    protected async Task<ContainerId> RunAsync(ContractProgram program)
    {
        var sandbox = await Runtime.RunSandboxAsync(Pod(), Token);
        var container = await Runtime.CreateContainerAsync(sandbox, Program("main", program), Token);
        await Runtime.StartContainerAsync(container, Token);
        return container;
    }

    protected async Task<ContainerStatus> StatusAsync(ContainerId container) =>
        await Runtime.ContainerStatusAsync(container, Token) ?? throw new InvalidOperationException($"no container {container}");

    /// <summary>The status once the container has ended, told by an event.</summary>
    protected async Task<ContainerStatus> WhenExitedAsync(ContainerId container)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(Deadline);
        var events = Runtime.EventsAsync(limit.Token);
        if (await StatusAsync(container) is { State: ContainerState.Exited } already)
        {
            await limit.CancelAsync();
            return already;
        }
        await foreach (var happened in events)
        {
            if (happened.Container == container && happened.Kind == RuntimeEventKind.Exited)
                return await StatusAsync(container);
        }
        throw new TimeoutException($"container {container} did not end");
    }
}
