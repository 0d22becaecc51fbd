namespace Minke.Server.Streaming;

/// <summary>The deadlines of upgraded connections; the defaults are the kubelet's.</summary>
public sealed record StreamingOptions
{
    /// <summary>A connection over which nothing has come or gone for so long is closed.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromHours(4);

    /// <summary>How long a SPDY client may take to open the streams it announced.</summary>
    public TimeSpan StreamCreationTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often a silent connection is spoken to, so that a client that died without a word is noticed.</summary>
    public TimeSpan KeepAliveInterval { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// How long the client may take to hang up after the last byte. Closing first would make the kernel answer what the client still
    /// sends with a reset, and a reset throws away output the client has not read yet.
    /// </summary>
    public TimeSpan CloseTimeout { get; init; } = TimeSpan.FromSeconds(5);
}
