using System.Buffers;
using System.Buffers.Text;

namespace Minke.Server.Streaming.WebSockets;

/// <summary>
/// Takes messages apart as they come in pieces: which channel, and which bytes. Decodes in place and keeps no more than a few base64
/// characters from one piece to the next.
/// </summary>
internal sealed class ChannelDecoder(ChannelProtocol protocol)
{
    /// <summary>Longest rest of base64 carried over: a group of four held back because it may be the padded last, and three of the next.</summary>
    private const int MaxHeld = 7;

    /// <summary>The channel of the message being read; -1 between messages.</summary>
    private int _channel = -1;

    /// <summary>Of a close signal: how many bytes it had so far, and the first.</summary>
    private int _closeLength;
    private int _closeChannel;
    private int _restStart;

    /// <summary>How many bytes at the start of the buffer belong before the next piece received.</summary>
    public int Held { get; private set; }

    /// <summary>What a piece says.</summary>
    /// <param name="Channel">Whose bytes.</param>
    /// <param name="Start">Where in the buffer they are.</param>
    /// <param name="Length">How many; 0 for none.</param>
    /// <param name="Closes">The channel this message closes.</param>
    public readonly record struct Piece(int Channel, int Start, int Length, int? Closes);

    /// <param name="buffer">Held bytes, then those received; decoded in place.</param>
    /// <param name="received">How many were received.</param>
    /// <param name="isEnd">The message ends with them.</param>
    /// <exception cref="InvalidDataException">Not base64.</exception>
    public Piece Decode(Span<byte> buffer, int received, bool isEnd)
    {
        var start = 0;
        var end = Held + received;
        Held = 0;
        if (_channel < 0)
        {
            if (received == 0)
                return default;
            var first = buffer[0];
            _channel = protocol.IsBase64 ? (byte)(first - '0') : first;
            _closeLength = 0;
            start = 1;
        }
        var channel = _channel;
        if (isEnd)
            _channel = -1;

        if (protocol.CanClose && channel == ChannelProtocol.CloseSignal)
            return ReadClose(buffer[start..end], isEnd);
        if (!protocol.IsBase64)
            return new(channel, start, end - start, null);
        return DecodeBase64(buffer, channel, start, end, isEnd);
    }

    /// <summary>Moves what is held to the buffer's start, once the piece before it has been used.</summary>
    public void KeepRest(Span<byte> buffer) => buffer.Slice(_restStart, Held).CopyTo(buffer);

    private Piece ReadClose(ReadOnlySpan<byte> data, bool isEnd)
    {
        if (_closeLength == 0 && data.Length > 0)
            _closeChannel = data[0];
        _closeLength = Math.Min(_closeLength + data.Length, 2);
        return new(0, 0, 0, isEnd && _closeLength == 1 ? _closeChannel : null);
    }

    private Piece DecodeBase64(Span<byte> buffer, int channel, int start, int end, bool isEnd)
    {
        // Only the last group may be padded, and only the end of the message tells which is last.
        var take = isEnd ? end - start : Math.Max(0, ((end - start) / 4 * 4) - 4);
        _restStart = start + take;
        Held = end - _restStart;
        System.Diagnostics.Debug.Assert(Held <= MaxHeld, "at most one group held back and three characters of the next");
        if (Base64.DecodeFromUtf8InPlace(buffer.Slice(start, take), out var written) != OperationStatus.Done)
            throw new InvalidDataException("a message is not base64");
        return new(channel, start, written, null);
    }
}
