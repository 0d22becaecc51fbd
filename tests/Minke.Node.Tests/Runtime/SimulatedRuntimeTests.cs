using Minke.Node.Runtime;
using Minke.Node.Runtime.Simulated;
using Minke.TestSupport;

namespace Minke.Node.Tests.Runtime;

/// <summary>The simulated runtime keeps the contract…</summary>
public sealed class SimulatedRuntimeContract : RuntimeContract, IAsyncDisposable
{
    private readonly SimulatedRuntime _runtime = new(TimeProvider.System)
    {
        Programs = (_, container) => container.Args switch
        {
            ["stubborn"] => new SimulatedProgram { IgnoresStopSignal = true },
            ["succeeds"] => SimulatedProgram.Exits(0),
            ["fails"] => SimulatedProgram.Exits(3),
            ["missing"] => new SimulatedProgram { StartError = "exec: \"missing\": executable file not found in $PATH: unknown" },
            _ => new SimulatedProgram { StopExitCode = 0 },
        },
        Commands = (_, command) => command[0] == "sleep"
            ? new SimulatedCommand(0) { Takes = TimeSpan.FromSeconds(1000) }
            : new SimulatedCommand(7, "out\n", "err\n"),
    };

    protected override IContainerRuntime Runtime => _runtime;
    protected override string LogDirectory => "/nowhere";

    protected override ContainerConfig Program(string name, ContractProgram program) => new()
    {
        Name = name,
        ImageId = "sha256:0",
        LogPath = $"{name}.log",
        Args = [program.ToString().ToLowerInvariant()],
    };

    public ValueTask DisposeAsync() => _runtime.DisposeAsync();
}

/// <summary>…and does what a test tells it.</summary>
public sealed class SimulatedRuntimeTests : IAsyncDisposable
{
    private readonly ManualTime _time = new();
    private readonly SimulatedRuntime _runtime;

    public SimulatedRuntimeTests() => _runtime = new SimulatedRuntime(_time);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _runtime.DisposeAsync();

    [Fact]
    public async Task A_program_ends_when_its_time_has_passed_and_not_before()
    {
        _runtime.Programs = (_, _) => SimulatedProgram.Exits(5, TimeSpan.FromSeconds(30));
        var container = await StartAsync();
        _time.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal(ContainerState.Running, (await _runtime.ContainerStatusAsync(container, Token))?.State);
        _time.Advance(TimeSpan.FromSeconds(1));
        var status = await _runtime.ContainerStatusAsync(container, Token);
        Assert.Equal((ContainerState.Exited, 5, "Error"), (status!.State, status.ExitCode, status.Reason));
    }

    [Fact]
    public async Task The_grace_period_passes_on_the_simulated_clock()
    {
        _runtime.Programs = (_, _) => new SimulatedProgram { IgnoresStopSignal = true };
        var container = await StartAsync();
        var stop = _runtime.StopContainerAsync(container, TimeSpan.FromSeconds(30), Token);
        Assert.False(stop.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(30));
        await stop;
        Assert.Equal(137, (await _runtime.ContainerStatusAsync(container, Token))?.ExitCode);
    }

    [Fact]
    public async Task A_fault_strikes_as_often_as_told_and_only_its_subject()
    {
        _runtime.Fail(RuntimeVerb.StartContainer, new RuntimeException("no"), times: 2, subject: "default/web/main");
        var other = await StartAsync("other");
        Assert.Equal(ContainerState.Running, (await _runtime.ContainerStatusAsync(other, Token))?.State);
        var sandbox = await _runtime.RunSandboxAsync(Pod("web"), Token);
        var container = await _runtime.CreateContainerAsync(sandbox, Main, Token);
        await Assert.ThrowsAsync<RuntimeException>(() => _runtime.StartContainerAsync(container, Token));
        await Assert.ThrowsAsync<RuntimeException>(() => _runtime.StartContainerAsync(container, Token));
        await _runtime.StartContainerAsync(container, Token);
        Assert.Equal(4, _runtime.Calls.Count(call => call.Verb == RuntimeVerb.StartContainer));
    }

    [Fact]
    public async Task A_delayed_verb_takes_its_time()
    {
        _runtime.Delay(RuntimeVerb.RunSandbox, TimeSpan.FromSeconds(2));
        var run = _runtime.RunSandboxAsync(Pod("web"), Token);
        Assert.False(run.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(2));
        await run;
    }

    [Fact]
    public async Task Memory_kills_are_told_apart()
    {
        var container = await StartAsync();
        await using var events = _runtime.EventsAsync(Token).GetAsyncEnumerator(Token);
        _runtime.RunOutOfMemory(container);
        Assert.True(await events.MoveNextAsync());
        Assert.Equal(RuntimeEventKind.OutOfMemory, events.Current.Kind);
        var status = await _runtime.ContainerStatusAsync(container, Token);
        Assert.Equal((137, "OOMKilled"), (status!.ExitCode, status.Reason));
    }

    [Fact]
    public async Task Ids_depend_on_the_node_and_the_order_of_calls_alone()
    {
        await using var twin = new SimulatedRuntime(_time);
        Assert.Equal(await twin.RunSandboxAsync(Pod("a"), Token), await _runtime.RunSandboxAsync(Pod("b"), Token));
    }

    private static ContainerConfig Main => new() { Name = "main", ImageId = "sha256:0", LogPath = "main.log" };

    private static SandboxConfig Pod(string name) => new() { Namespace = "default", Name = name, Uid = name, LogDirectory = "/nowhere" };

    private async Task<ContainerId> StartAsync(string pod = "pod")
    {
        var sandbox = await _runtime.RunSandboxAsync(Pod(pod), Token);
        var container = await _runtime.CreateContainerAsync(sandbox, Main, Token);
        await _runtime.StartContainerAsync(container, Token);
        return container;
    }
}
