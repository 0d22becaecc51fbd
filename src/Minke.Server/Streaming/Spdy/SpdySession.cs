using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Threading.Channels;

namespace Minke.Server.Streaming.Spdy;

/// <summary>
/// The server's side of one SPDY/3.1 connection: streams that the client opens, bytes both ways.
/// </summary>
/// <remarks>
/// Flow control needs care, because the client everybody has (Go's spdystream, in kubectl and every client-go program) has none: it
/// never sends WINDOW_UPDATE, ignores ours and sends as much as it likes. So: we tell windows as SPDY says; what comes beyond them is
/// not refused but held back by not reading the connection; and our own sending is bounded by the client's windows from the moment
/// the client shows that it keeps any (a WINDOW_UPDATE, or an initial window in SETTINGS), until then by the connection alone.
/// </remarks>
internal sealed class SpdySession : UpgradedConnection
{
    /// <summary>Open at once; each may hold <see cref="SpdyStream.WindowBytes"/>. A port-forward takes two for each connection.</summary>
    public const int MaxStreams = 256;

    private const int MaxControlBytes = 16 * 1024;
    private const int InitialWindowSetting = 7;
    private const uint GoAwayOk = 0;
    private const uint GoAwayProtocolError = 1;

    private readonly StreamingOptions _options;
    private readonly TimeProvider _time;
    private readonly Func<SpdyStream, bool> _admits;
    private readonly PipeReader _input;
    private readonly SpdyWriter _writer;
    private readonly SpdyHeaderReader _headers = new();
    private readonly IdleTimer _idle;
    private readonly ITimer _keepAlive;
    private readonly CancellationTokenSource _gone;
    private readonly Channel<SpdyStream> _opened = Channel.CreateBounded<SpdyStream>(MaxStreams);
    private readonly Task _reading;
    private readonly Task _answering;

    /// <summary>Guards the streams' states, the windows, and the four fields below.</summary>
    private readonly Lock _lock = new();
    private readonly Dictionary<int, SpdyStream> _streams = [];
    private TaskCompletionSource _windowsChanged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _clientKeepsWindows;
    private long _sessionWindow = SpdyStream.WindowBytes;

    private int _initialWindow = SpdyStream.WindowBytes;
    private int _lastStream;
    private int _received;
    private uint _lastPing;
    private volatile bool _closing;

    /// <param name="transport">Ends at end of stream; not disposed here.</param>
    /// <param name="admits">Whether a stream with such headers is welcome; others are reset.</param>
    /// <param name="options">Deadlines.</param>
    /// <param name="time">The clock.</param>
    /// <param name="aborted">Fires when the connection beneath is gone.</param>
    public SpdySession(Stream transport, Func<SpdyStream, bool> admits, StreamingOptions options, TimeProvider time, CancellationToken aborted)
    {
        _options = options;
        _time = time;
        _admits = admits;
        _gone = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        _input = PipeReader.Create(transport, new StreamPipeReaderOptions(bufferSize: 16 * 1024, leaveOpen: true));
        _idle = new(time, options.IdleTimeout, _gone.Cancel);
        _writer = new(transport, _idle.Touch);
        _answering = AnswerAsync();
        _reading = ReadAsync();
        // Numbers of a server's pings are even. The answer does not matter: writing to a client that is gone is what tells.
        _keepAlive = time.CreateTimer(_ => _writer.TryPing(_lastPing += 2), null, options.KeepAliveInterval, options.KeepAliveInterval);
    }

    public override CancellationToken Gone => _gone.Token;

    /// <summary>Streams as the client opens them; ends with the connection.</summary>
    public ChannelReader<SpdyStream> Opened => _opened.Reader;

    public override async Task CloseAsync()
    {
        _closing = true;
        using var deadline = new CancellationTokenSource(_options.CloseTimeout, _time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _gone.Token);
        try
        {
            AbandonAll();
            await _writer.GoAwayAsync(_lastStream, GoAwayOk, stop.Token).ConfigureAwait(false);
            await _reading.WaitAsync(stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (Exception error) when (IsHangUp(error))
        {
        }
    }

    public override async ValueTask DisposeAsync()
    {
        _closing = true;
        await _gone.CancelAsync().ConfigureAwait(false);
        AbandonAll();
        await _reading.ConfigureAwait(false);
        await _answering.ConfigureAwait(false);
        await _keepAlive.DisposeAsync().ConfigureAwait(false);
        await _idle.DisposeAsync().ConfigureAwait(false);
        await _input.CompleteAsync().ConfigureAwait(false);
        _headers.Dispose();
        _writer.Dispose();
        _gone.Dispose();
    }

    /// <summary>How much of <paramref name="wanted"/> the client takes now; waits until it takes some.</summary>
    public async ValueTask<int> ReserveAsync(SpdyStream stream, int wanted, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (stream.IsReset || stream.WeEnded)
                    throw new IOException("the client reset the stream");
                var allowed = _clientKeepsWindows ? (int)Math.Min(wanted, Math.Min(stream.SendWindow, _sessionWindow)) : wanted;
                if (allowed > 0)
                {
                    stream.SendWindow -= allowed;
                    _sessionWindow -= allowed;
                    return allowed;
                }
                changed = _windowsChanged.Task;
            }
            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public Task SendDataAsync(SpdyStream stream, ReadOnlyMemory<byte> data, bool isLast, CancellationToken cancellationToken) =>
        _writer.WriteDataAsync(stream.Id, data, isLast ? SpdyFrameHead.Fin : (byte)0, cancellationToken);

    /// <summary>True once, and only while the stream stands.</summary>
    public bool TryEndOurSide(SpdyStream stream)
    {
        lock (_lock)
        {
            if (stream.WeEnded || stream.IsReset)
                return false;
            stream.WeEnded = true;
            Forget(stream);
            return true;
        }
    }

    /// <summary>Tells the client that bytes were used.</summary>
    public async ValueTask AcknowledgeAsync(SpdyStream stream, int bytes, CancellationToken cancellationToken)
    {
        bool open;
        lock (_lock)
            open = !stream.ClientEnded && !stream.IsReset;
        if (open)
            await _writer.WindowUpdateAsync(stream.Id, bytes, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Whether the client should be told to stop: nobody reads what it still writes, and we have nothing more to say. (While our side is
    /// open a reset would cut it off too; what comes is thrown away then.)
    /// </summary>
    public bool TryGiveUp(SpdyStream stream)
    {
        lock (_lock)
        {
            if (!stream.WeEnded || stream.ClientEnded || stream.IsReset)
                return false;
            stream.IsReset = true;
            _streams.Remove(stream.Id);
            return true;
        }
    }

    /// <summary>Ends both sides of a stream at once.</summary>
    public void Reject(SpdyStream stream)
    {
        lock (_lock)
        {
            if (stream.IsReset)
                return;
            stream.IsReset = true;
            _streams.Remove(stream.Id);
            WindowsChanged();
        }
        stream.Abandon();
        SendReset(stream);
    }

    public void SendReset(SpdyStream stream) => _writer.TryReset(stream.Id, SpdyReset.Cancel);

    private static bool IsHangUp(Exception error) =>
        error is IOException or OperationCanceledException or ObjectDisposedException or System.Net.WebSockets.WebSocketException;

    private async Task AnswerAsync()
    {
        try
        {
            await _writer.RunAsync(_gone.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (IsHangUp(error))
        {
            await _gone.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Reads until the client hangs up or breaks the protocol. Whatever ends it, ends it for all.</summary>
    private async Task ReadAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        Exception ending = new IOException("the client is gone");
        try
        {
            while (await ReadHeadAsync().ConfigureAwait(false) is { } head)
            {
                if (head.IsControl)
                    await ReadControlAsync(head).ConfigureAwait(false);
                else
                    await ReadDataAsync(head).ConfigureAwait(false);
            }
        }
        catch (SpdyException error)
        {
            ending = error;
            await RefuseAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (IsHangUp(error))
        {
        }
        finally
        {
            _opened.Writer.TryComplete();
            List<SpdyStream> open;
            lock (_lock)
            {
                open = [.. _streams.Values];
                foreach (var stream in open)
                    stream.IsReset = true;
                _streams.Clear();
                WindowsChanged();
            }
            foreach (var stream in open)
                stream.End(ending);
            await _gone.CancelAsync().ConfigureAwait(false);
        }
    }

    private async Task RefuseAsync()
    {
        using var deadline = new CancellationTokenSource(_options.CloseTimeout, _time);
        try
        {
            await _writer.GoAwayAsync(_lastStream, GoAwayProtocolError, deadline.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (IsHangUp(error))
        {
        }
    }

    private async ValueTask<SpdyFrameHead?> ReadHeadAsync()
    {
        var result = await _input.ReadAtLeastAsync(SpdyFrameHead.Bytes, _gone.Token).ConfigureAwait(false);
        if (result.Buffer.Length < SpdyFrameHead.Bytes)
            return null;
        return TakeHead(result.Buffer);
    }

    private SpdyFrameHead TakeHead(ReadOnlySequence<byte> buffer)
    {
        Span<byte> bytes = stackalloc byte[SpdyFrameHead.Bytes];
        buffer.Slice(0, SpdyFrameHead.Bytes).CopyTo(bytes);
        _input.AdvanceTo(buffer.GetPosition(SpdyFrameHead.Bytes));
        return SpdyFrameHead.Read(bytes);
    }

    /// <summary>Hands the bytes on as they come, so a frame's length asks for no memory.</summary>
    private async Task ReadDataAsync(SpdyFrameHead head)
    {
        if (head.Stream == 0)
            throw new SpdyException("data for stream 0");
        _idle.Touch();
        SpdyStream? stream;
        lock (_lock)
            _streams.TryGetValue(head.Stream, out stream);
        if (stream is null && head.Stream > _lastStream)
            await _writer.ResetAsync(head.Stream, SpdyReset.InvalidStream, _gone.Token).ConfigureAwait(false);

        for (var left = head.Length; left > 0;)
        {
            var result = await _input.ReadAsync(_gone.Token).ConfigureAwait(false);
            if (result.Buffer.IsEmpty)
                throw new IOException("the client hung up within a frame");
            var length = (int)Math.Min(left, result.Buffer.Length);
            var piece = result.Buffer.Slice(0, length);
            if (stream is not null)
                await stream.AcceptAsync(piece, _gone.Token).ConfigureAwait(false);
            _input.AdvanceTo(piece.End);
            left -= length;
            await ReceivedAsync(length).ConfigureAwait(false);
        }
        if (head.IsFin && stream is not null)
            ClientEnds(stream);
    }

    /// <summary>The connection's own window opens as bytes come: each stream's window bounds what is held.</summary>
    private async ValueTask ReceivedAsync(int bytes)
    {
        _received += bytes;
        if (_received < SpdyStream.WindowBytes / 2)
            return;
        await _writer.WindowUpdateAsync(0, _received, _gone.Token).ConfigureAwait(false);
        _received = 0;
    }

    private async Task ReadControlAsync(SpdyFrameHead head)
    {
        if (head.Version != SpdyFrameHead.Version3)
            throw new SpdyException("a frame of another version");
        if (head.Length > MaxControlBytes)
            throw new SpdyException("control frame is too large");
        var payload = ArrayPool<byte>.Shared.Rent(head.Length);
        try
        {
            if (head.Length > 0)
            {
                var result = await _input.ReadAtLeastAsync(head.Length, _gone.Token).ConfigureAwait(false);
                if (result.Buffer.Length < head.Length)
                    throw new IOException("the client hung up within a frame");
                result.Buffer.Slice(0, head.Length).CopyTo(payload);
                _input.AdvanceTo(result.Buffer.GetPosition(head.Length));
            }
            await TakeControlAsync(head, payload.AsMemory(0, head.Length)).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(payload);
        }
    }

    private ValueTask TakeControlAsync(SpdyFrameHead head, ReadOnlyMemory<byte> payload)
    {
        switch (head.Type)
        {
            case SpdyFrameType.SynStream:
                return OpenAsync(head, payload);
            case SpdyFrameType.SynReply:
            case SpdyFrameType.Headers:
                var named = Number(payload.Span, 0);
                _headers.Read(payload[4..]);
                if (head.IsFin && Find(named) is { } ended)
                    ClientEnds(ended);
                return default;
            case SpdyFrameType.RstStream:
                if (Find(Number(payload.Span, 0)) is { } reset)
                    ClientResets(reset);
                return default;
            case SpdyFrameType.Settings:
                TakeSettings(payload.Span);
                return default;
            case SpdyFrameType.Ping:
                var ping = Number(payload.Span, 0);
                // Odd numbers are the client's questions. Even ones are answers to ours, and no sign of use.
                if ((ping & 1) == 0)
                    return default;
                _idle.Touch();
                return _writer.PongAsync(ping, _gone.Token);
            case SpdyFrameType.WindowUpdate:
                return OpenWindowAsync((int)(Number(payload.Span, 0) & int.MaxValue), Number(payload.Span, 4) & int.MaxValue);
            default:
                // GOAWAY asks nothing of a side that opens no streams; types we do not know are skipped, as SPDY says.
                return default;
        }
    }

    private static uint Number(ReadOnlySpan<byte> payload, int offset) =>
        payload.Length >= offset + 4 ? BinaryPrimitives.ReadUInt32BigEndian(payload[offset..]) : throw new SpdyException("control frame is too short");

    private SpdyStream? Find(uint stream)
    {
        lock (_lock)
            return _streams.GetValueOrDefault((int)(stream & int.MaxValue));
    }

    private async ValueTask OpenAsync(SpdyFrameHead head, ReadOnlyMemory<byte> payload)
    {
        const int beforeHeaders = 10; // stream, associated stream, priority, slot
        if (payload.Length < beforeHeaders)
            throw new SpdyException("control frame is too short");
        var id = (int)(Number(payload.Span, 0) & int.MaxValue);
        var headers = _headers.Read(payload[beforeHeaders..]);
        if ((id & 1) == 0 || id <= _lastStream)
            throw new SpdyException("stream ids must be odd and grow");
        _lastStream = id;
        _idle.Touch();

        var stream = new SpdyStream(this, id, headers)
        {
            SendWindow = _initialWindow,
            ClientEnded = head.IsFin,
            WeEnded = (head.Flags & SpdyFrameHead.Unidirectional) != 0,
        };
        if (head.IsFin)
            stream.End(null);
        if (!_admits(stream))
        {
            await _writer.ResetAsync(id, SpdyReset.Cancel, _gone.Token).ConfigureAwait(false);
            return;
        }
        bool hasRoom;
        lock (_lock)
        {
            hasRoom = !_closing && _streams.Count < MaxStreams;
            if (hasRoom && !(stream.ClientEnded && stream.WeEnded))
                _streams.Add(id, stream);
        }
        if (hasRoom)
            await _writer.ReplyAsync(id, _gone.Token).ConfigureAwait(false);
        // Streams opened and reset faster than they are looked at count too.
        if (hasRoom && _opened.Writer.TryWrite(stream))
            return;
        lock (_lock)
            _streams.Remove(id);
        await _writer.ResetAsync(id, SpdyReset.RefusedStream, _gone.Token).ConfigureAwait(false);
    }

    private void ClientEnds(SpdyStream stream)
    {
        lock (_lock)
        {
            stream.ClientEnded = true;
            Forget(stream);
        }
        stream.End(null);
    }

    private void ClientResets(SpdyStream stream)
    {
        lock (_lock)
        {
            stream.IsReset = true;
            _streams.Remove(stream.Id);
            WindowsChanged();
        }
        stream.End(new IOException("the client reset the stream"));
    }

    private void TakeSettings(ReadOnlySpan<byte> payload)
    {
        var count = Number(payload, 0);
        if (payload.Length != 4 + (8L * count))
            throw new SpdyException("SETTINGS of another length than they say");
        for (var offset = 4; offset < payload.Length; offset += 8)
        {
            if ((Number(payload, offset) & 0xFFFFFF) != InitialWindowSetting)
                continue;
            var window = Number(payload, offset + 4);
            if (window > int.MaxValue)
                throw new SpdyException("initial window is too large");
            lock (_lock)
            {
                var change = (int)window - _initialWindow;
                foreach (var stream in _streams.Values)
                    stream.SendWindow += change;
                _initialWindow = (int)window;
                _clientKeepsWindows = true;
                WindowsChanged();
            }
        }
    }

    private ValueTask OpenWindowAsync(int id, uint bytes)
    {
        lock (_lock)
        {
            _clientKeepsWindows = true;
            if (id == 0)
            {
                _sessionWindow += bytes;
                if (_sessionWindow > int.MaxValue)
                    throw new SpdyException("the connection's window is too large");
            }
            else if (_streams.TryGetValue(id, out var stream))
            {
                stream.SendWindow += bytes;
                if (stream.SendWindow > int.MaxValue)
                    throw new SpdyException("a stream's window is too large");
            }
            WindowsChanged();
        }
        return default;
    }

    /// <summary>Wakes all that wait to send. Under the lock.</summary>
    private void WindowsChanged()
    {
        _windowsChanged.TrySetResult();
        _windowsChanged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>A stream ended by both sides is gone. Under the lock.</summary>
    private void Forget(SpdyStream stream)
    {
        if (stream.ClientEnded && stream.WeEnded)
            _streams.Remove(stream.Id);
    }

    private void AbandonAll()
    {
        List<SpdyStream> open;
        lock (_lock)
            open = [.. _streams.Values];
        foreach (var stream in open)
            stream.Abandon();
    }
}
