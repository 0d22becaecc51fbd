using Minke.Client.Nodes;
using Minke.Node.Runtime;

namespace Minke.Node.Tests.Pods.Probes;

/// <summary>A runtime of which a test needs one verb, and must not touch the others.</summary>
internal abstract class UnusedRuntime : IContainerRuntime
{
    public abstract Task<ExecResult> ExecSyncAsync(
        ContainerId container, IReadOnlyList<string> command, TimeSpan timeout, CancellationToken cancellationToken);

    public Task<RuntimeVersion> VersionAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<SandboxId> RunSandboxAsync(SandboxConfig config, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task StopSandboxAsync(SandboxId sandbox, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task RemoveSandboxAsync(SandboxId sandbox, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<SandboxStatus?> SandboxStatusAsync(SandboxId sandbox, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<IReadOnlyList<SandboxStatus>> ListSandboxesAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<ContainerId> CreateContainerAsync(SandboxId sandbox, ContainerConfig config, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task StartContainerAsync(ContainerId container, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task StopContainerAsync(ContainerId container, TimeSpan grace, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task RemoveContainerAsync(ContainerId container, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<ContainerStatus?> ContainerStatusAsync(ContainerId container, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<IReadOnlyList<ContainerStatus>> ListContainersAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task UpdateContainerResourcesAsync(ContainerId container, LinuxResources resources, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task ReopenLogAsync(ContainerId container, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<IProcessStreams> ExecAsync(ContainerId container, ExecRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<IProcessStreams> AttachAsync(ContainerId container, AttachRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<Stream> PortForwardAsync(SandboxId sandbox, int port, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<ContainerStats?> ContainerStatsAsync(ContainerId container, CancellationToken cancellationToken) => throw new NotSupportedException();
    public IAsyncEnumerable<RuntimeEvent> EventsAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
