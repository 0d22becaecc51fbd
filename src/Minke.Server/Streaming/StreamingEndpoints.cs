using System.Buffers;
using System.Globalization;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Minke.Api;
using Minke.Client.Nodes;
using Minke.Server.Streaming.WebSockets;

namespace Minke.Server.Streaming;

/// <summary>
/// Serves <c>pods/exec</c>, <c>pods/attach</c>, <c>pods/portforward</c> and <c>pods/log</c> to a client that has been let in: the
/// caller has authenticated, authorised and validated, and found the pod.
/// </summary>
/// <remarks>
/// Every method returns when the connection has ended. What fails before the connection leaves HTTP is thrown, as
/// <see cref="StatusException"/>, and nothing has been answered then; what fails later is told in the protocol's own way. The protocols
/// are those of <c>k8s.io/kubelet/pkg/cri/streaming</c> and <c>k8s.io/apiserver/pkg/util/proxy</c> 1.32; docs/design/0006-streaming.md.
/// </remarks>
public sealed class StreamingEndpoints(StreamingOptions options, TimeProvider time)
{
    /// <summary>So many ports fit the numbers of a WebSocket's channels.</summary>
    private const int MaxWebSocketPorts = 127;
    private const int LogBufferBytes = 32 * 1024;

    /// <summary>A tunnel: SPDY inside a WebSocket, told apart by this before the SPDY version (KEP-4006).</summary>
    private const string TunnelProtocol = "SPDY/3.1+portforward.k8s.io";

    private static readonly string[] CommandWebSocketProtocols =
        ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io"];

    private static readonly string[] CommandSpdyProtocols = ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];
    private static readonly string[] ForwardWebSocketProtocols = [TunnelProtocol, "v4.channel.k8s.io", "v4.base64.channel.k8s.io"];
    private static readonly string[] ForwardSpdyProtocols = ["portforward.k8s.io"];
    private static readonly string[] LogWebSocketProtocols = ["binary.k8s.io", "base64.binary.k8s.io"];

    /// <summary>Runs a command in a container.</summary>
    /// <param name="http">The request; its method and path do not matter.</param>
    /// <param name="request">Which streams the client asked for, and the command (for messages).</param>
    /// <param name="start">
    /// Starts it; called once, after the client's protocol has been agreed and before 101 is answered. A <see cref="StatusException"/>
    /// below 500 is thrown on as the reply; any other failure goes to the client's error stream. The process is disposed here.
    /// </param>
    /// <exception cref="StatusException">No upgrade, none we know, or what <paramref name="start"/> threw.</exception>
    public Task ExecAsync(HttpContext http, ExecStreamsRequest request, Func<CancellationToken, Task<IProcessStreams>> start) =>
        RunCommandAsync(http, request, start, "error executing command in container",
            (process, channels, cancellationToken) => CommandRelay.ExecAsync(process, request.Command, channels, cancellationToken));

    /// <summary>Joins the streams of a container that runs already; the other words are those of <see cref="ExecAsync"/>.</summary>
    public Task AttachAsync(HttpContext http, ExecStreamsRequest request, Func<CancellationToken, Task<IProcessStreams>> attach) =>
        RunCommandAsync(http, request, attach, "error attaching to container", CommandRelay.AttachAsync);

    /// <summary>Carries connections to ports of a pod, any number side by side.</summary>
    /// <param name="http">The request; over a plain WebSocket its query names the ports.</param>
    /// <param name="pod">For messages.</param>
    /// <param name="connect">
    /// Opens one connection to the port given; disposed here. When it is a <see cref="System.Net.Sockets.NetworkStream"/> that owns its
    /// socket, the client's end of file is passed on.
    /// </param>
    /// <exception cref="StatusException">No upgrade, none we know, or no ports.</exception>
    public async Task PortForwardAsync(HttpContext http, PodReference pod, Func<int, CancellationToken, Task<Stream>> connect)
    {
        var upgrade = UpgradeRequest.Read(http, ForwardWebSocketProtocols, ForwardSpdyProtocols);
        var relay = new PortRelay(pod, connect);
        if (upgrade.IsWebSocket && upgrade.Protocol != TunnelProtocol)
        {
            var ports = ReadPorts(http.Request.Query["ports"]);
            var socket = await upgrade.AcceptWebSocketAsync(options.KeepAliveInterval).ConfigureAwait(false);
            await ForwardSession.RunAsync(socket, ChannelProtocol.Named(upgrade.Protocol), ports, relay, options, time, http.RequestAborted).ConfigureAwait(false);
            return;
        }
        using var tunnel = upgrade.IsWebSocket ? await upgrade.AcceptWebSocketAsync(options.KeepAliveInterval).ConfigureAwait(false) : null;
        var transport = tunnel is null
            ? await upgrade.AcceptSpdyAsync().ConfigureAwait(false)
            : WebSocketStream.Create(tunnel, WebSocketMessageType.Binary, closeTimeout: options.CloseTimeout);
        await using (transport.ConfigureAwait(false))
            await ForwardSession.RunAsync(transport, relay, options, time, http.RequestAborted).ConfigureAwait(false);
    }

    /// <summary>Sends a log as it is written, in messages when the client comes with a WebSocket. A client that disappears cancels the reading.</summary>
    /// <exception cref="StatusException">What <paramref name="open"/> threw; nothing has been answered then.</exception>
    public async Task LogsAsync(HttpContext http, Func<CancellationToken, Task<Stream>> open)
    {
        var cancellationToken = http.RequestAborted;
        var upgrade = MessageSocket.IsAsked(http) ? UpgradeRequest.Read(http, LogWebSocketProtocols, []) : null;
        var log = await open(cancellationToken).ConfigureAwait(false);
        await using (log.ConfigureAwait(false))
        {
            if (upgrade is not null)
            {
                await SendLogAsync(log, upgrade, cancellationToken).ConfigureAwait(false);
                return;
            }
            UpgradeRequest.Unhurried(http);
            http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
            http.Response.StatusCode = StatusCodes.Status200OK;
            http.Response.ContentType = "text/plain";
            var buffer = ArrayPool<byte>.Shared.Rent(LogBufferBytes);
            try
            {
                // The head goes out at once: a follower of a silent container should know that it follows.
                await http.Response.StartAsync(cancellationToken).ConfigureAwait(false);
                await http.Response.Body.FlushAsync(cancellationToken).ConfigureAwait(false);
                while (await log.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var read)
                {
                    await http.Response.Body.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
                    await http.Response.Body.FlushAsync(cancellationToken).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // Nobody listens any more.
            }
            catch (Exception error) when (error is IOException or StatusException)
            {
                // Half a log must not look like a whole one.
                http.Abort();
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    private async Task SendLogAsync(Stream log, UpgradeRequest upgrade, CancellationToken aborted)
    {
        var socket = await MessageSocket.OpenAsync(upgrade, isText: false, options, time, aborted).ConfigureAwait(false);
        await using (socket.ConfigureAwait(false))
        {
            var buffer = ArrayPool<byte>.Shared.Rent(LogBufferBytes);
            try
            {
                // As upstream, the first message is empty: a follower of a silent container should know that it follows.
                await socket.SendAsync(default, socket.Gone).ConfigureAwait(false);
                while (await log.ReadAsync(buffer, socket.Gone).ConfigureAwait(false) is > 0 and var read)
                    await socket.SendAsync(buffer.AsMemory(0, read), socket.Gone).ConfigureAwait(false);
                await socket.CloseAsync().ConfigureAwait(false);
            }
            catch (Exception error) when (MessageSocket.IsHangUp(error) || error is StatusException)
            {
                // Nobody listens any more, or half a log must not look like a whole one: no farewell.
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    private async Task RunCommandAsync(
        HttpContext http, ExecStreamsRequest request, Func<CancellationToken, Task<IProcessStreams>> start, string what,
        Func<IProcessStreams, CommandChannels, CancellationToken, Task> run)
    {
        var upgrade = UpgradeRequest.Read(http, CommandWebSocketProtocols, CommandSpdyProtocols);
        IProcessStreams? process = null;
        Exception? failure = null;
        try
        {
            process = await start(http.RequestAborted).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not OperationCanceledException and not StatusException { Code: < 500 })
        {
            failure = error;
        }

        try
        {
            await ServeCommandAsync(upgrade, request, async (channels, gone) =>
            {
                if (process is not null)
                    await run(process, channels, gone).ConfigureAwait(false);
                else
                    await CommandRelay.FailAsync(failure!, what, channels, gone).ConfigureAwait(false);
            }, http.RequestAborted).ConfigureAwait(false);
        }
        finally
        {
            // A client that is gone takes its command with it.
            if (process is not null)
                await process.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task ServeCommandAsync(
        UpgradeRequest upgrade, ExecStreamsRequest request, Func<CommandChannels, CancellationToken, Task> run, CancellationToken aborted)
    {
        var connection = await CommandConnection.OpenAsync(upgrade, request, options, time, aborted).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            try
            {
                await run(await connection.AcceptChannelsAsync().ConfigureAwait(false), connection.Gone).ConfigureAwait(false);
                await connection.CloseAsync().ConfigureAwait(false);
            }
            catch (Exception error) when (error is IOException or OperationCanceledException)
            {
                // The client is gone, or never opened its streams.
            }
        }
    }

    /// <summary>Clients name them <c>ports</c>; the API server reads them first, and then the kubelet, to whom they go as <c>port</c>.</summary>
    private static List<int> ReadPorts(Microsoft.Extensions.Primitives.StringValues values)
    {
        if (values.Count == 0)
            throw StatusException.BadRequest("query parameter \"port\" is required");
        var ports = new List<int>();
        foreach (var text in values.SelectMany(value => (value ?? "").Split(',')))
        {
            if (!ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port))
            {
                var cause = text.Length > 0 && text.All(char.IsAsciiDigit) ? "value out of range" : "invalid syntax";
                throw StatusException.BadRequest($"cannot convert to []int32: strconv.ParseUint: parsing {FieldErrors.Quote(text)}: {cause}");
            }
            ports.Add(port);
        }
        if (ports.Contains(0))
            throw StatusException.BadRequest($"port {FieldErrors.Quote(string.Join(',', ports))} must be > 0");
        if (ports.Count > MaxWebSocketPorts)
            throw StatusException.BadRequest($"at most {MaxWebSocketPorts} ports fit one connection");
        return ports;
    }
}
