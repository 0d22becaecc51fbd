using System.Net.WebSockets;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Minke.Server.Streaming.WebSockets;

/// <summary>
/// A WebSocket over which only we talk: an answer that is a stream, in messages instead of in a body. What a client says is not
/// listened to; that it leaves, is. (k8s.io/apiserver wsstream.Reader; WatchServer.HandleWS)
/// </summary>
internal sealed class MessageSocket : UpgradedConnection
{
    private readonly WebSocket _socket;
    private readonly WebSocketMessageType _type;
    private readonly bool _isBase64;
    private readonly StreamingOptions _options;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _gone;
    private readonly Task _receiving;

    private MessageSocket(WebSocket socket, bool isText, bool isBase64, StreamingOptions options, TimeProvider time, CancellationToken aborted)
    {
        (_socket, _isBase64, _options, _time) = (socket, isBase64, options, time);
        _type = isText || isBase64 ? WebSocketMessageType.Text : WebSocketMessageType.Binary;
        _gone = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        _receiving = ReceiveAsync();
    }

    public override CancellationToken Gone => _gone.Token;

    /// <summary>Whether the client would rather have messages than a body.</summary>
    public static bool IsAsked(HttpContext http) => http.Features.Get<IHttpUpgradeFeature>() is { IsUpgradableRequest: true }
        && http.Request.Headers.Upgrade.ToString().Contains("websocket", StringComparison.OrdinalIgnoreCase);

    /// <param name="upgrade">What was agreed on; a protocol with base64 in its name makes every message text.</param>
    /// <param name="isText">Of messages that are no base64.</param>
    /// <param name="options">The deadlines.</param>
    /// <param name="time">By which they are.</param>
    /// <param name="aborted">Ends it.</param>
    public static async Task<MessageSocket> OpenAsync(
        UpgradeRequest upgrade, bool isText, StreamingOptions options, TimeProvider time, CancellationToken aborted) => new(
        await upgrade.AcceptWebSocketAsync(options.KeepAliveInterval).ConfigureAwait(false), isText,
        isBase64: upgrade.Protocol.StartsWith("base64.binary.", StringComparison.Ordinal), options, time, aborted);

    public ValueTask SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken) => _socket.SendAsync(
        _isBase64 ? Encoding.ASCII.GetBytes(Convert.ToBase64String(message.Span)) : message, _type, endOfMessage: true, cancellationToken);

    public override async Task CloseAsync()
    {
        using var deadline = new CancellationTokenSource(_options.CloseTimeout, _time);
        await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, deadline.Token).ConfigureAwait(false);
        await _receiving.WaitAsync(deadline.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public override async ValueTask DisposeAsync()
    {
        await _gone.CancelAsync().ConfigureAwait(false);
        try
        {
            // Who says goodbye is answered.
            if (_socket.State == WebSocketState.CloseReceived)
                await CloseAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (IsHangUp(error))
        {
            // It did not wait for it.
        }
        _socket.Abort();
        await _receiving.ConfigureAwait(false);
        _socket.Dispose();
        _gone.Dispose();
    }

    /// <summary>Whether an error says no more than that the client has left.</summary>
    public static bool IsHangUp(Exception error) => error is WebSocketException or IOException or OperationCanceledException or ObjectDisposedException;

    private async Task ReceiveAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        var ignored = new byte[256];
        try
        {
            while ((await _socket.ReceiveAsync(ignored.AsMemory(), _gone.Token).ConfigureAwait(false)).MessageType != WebSocketMessageType.Close)
            {
                // Nothing that is said here means anything.
            }
        }
        catch (Exception error) when (IsHangUp(error))
        {
            // It left without a word.
        }
        finally
        {
            await _gone.CancelAsync().ConfigureAwait(false);
        }
    }
}
