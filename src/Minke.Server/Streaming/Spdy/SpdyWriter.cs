using System.Buffers.Binary;
using System.Net.WebSockets;
using System.Threading.Channels;

namespace Minke.Server.Streaming.Spdy;

/// <summary>
/// All that leaves a SPDY connection. Data is written by whoever has it, one at a time; control frames wait in a short queue, so that
/// answering a client never waits behind a command's output in the reading loop. What is queued goes out before the next data, so a
/// stream's reply precedes its bytes.
/// </summary>
internal sealed class SpdyWriter : IDisposable
{
    public const int MaxDataBytes = 32 * 1024;

    /// <summary>A client that makes us answer faster than it reads the answers is not read until it does.</summary>
    private const int MaxQueuedFrames = 128;
    private const int ControlBytes = 4 * 1024;

    /// <summary>More than any frame we write: the longest is the first SYN_REPLY.</summary>
    private const int MaxControlFrameBytes = 64;

    private readonly Stream _transport;
    private readonly Action _touch;
    private readonly Channel<ControlFrame> _control = Channel.CreateBounded<ControlFrame>(MaxQueuedFrames);
    private readonly SemaphoreSlim _writing = new(1, 1);

    /// <summary>What is being written; owned, as the next two, by the holder of <see cref="_writing"/>.</summary>
    private readonly byte[] _buffer = new byte[ControlBytes + SpdyFrameHead.Bytes + MaxDataBytes];
    private int _filled;
    private bool _compressionStarted;

    public SpdyWriter(Stream transport, Action touch)
    {
        _transport = transport;
        _touch = touch;
    }

    public ValueTask ReplyAsync(int stream, CancellationToken cancellationToken) => QueueAsync(new(SpdyFrameType.SynReply, stream, 0), cancellationToken);

    public ValueTask ResetAsync(int stream, SpdyReset why, CancellationToken cancellationToken) =>
        QueueAsync(new(SpdyFrameType.RstStream, stream, (uint)why), cancellationToken);

    public ValueTask PongAsync(uint id, CancellationToken cancellationToken) => QueueAsync(new(SpdyFrameType.Ping, 0, id), cancellationToken);

    public ValueTask WindowUpdateAsync(int stream, int bytes, CancellationToken cancellationToken) =>
        QueueAsync(new(SpdyFrameType.WindowUpdate, stream, (uint)bytes), cancellationToken);

    /// <summary>For callers that cannot wait; false when the queue is full.</summary>
    public bool TryReset(int stream, SpdyReset why) => _control.Writer.TryWrite(new(SpdyFrameType.RstStream, stream, (uint)why));

    public bool TryPing(uint id) => _control.Writer.TryWrite(new(SpdyFrameType.Ping, 0, id));

    /// <summary>Writes control frames as they are queued, until cancelled or the transport breaks.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (await _control.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
            await WriteAsync(null, default, 0, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>One frame of at most <see cref="MaxDataBytes"/>.</summary>
    public Task WriteDataAsync(int stream, ReadOnlyMemory<byte> data, byte flags, CancellationToken cancellationToken)
    {
        _touch();
        return WriteAsync(stream, data, flags, cancellationToken);
    }

    /// <summary>Goodbye, after all that is queued.</summary>
    public async Task GoAwayAsync(int lastStream, uint status, CancellationToken cancellationToken)
    {
        await QueueAsync(new(SpdyFrameType.GoAway, lastStream, status), cancellationToken).ConfigureAwait(false);
        await WriteAsync(null, default, 0, cancellationToken).ConfigureAwait(false);
    }

    public void Dispose() => _writing.Dispose();

    private ValueTask QueueAsync(ControlFrame frame, CancellationToken cancellationToken) => _control.Writer.WriteAsync(frame, cancellationToken);

    private async Task WriteAsync(int? stream, ReadOnlyMemory<byte> data, byte flags, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            do
            {
                _filled = 0;
                while (_filled + MaxControlFrameBytes <= ControlBytes && _control.Reader.TryRead(out var frame))
                    Append(frame);
                if (_filled + MaxControlFrameBytes > ControlBytes)
                    await SendAsync(cancellationToken).ConfigureAwait(false);
            }
            while (_filled + MaxControlFrameBytes > ControlBytes);

            if (stream is { } id)
            {
                SpdyFrameHead.WriteData(_buffer.AsSpan(_filled), id, flags, data.Length);
                data.CopyTo(_buffer.AsMemory(_filled + SpdyFrameHead.Bytes));
                _filled += SpdyFrameHead.Bytes + data.Length;
            }
            if (_filled > 0)
                await SendAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _writing.Release();
        }
    }

    private async ValueTask SendAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _transport.WriteAsync(_buffer.AsMemory(0, _filled), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is WebSocketException or ObjectDisposedException)
        {
            throw new IOException("the client is gone", error);
        }
    }

    private void Append(ControlFrame frame)
    {
        var target = _buffer.AsSpan(_filled);
        var body = target[SpdyFrameHead.Bytes..];
        var length = 8;
        switch (frame.Type)
        {
            case SpdyFrameType.SynReply:
                BinaryPrimitives.WriteInt32BigEndian(body, frame.Stream);
                length = 4 + WriteNoHeaders(body[4..]);
                break;
            case SpdyFrameType.Ping:
                BinaryPrimitives.WriteUInt32BigEndian(body, frame.Value);
                length = 4;
                break;
            default:
                BinaryPrimitives.WriteInt32BigEndian(body, frame.Stream);
                BinaryPrimitives.WriteUInt32BigEndian(body[4..], frame.Value);
                break;
        }
        SpdyFrameHead.WriteControl(target, frame.Type, 0, length);
        _filled += SpdyFrameHead.Bytes + length;
    }

    /// <summary>
    /// An empty header block, compressed without compressing: the number 0 in a stored block, and an empty one, which tells the
    /// reader that this much is whole.
    /// </summary>
    private int WriteNoHeaders(Span<byte> target)
    {
        var start = 0;
        if (!_compressionStarted)
        {
            _compressionStarted = true;
            BinaryPrimitives.WriteUInt16BigEndian(target, 0x78BB); // deflate, window of 32 KiB, with a dictionary
            BinaryPrimitives.WriteUInt32BigEndian(target[2..], SpdyDictionary.Id);
            start = 6;
        }
        StoredBlock.WriteHead(target[start..], sizeof(int));
        target.Slice(start + StoredBlock.HeadBytes, sizeof(int)).Clear();
        StoredBlock.WriteHead(target[(start + StoredBlock.HeadBytes + sizeof(int))..], 0);
        return start + StoredBlock.HeadBytes + sizeof(int) + StoredBlock.HeadBytes;
    }

    private readonly record struct ControlFrame(SpdyFrameType Type, int Stream, uint Value);
}
