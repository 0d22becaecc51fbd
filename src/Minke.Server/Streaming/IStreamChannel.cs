namespace Minke.Server.Streaming;

/// <summary>
/// One stream of bytes within an upgraded connection: a SPDY stream, or a numbered channel of a WebSocket. One reader, one writer.
/// Reads and writes wait for the other side; neither holds more than a fixed number of bytes.
/// </summary>
internal interface IStreamChannel
{
    /// <summary>What the client sent; 0 once it has ended its side.</summary>
    /// <exception cref="IOException">The client reset the stream, or is gone.</exception>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <exception cref="IOException">The client reset the stream, or is gone.</exception>
    ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken);

    /// <summary>Ends our side, where the protocol can say so. May be called twice.</summary>
    ValueTask CompleteAsync(CancellationToken cancellationToken);

    /// <summary>Nobody reads any more: what still comes is thrown away. No read may be under way. May be called twice.</summary>
    void Abandon();
}

/// <summary>The streams of an exec or attach; null where the client asked for none.</summary>
internal sealed record CommandChannels
{
    public required IStreamChannel Error { get; init; }
    public IStreamChannel? Stdin { get; init; }
    public IStreamChannel? Stdout { get; init; }
    public IStreamChannel? Stderr { get; init; }
    public IStreamChannel? Resize { get; init; }

    /// <summary>Versions before 4 get the bare message of a failure, later ones a <c>Status</c> as JSON.</summary>
    public required bool ErrorIsStatus { get; init; }
}

/// <summary>The two streams of one forwarded connection.</summary>
internal sealed record ForwardChannels(int Port, IStreamChannel Data, IStreamChannel Error);
