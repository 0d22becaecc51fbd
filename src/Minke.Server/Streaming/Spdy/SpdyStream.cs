using System.Buffers;
using System.IO.Pipelines;

namespace Minke.Server.Streaming.Spdy;

/// <summary>One stream of a SPDY connection, opened by the client. Its sides end one by one; a reset ends both.</summary>
internal sealed class SpdyStream : IStreamChannel
{
    /// <summary>SPDY's initial window: what a client that keeps to it may send before it hears that some was used.</summary>
    public const int WindowBytes = 64 * 1024;

    private readonly SpdySession _session;
    private readonly Pipe _received = new(new PipeOptions(
        pauseWriterThreshold: WindowBytes, resumeWriterThreshold: WindowBytes / 2, useSynchronizationContext: false));

    /// <summary>Guards the ends of the pipe against a call after their completion.</summary>
    private readonly Lock _lock = new();
    private bool _abandoned;
    private bool _ended;

    /// <summary>Read by us, not yet told the client. Touched by the reader alone.</summary>
    private int _unacknowledged;

    public SpdyStream(SpdySession session, int id, IReadOnlyDictionary<string, string> headers)
    {
        _session = session;
        Id = id;
        Headers = headers;
    }

    public int Id { get; }

    /// <summary>Names in lower case.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; }

    /// <summary><c>error</c>, <c>stdin</c>, …; empty when the client did not say.</summary>
    public string StreamType => Headers.GetValueOrDefault("streamtype", "");

    /// <summary>What we may still send; under the session's lock, as the next three.</summary>
    public long SendWindow { get; set; }
    public bool ClientEnded { get; set; }
    public bool WeEnded { get; set; }
    public bool IsReset { get; set; }

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var read = await _received.Reader.ReadIntoAsync(buffer, cancellationToken).ConfigureAwait(false);
        _unacknowledged += read;
        if (_unacknowledged >= WindowBytes / 2)
        {
            await _session.AcknowledgeAsync(this, _unacknowledged, cancellationToken).ConfigureAwait(false);
            _unacknowledged = 0;
        }
        return read;
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        while (data.Length > 0)
        {
            var allowed = await _session.ReserveAsync(this, Math.Min(data.Length, SpdyWriter.MaxDataBytes), cancellationToken).ConfigureAwait(false);
            await _session.SendDataAsync(this, data[..allowed], isLast: false, cancellationToken).ConfigureAwait(false);
            data = data[allowed..];
        }
    }

    public async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        if (_session.TryEndOurSide(this))
            await _session.SendDataAsync(this, default, isLast: true, cancellationToken).ConfigureAwait(false);
        if (Volatile.Read(ref _abandoned) && _session.TryGiveUp(this))
            _session.SendReset(this);
    }

    public void Abandon()
    {
        lock (_lock)
        {
            if (_abandoned)
                return;
            _abandoned = true;
            _received.Reader.Complete();
        }
        if (_session.TryGiveUp(this))
            _session.SendReset(this);
    }

    /// <summary>The client sends no more; with an error, because the stream or the connection broke.</summary>
    public void End(Exception? error)
    {
        lock (_lock)
        {
            if (!_ended)
                _received.Writer.Complete(error);
            _ended = true;
        }
    }

    /// <summary>Takes bytes in; waits while the reader has too many.</summary>
    public async ValueTask AcceptAsync(ReadOnlySequence<byte> data, CancellationToken cancellationToken)
    {
        if (_ended)
            return;
        foreach (var segment in data)
        {
            if ((await _received.Writer.WriteAsync(segment, cancellationToken).ConfigureAwait(false)).IsCompleted)
                return;
        }
    }
}
