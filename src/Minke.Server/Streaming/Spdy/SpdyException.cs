namespace Minke.Server.Streaming.Spdy;

/// <summary>The client broke SPDY; the connection cannot go on.</summary>
internal sealed class SpdyException(string message, Exception? inner = null) : IOException("spdy: " + message, inner);
