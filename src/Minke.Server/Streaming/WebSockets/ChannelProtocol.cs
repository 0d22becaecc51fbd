namespace Minke.Server.Streaming.WebSockets;

/// <summary>
/// A way to carry numbered streams over one WebSocket: each message is the channel's number and a piece of its bytes; in the text
/// form the number is a digit and the bytes are base64.
/// </summary>
/// <param name="Name">As negotiated; empty when the client named none.</param>
/// <param name="IsBase64">The text form.</param>
/// <param name="ErrorIsStatus">The error channel carries a <c>Status</c>; before version 4 the bare message.</param>
/// <param name="CanClose">A message <c>255, n</c> ends the client's side of channel n (KEP-4006, version 5).</param>
internal sealed record ChannelProtocol(string Name, bool IsBase64, bool ErrorIsStatus, bool CanClose)
{
    /// <summary>The number of the message that closes a channel.</summary>
    public const byte CloseSignal = 255;

    private static readonly ChannelProtocol[] All =
    [
        new("v5.channel.k8s.io", IsBase64: false, ErrorIsStatus: true, CanClose: true),
        new("v4.channel.k8s.io", IsBase64: false, ErrorIsStatus: true, CanClose: false),
        new("v4.base64.channel.k8s.io", IsBase64: true, ErrorIsStatus: true, CanClose: false),
        new("channel.k8s.io", IsBase64: false, ErrorIsStatus: false, CanClose: false),
        new("base64.channel.k8s.io", IsBase64: true, ErrorIsStatus: false, CanClose: false),
        new("", IsBase64: false, ErrorIsStatus: false, CanClose: false),
    ];

    public static ChannelProtocol Named(string name) => Array.Find(All, protocol => protocol.Name == name)
        ?? throw new ArgumentException($"no channel protocol {name}", nameof(name));
}
