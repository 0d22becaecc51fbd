using Minke.Node.Runtime;
using Minke.Node.Tests.Runtime;

namespace Minke.RealNode.Runtime;

/// <summary>The embedded runtime keeps the contract.</summary>
public sealed class EmbeddedRuntimeContract : RuntimeContract, IAsyncLifetime
{
    private readonly EmbeddedFixture _fixture = new();

    protected override IContainerRuntime Runtime => _fixture.Runtime;
    protected override string LogDirectory => _fixture.Logs;

    public async ValueTask InitializeAsync() => await _fixture.OpenAsync();
    public ValueTask DisposeAsync() => _fixture.DisposeAsync();

    protected override async Task WhenListeningAsync(ContainerId container) =>
        await EmbeddedTestBase.WhenLoggedAsync((await StatusAsync(container)).LogPath, "listening");

    protected override ContainerConfig Program(string name, ContractProgram program) => new()
    {
        Name = name,
        ImageId = BusyboxImages.Id,
        LogPath = $"{name}/0.log",
        Command = program switch
        {
            ContractProgram.Waits => ["sh", "-c", "trap 'exit 0' TERM; echo listening; while true; do sleep 1000 & wait; done"],
            ContractProgram.Stubborn => ["sh", "-c", "trap '' TERM; while true; do sleep 1000; done"],
            ContractProgram.Succeeds => ["true"],
            ContractProgram.Fails => ["sh", "-c", "exit 3"],
            _ => ["missing-command"],
        },
    };
}
