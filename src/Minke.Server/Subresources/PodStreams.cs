using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client.Nodes;
using Minke.Server.Admission;
using Minke.Server.Registry;
using Minke.Server.Requests;
using Minke.Server.Streaming;

namespace Minke.Server.Subresources;

/// <summary>Logs, commands and ports of a pod: which container, on which node; the connection itself is <see cref="StreamingEndpoints"/>'.</summary>
internal sealed class PodStreams(ObjectRegistry registry, ConnectAdmission admission, INodeDirectory nodes, StreamingEndpoints streaming)
{
    private readonly Resource _pods = registry.Catalog.Find(Pod.KindInfo)!;

    public async ValueTask LogsAsync(ApiRequest request)
    {
        var pod = Find(request);
        var options = QueryValues.Read(request.Http, PodLogOptions.FromQuery);
        Validate(pod, options);
        var container = ContainerOf(pod, options.Container);
        if (pod.Spec.NodeName.Length == 0)
        {
            await Responses.TextAsync(request.Http, 200, "", "text/plain"); // Nothing has run, so nothing was said.
            return;
        }
        var log = new LogRequest
        {
            Container = container,
            Follow = options.Follow,
            Previous = options.Previous,
            Timestamps = options.Timestamps,
            Since = options.SinceTime is { } time ? time.ToDateTimeOffset()
                : options.SinceSeconds is { } seconds ? registry.Clock.GetUtcNow().AddSeconds(-seconds) : null,
            TailLines = options.TailLines,
            LimitBytes = options.LimitBytes,
        };
        var node = NodeOf(pod);
        await streaming.LogsAsync(request.Http, cancellationToken => node.LogsAsync(Reference(pod), log, cancellationToken));
    }

    public async ValueTask ExecAsync(ApiRequest request)
    {
        var options = await admission.AdmitAsync(request, AdmittedBody.ExecOptions, QueryValues.Read(request.Http, PodExecOptions.FromQuery), PodExecOptions.FromQuery, static options => new()
        {
            ["stdin"] = Flag(options.Stdin),
            ["stdout"] = Flag(options.Stdout),
            ["stderr"] = Flag(options.Stderr),
            ["tty"] = Flag(options.Tty),
            ["container"] = ConnectAdmission.Text(options.Container),
            ["command"] = options.Command.IsEmpty ? null : new JsonArray([.. options.Command.Select(word => JsonValue.Create(word))]),
        });
        var pod = Find(request);
        var streams = new ExecStreamsRequest
        {
            Container = ContainerOf(pod, options.Container),
            Command = [.. options.Command],
            Stdin = options.Stdin,
            Stdout = options.Stdout,
            Stderr = options.Stderr && !options.Tty,
            Tty = options.Tty,
        };
        var node = AssignedNode(pod);
        CheckStreams(streams);
        if (streams.Command.Count == 0)
            throw StatusException.BadRequest("you must specify at least one command for the container");
        await streaming.ExecAsync(request.Http, streams, cancellationToken => node.ExecAsync(Reference(pod), streams, cancellationToken));
    }

    public async ValueTask AttachAsync(ApiRequest request)
    {
        var options = await admission.AdmitAsync(request, AdmittedBody.AttachOptions, QueryValues.Read(request.Http, PodAttachOptions.FromQuery), PodAttachOptions.FromQuery, static options => new()
        {
            ["stdin"] = Flag(options.Stdin),
            ["stdout"] = Flag(options.Stdout),
            ["stderr"] = Flag(options.Stderr),
            ["tty"] = Flag(options.Tty),
            ["container"] = ConnectAdmission.Text(options.Container),
        });
        var pod = Find(request);
        var streams = new ExecStreamsRequest
        {
            Container = ContainerOf(pod, options.Container),
            Stdin = options.Stdin,
            Stdout = options.Stdout,
            Stderr = options.Stderr && !options.Tty,
            Tty = options.Tty,
        };
        var node = AssignedNode(pod);
        CheckStreams(streams);
        await streaming.AttachAsync(request.Http, streams, cancellationToken => node.AttachAsync(Reference(pod), streams, cancellationToken));
    }

    public async ValueTask PortForwardAsync(ApiRequest request)
    {
        _ = await admission.AdmitAsync(request, AdmittedBody.PortForwardOptions, QueryValues.Read(request.Http, PodPortForwardOptions.FromQuery), PodPortForwardOptions.FromQuery, static options => new()
        {
            ["ports"] = options.Ports.IsEmpty ? null : new JsonArray([.. options.Ports.Select(port => JsonValue.Create(port))]),
        });
        var pod = Find(request);
        var node = AssignedNode(pod);
        var reference = Reference(pod);
        await streaming.PortForwardAsync(request.Http, reference, (port, cancellationToken) => node.PortForwardAsync(reference, port, cancellationToken));
    }

    private static JsonValue? Flag(bool isOn) => isOn ? JsonValue.Create(true) : null;

    private Pod Find(ApiRequest request) => (Pod)StoredObject.Read(_pods, registry.GetEntry(_pods, request.Namespace, request.Name));

    private INodeEndpoint AssignedNode(Pod pod) => pod.Spec.NodeName.Length == 0
        ? throw StatusException.BadRequest($"pod {pod.Metadata.Name} does not have a host assigned")
        : NodeOf(pod);

    private INodeEndpoint NodeOf(Pod pod) => nodes.Find(pod.Spec.NodeName)
        ?? throw StatusException.ServiceUnavailable($"node \"{pod.Spec.NodeName}\" of pod {pod.Metadata.Namespace}/{pod.Metadata.Name} cannot be reached");

    private static PodReference Reference(Pod pod) => new(pod.Metadata.Namespace, pod.Metadata.Name, pod.Metadata.Uid);

    /// <summary>The container asked for, or the only one. (pkg/registry/core/pod validateContainer)</summary>
    private static string ContainerOf(Pod pod, string asked)
    {
        var spec = pod.Spec;
        if (asked.Length > 0)
        {
            var isThere = spec.Containers.Any(one => one.Name == asked) || spec.InitContainers.Any(one => one.Name == asked)
                || spec.EphemeralContainers.Any(one => one.Name == asked);
            return isThere ? asked : throw StatusException.BadRequest($"container {asked} is not valid for pod {pod.Metadata.Name}");
        }
        if (spec.Containers.Count == 1)
            return spec.Containers[0].Name;
        var message = $"a container name must be specified for pod {pod.Metadata.Name}";
        if (!spec.Containers.IsEmpty)
            message += $", choose one of: [{string.Join(' ', spec.Containers.Select(one => one.Name))}]";
        if (!spec.InitContainers.IsEmpty)
            message += $" or one of the init containers: [{string.Join(' ', spec.InitContainers.Select(one => one.Name))}]";
        if (!spec.EphemeralContainers.IsEmpty)
            message += $" or one of the ephemeral containers: [{string.Join(' ', spec.EphemeralContainers.Select(one => one.Name))}]";
        throw StatusException.BadRequest(message);
    }

    private static void CheckStreams(ExecStreamsRequest streams)
    {
        if (!streams.Stdin && !streams.Stdout && !streams.Stderr)
            throw StatusException.BadRequest("you must specify at least 1 of stdin, stdout, stderr");
    }

    private static void Validate(Pod pod, PodLogOptions options)
    {
        var errors = new FieldErrors();
        if (options.TailLines < 0)
            errors.Invalid("tailLines", options.TailLines, "must be greater than or equal to 0");
        if (options.LimitBytes < 1)
            errors.Invalid("limitBytes", options.LimitBytes, "must be greater than 0");
        if (options.SinceSeconds is not null && options.SinceTime is not null)
            errors.Forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified");
        else if (options.SinceSeconds < 1)
            errors.Invalid("sinceSeconds", options.SinceSeconds, "must be greater than 0");
        if (options.Stream is not (null or "" or "All"))
            errors.Forbidden("stream", "may not be specified");
        if (errors.Count > 0)
            throw StatusException.Invalid("", "PodLogOptions", pod.Metadata.Name, errors);
    }
}
