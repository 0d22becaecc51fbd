using System.Text;
using Minke.Client.Nodes;

namespace Minke.Server.Tests;

/// <summary>A node that says what it is asked.</summary>
internal sealed class FakeNode : INodeDirectory, INodeEndpoint
{
    /// <summary>What it says its containers use.</summary>
    public IReadOnlyList<ContainerUsage> Containers { get; set; } = [];

    public INodeEndpoint? Find(string nodeName) => nodeName == "n" ? this : null;

    public Task<Stream> LogsAsync(PodReference pod, LogRequest request, CancellationToken cancellationToken) =>
        Task.FromResult<Stream>(new MemoryStream(Encoding.UTF8.GetBytes($"{pod.Name}/{request.Container} tail={request.TailLines} follow={request.Follow}\n")));

    public Task<IProcessStreams> ExecAsync(PodReference pod, ExecStreamsRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IProcessStreams> AttachAsync(PodReference pod, ExecStreamsRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<Stream> PortForwardAsync(PodReference pod, int port, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<NodeUsage> UsageAsync(CancellationToken cancellationToken) => Task.FromResult(new NodeUsage(
        DateTimeOffset.UnixEpoch, TimeSpan.FromSeconds(10), new(1_500_000_000, 3 << 20), Containers));

    public Task<NodeDocument?> ReadAsync(string path, CancellationToken cancellationToken) =>
        Task.FromResult(path == "/healthz" ? new NodeDocument("text/plain; charset=utf-8", "ok"u8.ToArray()) : null);
}
