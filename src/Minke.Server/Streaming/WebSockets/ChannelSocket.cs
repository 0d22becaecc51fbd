using System.Buffers;
using System.Buffers.Text;
using System.IO.Pipelines;
using System.Net.WebSockets;

namespace Minke.Server.Streaming.WebSockets;

/// <summary>
/// Numbered streams over one WebSocket (<see cref="ChannelProtocol"/>). A message is handed on piece by piece as it comes, so its
/// length does not matter; a channel nobody empties stops the reading of the whole socket, which is all the back-pressure the
/// protocol has.
/// </summary>
internal sealed class ChannelSocket : UpgradedConnection
{
    private const int PieceBytes = 32 * 1024;

    /// <summary>What a channel holds before the socket is left unread.</summary>
    private const int ChannelBytes = 64 * 1024;

    private readonly WebSocket _socket;
    private readonly ChannelProtocol _protocol;
    private readonly StreamingOptions _options;
    private readonly TimeProvider _time;
    private readonly Channel[] _channels;
    private readonly IdleTimer _idle;
    private readonly CancellationTokenSource _gone;
    private readonly SemaphoreSlim _sending = new(1, 1);

    /// <summary>One outgoing message; owned by the holder of <see cref="_sending"/>.</summary>
    private readonly byte[] _message;
    private readonly Task _receiving;
    private bool _closing;

    /// <param name="socket">Accepted; disposed with this.</param>
    /// <param name="protocol">How channels are numbered and bytes written.</param>
    /// <param name="readable">For each channel, whether the client may send on it; what it sends on others is thrown away.</param>
    /// <param name="options">Deadlines.</param>
    /// <param name="time">The clock.</param>
    /// <param name="aborted">Fires when the connection beneath is gone.</param>
    public ChannelSocket(
        WebSocket socket, ChannelProtocol protocol, IReadOnlyList<bool> readable, StreamingOptions options, TimeProvider time, CancellationToken aborted)
    {
        _socket = socket;
        _protocol = protocol;
        _options = options;
        _time = time;
        _gone = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        _message = new byte[1 + (protocol.IsBase64 ? Base64.GetMaxEncodedToUtf8Length(PieceBytes) : PieceBytes)];
        _channels = [.. readable.Select((canRead, number) => new Channel(this, (byte)number, canRead))];
        _idle = new(time, options.IdleTimeout, _gone.Cancel);
        _receiving = ReceiveAsync();
    }

    public override CancellationToken Gone => _gone.Token;

    public IStreamChannel this[int channel] => _channels[channel];

    public override async Task CloseAsync()
    {
        Volatile.Write(ref _closing, true);
        foreach (var channel in _channels)
            channel.Abandon();
        using var deadline = new CancellationTokenSource(_options.CloseTimeout, _time);
        try
        {
            await _sending.WaitAsync(deadline.Token).ConfigureAwait(false);
            try
            {
                await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, deadline.Token).ConfigureAwait(false);
            }
            finally
            {
                _sending.Release();
            }
            await _receiving.WaitAsync(deadline.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (Exception error) when (IsHangUp(error))
        {
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await _gone.CancelAsync().ConfigureAwait(false);
        foreach (var channel in _channels)
            channel.Abandon();
        _socket.Abort();
        await _receiving.ConfigureAwait(false);
        await _idle.DisposeAsync().ConfigureAwait(false);
        _socket.Dispose();
        _sending.Dispose();
        _gone.Dispose();
    }

    /// <summary>Reads until the client hangs up. Whatever ends it, ends it for all.</summary>
    private async Task ReceiveAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        var decoder = new ChannelDecoder(_protocol);
        var buffer = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            while (true)
            {
                var received = await _socket.ReceiveAsync(buffer.AsMemory(decoder.Held, PieceBytes - decoder.Held), _gone.Token).ConfigureAwait(false);
                _idle.Touch();
                if (received.MessageType == WebSocketMessageType.Close)
                    break;
                var piece = decoder.Decode(buffer, received.Count, received.EndOfMessage);
                if (piece.Closes is { } closed)
                    End(closed);
                else if (piece.Length > 0 && piece.Channel < _channels.Length)
                    await _channels[piece.Channel].AcceptAsync(buffer.AsMemory(piece.Start, piece.Length), _gone.Token).ConfigureAwait(false);
                decoder.KeepRest(buffer);
            }
        }
        catch (Exception error) when (IsHangUp(error) || error is InvalidDataException)
        {
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            foreach (var channel in _channels)
                channel.End(Volatile.Read(ref _closing) ? null : new IOException("the client is gone"));
            await _gone.CancelAsync().ConfigureAwait(false);
        }
    }

    private void End(int channel)
    {
        if (channel < _channels.Length)
            _channels[channel].End(null);
    }

    private async ValueTask SendAsync(byte channel, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        do
        {
            var piece = data[..Math.Min(data.Length, PieceBytes)];
            data = data[piece.Length..];
            await _sending.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                _idle.Touch();
                var length = piece.Length;
                if (_protocol.IsBase64)
                    Base64.EncodeToUtf8(piece.Span, _message.AsSpan(1), out _, out length);
                else
                    piece.CopyTo(_message.AsMemory(1));
                _message[0] = (byte)(_protocol.IsBase64 ? '0' + channel : channel);
                await _socket.SendAsync(_message.AsMemory(0, 1 + length),
                    _protocol.IsBase64 ? WebSocketMessageType.Text : WebSocketMessageType.Binary, endOfMessage: true, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception error) when (error is WebSocketException or ObjectDisposedException)
            {
                throw new IOException("the client is gone", error);
            }
            finally
            {
                _sending.Release();
            }
        }
        while (data.Length > 0);
    }

    private static bool IsHangUp(Exception error) =>
        error is WebSocketException or IOException or OperationCanceledException or ObjectDisposedException;

    private sealed class Channel : IStreamChannel
    {
        private readonly ChannelSocket _owner;
        private readonly byte _number;
        private readonly Pipe _received = new(new PipeOptions(
            pauseWriterThreshold: ChannelBytes, resumeWriterThreshold: ChannelBytes / 2, useSynchronizationContext: false));

        /// <summary>Guards the two ends of the pipe against a call after their completion.</summary>
        private readonly Lock _lock = new();
        private bool _abandoned;
        private bool _ended;

        public Channel(ChannelSocket owner, byte number, bool canRead)
        {
            _owner = owner;
            _number = number;
            if (!canRead)
                Abandon();
        }

        public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
            await _received.Reader.ReadIntoAsync(buffer, cancellationToken).ConfigureAwait(false);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => _owner.SendAsync(_number, data, cancellationToken);

        /// <summary>The protocol has no word for it; the close of the socket ends all channels.</summary>
        public ValueTask CompleteAsync(CancellationToken cancellationToken) => default;

        public void Abandon()
        {
            lock (_lock)
            {
                if (!_abandoned)
                    _received.Reader.Complete();
                _abandoned = true;
            }
        }

        public void End(Exception? error)
        {
            lock (_lock)
            {
                if (!_ended)
                    _received.Writer.Complete(error);
                _ended = true;
            }
        }

        public async ValueTask AcceptAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            if (!_ended && !Volatile.Read(ref _abandoned))
                await _received.Writer.WriteAsync(data, cancellationToken).ConfigureAwait(false);
        }
    }
}
