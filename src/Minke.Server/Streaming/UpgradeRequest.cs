using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Server.Streaming;

/// <summary>
/// A request to leave HTTP, checked before anything is answered: what fails here is an ordinary <c>Status</c> reply.
/// </summary>
internal sealed class UpgradeRequest
{
    private const string SpdyProtocol = "SPDY/3.1";
    private const string ProtocolVersionHeader = "X-Stream-Protocol-Version";
    private const string AcceptedVersionsHeader = "X-Accepted-Stream-Protocol-Versions";

    /// <summary>RFC 6455, 1.3.</summary>
    private const string WebSocketGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

    private readonly HttpContext _http;

    private UpgradeRequest(HttpContext http, bool isWebSocket, string protocol)
    {
        _http = http;
        IsWebSocket = isWebSocket;
        Protocol = protocol;
    }

    public bool IsWebSocket { get; }

    /// <summary>The version both sides know; empty when the client named none.</summary>
    public string Protocol { get; }

    /// <summary>Chooses the first version of the client's that we know too.</summary>
    /// <param name="http">The request.</param>
    /// <param name="webSocketProtocols">What we know over a WebSocket.</param>
    /// <param name="spdyProtocols">What we know over SPDY.</param>
    /// <exception cref="StatusException">It asks for no upgrade, or for none we know.</exception>
    public static UpgradeRequest Read(HttpContext http, IReadOnlyList<string> webSocketProtocols, IReadOnlyList<string> spdyProtocols)
    {
        var headers = http.Request.Headers;
        if (http.Features.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true, Protocol: var protocol })
        {
            if (!string.Equals(protocol, "websocket", StringComparison.OrdinalIgnoreCase))
                throw StatusException.BadRequest("Upgrade request required");
            return new(http, isWebSocket: true, NegotiateWebSocket(http, webSocketProtocols));
        }

        if (http.Features.Get<IHttpUpgradeFeature>() is not { IsUpgradableRequest: true })
            throw StatusException.BadRequest("Upgrade request required");
        if (Contains(headers.Upgrade, "websocket"))
        {
            if (headers.SecWebSocketVersion != "13")
                throw StatusException.BadRequest("unable to upgrade: unsupported WebSocket version");
            if (!IsKey(headers.SecWebSocketKey))
                throw StatusException.BadRequest("unable to upgrade: invalid Sec-WebSocket-Key");
            return new(http, isWebSocket: true, NegotiateWebSocket(http, webSocketProtocols));
        }
        if (Contains(headers.Upgrade, SpdyProtocol))
            return new(http, isWebSocket: false, NegotiateSpdy(http, spdyProtocols));
        throw StatusException.BadRequest("Upgrade request required");
    }

    /// <summary>Answers 101 and hands over the connection.</summary>
    public async Task<Stream> AcceptSpdyAsync()
    {
        LiftLimits();
        var headers = _http.Response.Headers;
        headers.Upgrade = SpdyProtocol;
        if (Protocol.Length > 0)
            headers[ProtocolVersionHeader] = Protocol;
        return await _http.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync().ConfigureAwait(false);
    }

    /// <summary>Answers 101 (on HTTP/2: 200) and hands over the socket.</summary>
    /// <param name="keepAlive">How often to send a pong nobody asked for: it keeps clients patient whose pings wait behind their own data.</param>
    public async Task<WebSocket> AcceptWebSocketAsync(TimeSpan keepAlive)
    {
        LiftLimits();
        var headers = _http.Response.Headers;
        if (Protocol.Length > 0)
            headers.SecWebSocketProtocol = Protocol;
        Stream transport;
        if (_http.Features.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true } connect)
        {
            transport = await connect.AcceptAsync().ConfigureAwait(false);
        }
        else
        {
            headers.Upgrade = "websocket";
            headers.SecWebSocketAccept = AcceptKey(_http.Request.Headers.SecWebSocketKey!);
            transport = await _http.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync().ConfigureAwait(false);
        }
        // The subprotocol is only told to the client, above: .NET would not have one with a slash, as the tunnel's has.
        return WebSocket.CreateFromStream(transport, new WebSocketCreationOptions { IsServer = true, KeepAliveInterval = keepAlive });
    }

    /// <summary>Streams may rest as long as they like, and last: the server's minimum rates are for requests that hold it up.</summary>
    private void LiftLimits()
    {
        Unhurried(_http);
        _http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
    }

    /// <summary>Takes the minimum data rates off a connection.</summary>
    public static void Unhurried(HttpContext http)
    {
        if (http.Features.Get<Microsoft.AspNetCore.Server.Kestrel.Core.Features.IHttpMinRequestBodyDataRateFeature>() is { } request)
            request.MinDataRate = null;
        if (http.Features.Get<Microsoft.AspNetCore.Server.Kestrel.Core.Features.IHttpMinResponseDataRateFeature>() is { } response)
            response.MinDataRate = null;
    }

    private static string NegotiateWebSocket(HttpContext http, IReadOnlyList<string> known)
    {
        var asked = List(http.Request.Headers.SecWebSocketProtocol);
        return asked.Count == 0 ? "" : Choose(http, asked, known);
    }

    private static string NegotiateSpdy(HttpContext http, IReadOnlyList<string> known)
    {
        var asked = List(http.Request.Headers[ProtocolVersionHeader]);
        return asked.Count == 0 ? "" : Choose(http, asked, known);
    }

    private static string Choose(HttpContext http, List<string> asked, IReadOnlyList<string> known)
    {
        if (asked.Find(protocol => known.Contains(protocol, StringComparer.Ordinal)) is { } chosen)
            return chosen;
        http.Response.Headers[AcceptedVersionsHeader] = new StringValues([.. known]);
        throw StatusException.Of(403, StatusReason.Forbidden,
            $"unable to upgrade: unable to negotiate protocol: client supports [{string.Join(' ', asked)}], server accepts [{string.Join(' ', known)}]", null);
    }

    private static List<string> List(StringValues header)
    {
        var items = new List<string>();
        foreach (var line in header)
        {
            if (line is not null)
                items.AddRange(line.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
        }
        return items;
    }

    private static bool Contains(StringValues header, string value) =>
        List(header).Exists(item => string.Equals(item, value, StringComparison.OrdinalIgnoreCase));

    private static bool IsKey(StringValues header)
    {
        Span<byte> key = stackalloc byte[18];
        return header is [{ Length: 24 } text] && Convert.TryFromBase64String(text, key, out var length) && length == 16;
    }

    [System.Diagnostics.CodeAnalysis.SuppressMessage("Security", "CA5350", Justification = "RFC 6455 asks for SHA-1; it protects nothing.")]
    private static string AcceptKey(string key) => Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + WebSocketGuid)));
}
