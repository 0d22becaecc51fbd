using Minke.Api;
using Minke.Client.Nodes;
using Minke.Node.Linux;
using Minke.Node.Pods.Logs;
using Minke.Node.Runtime;
using ApiContainerStatus = Minke.Api.Core.V1.ContainerStatus;
using ContainerState = Minke.Node.Runtime.ContainerState;
using ContainerStatus = Minke.Node.Runtime.ContainerStatus;

namespace Minke.Node.Pods;

/// <summary>What kubectl asks of a node, with the kubelet's words for what cannot be done.</summary>
internal sealed class NodeEndpoint : INodeEndpoint, IDisposable
{
    private readonly PodLoops _pods;
    private readonly IContainerRuntime _runtime;
    private readonly UsageSampler _usage;
    private readonly NodeDocuments _documents;
    private readonly Lock _gate = new(); // guards _poller
    private Poller? _poller;

    public NodeEndpoint(NodeSettings settings, PodLoops pods, IContainerRuntime runtime, TimeProvider time)
    {
        (_pods, _runtime) = (pods, runtime);
        _usage = new UsageSampler(pods, runtime, time);
        _documents = new NodeDocuments(settings, pods, _usage);
    }

    public Task<Stream> LogsAsync(PodReference pod, LogRequest request, CancellationToken cancellationToken)
    {
        var loop = Find(pod);
        var id = LoggedInstance(loop, request);
        var container = loop.View.Containers.FirstOrDefault(container => container.Id.Value == id)
            ?? throw StatusException.BadRequest($"unable to retrieve container logs for minke://{id}");
        var follow = request.Follow && !request.Previous;
        return Task.FromResult<Stream>(new LogStream(container.LogPath, request, follow ? SharedPoller() : null, () => WhileRunning(loop, container.Id)));
    }

    public async Task<IProcessStreams> ExecAsync(PodReference pod, ExecStreamsRequest request, CancellationToken cancellationToken)
    {
        var container = Running(Find(pod), request.Container);
        return await TryAsync(() => _runtime.ExecAsync(
            container.Id, new ExecRequest(request.Command, request.Stdin, request.Stdout, request.Stderr, request.Tty), cancellationToken));
    }

    public async Task<IProcessStreams> AttachAsync(PodReference pod, ExecStreamsRequest request, CancellationToken cancellationToken)
    {
        var container = Running(Find(pod), request.Container);
        return await TryAsync(() => _runtime.AttachAsync(
            container.Id, new AttachRequest(request.Stdin, request.Stdout, request.Stderr, request.Tty), cancellationToken));
    }

    public async Task<Stream> PortForwardAsync(PodReference pod, int port, CancellationToken cancellationToken)
    {
        var sandbox = Find(pod).View.NewestSandbox;
        if (sandbox is not { State: SandboxState.Ready })
            throw StatusException.InternalError($"pod {pod.Name}_{pod.Namespace} is not running");
        try
        {
            return await _runtime.PortForwardAsync(sandbox.Id, port, cancellationToken);
        }
        catch (RuntimeException e)
        {
            // The message goes into a stream of errors, not into a Status: no words in front of it.
            throw StatusException.Of(500, "InternalError", e.Message, null);
        }
    }

    public Task<NodeUsage> UsageAsync(CancellationToken cancellationToken) => _usage.RateAsync(cancellationToken);

    public Task<NodeDocument?> ReadAsync(string path, CancellationToken cancellationToken) => _documents.ReadAsync(path, cancellationToken);

    public void Dispose() => _poller?.Dispose();

    private PodLoop Find(PodReference pod) =>
        _pods.Find(pod.Namespace, pod.Name, pod.Uid) ?? throw StatusException.NotFound("", "pods", pod.Name);

    private Poller SharedPoller()
    {
        lock (_gate)
            return _poller ??= new Poller();
    }

    private static Task? WhileRunning(PodLoop loop, ContainerId id)
    {
        // The task first: a change after it was taken completes it.
        var change = loop.NextChange;
        return loop.View.Containers.Any(container => container.Id == id && container.State == ContainerState.Running) ? change : null;
    }

    private static ContainerStatus Running(PodLoop loop, string container) =>
        loop.View.Latest(container) is { State: ContainerState.Running } found
            ? found : throw StatusException.Of(404, "NotFound", $"container not found (\"{container}\")", null);

    private static async Task<T> TryAsync<T>(Func<Task<T>> call)
    {
        try
        {
            return await call();
        }
        catch (RuntimeException e)
        {
            throw StatusException.InternalError(e.Message);
        }
    }

    /// <summary>Which instance a log request means (kubelet_pods.go: validateContainerLogStatus).</summary>
    private static string LoggedInstance(PodLoop loop, LogRequest request)
    {
        var (container, pod) = (request.Container, loop.Pod.Metadata.Name);
        var status = loop.Status;
        var found = status.ContainerStatuses.Concat(status.InitContainerStatuses).Concat(status.EphemeralContainerStatuses)
            .FirstOrDefault(one => one.Name == container)
            ?? throw StatusException.BadRequest($"container \"{container}\" in pod \"{pod}\" is not available");
        var last = found.LastState.Terminated;
        if (request.Previous)
            return last is { ContainerID.Length: > 0 } ? PodStatusBuilder.IdOf(last.ContainerID)
                : throw StatusException.BadRequest($"previous terminated container \"{container}\" in pod \"{pod}\" not found");
        if (found.State.Running is not null)
            return PodStatusBuilder.IdOf(found.ContainerID);
        if (found.State.Terminated is { ContainerID.Length: > 0 } ended)
            return PodStatusBuilder.IdOf(ended.ContainerID);
        if (last is { ContainerID.Length: > 0 })
            return PodStatusBuilder.IdOf(last.ContainerID);
        if (last is not null || found.State.Terminated is not null)
            throw StatusException.BadRequest($"container \"{container}\" in pod \"{pod}\" is terminated");
        throw StatusException.BadRequest(WaitingMessage(found, container, pod));
    }

    private static string WaitingMessage(ApiContainerStatus status, string container, string pod)
    {
        var start = $"container \"{container}\" in pod \"{pod}\" is waiting to start";
        return status.State.Waiting?.Reason switch
        {
            null => start + " - no logs yet",
            "ErrImagePull" => start + ": image can't be pulled",
            "ImagePullBackOff" => start + ": trying and failing to pull image",
            var reason => start + ": " + reason,
        };
    }
}
