using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Text;
using Minke.Server.Streaming;
using Minke.Server.Streaming.Spdy;

namespace Minke.Server.Tests.Streaming.Spdy;

/// <summary>The client's side of a SPDY connection, frame by frame, over memory.</summary>
internal sealed class SpdyTestClient : IAsyncDisposable
{
    private readonly Pipe _toServer = new();
    private readonly Pipe _toClient = new(new PipeOptions(pauseWriterThreshold: 0));
    private readonly Stream _reader;
    private bool _started;

    public SpdyTestClient(Func<SpdyStream, bool>? admits = null)
    {
        _reader = _toClient.Reader.AsStream();
        Session = new(new Duplex(_toServer.Reader.AsStream(), _toClient.Writer.AsStream()), admits ?? (_ => true), new() { CloseTimeout = TimeSpan.FromSeconds(1) },
            TimeProvider.System, CancellationToken.None);
    }

    public SpdySession Session { get; }

    public async ValueTask DisposeAsync()
    {
        await _toServer.Writer.CompleteAsync();
        await Session.DisposeAsync();
    }

    public async Task SendAsync(byte[] bytes) => await _toServer.Writer.WriteAsync(bytes);

    public async Task HangUpAsync() => await _toServer.Writer.CompleteAsync();

    public Task OpenAsync(int id, byte flags, params (string Name, string Value)[] headers)
    {
        var block = new List<byte>();
        Number(block, headers.Length);
        foreach (var text in headers.SelectMany(header => new[] { header.Name, header.Value }))
        {
            Number(block, text.Length);
            block.AddRange(Encoding.ASCII.GetBytes(text));
        }
        var body = new List<byte>();
        Number(body, id);
        body.AddRange(new byte[6]);
        body.AddRange(Compressed(!_started, [.. block]));
        _started = true;
        return SendAsync(Control(SpdyFrameType.SynStream, flags, [.. body]));
    }

    public async Task<SpdyStream> OpenedAsync(int id, string type)
    {
        await OpenAsync(id, 0, ("streamtype", type));
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        return await Session.Opened.ReadAsync(deadline.Token);
    }

    public async Task<(SpdyFrameHead Head, byte[] Body)> ReceiveAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var bytes = new byte[SpdyFrameHead.Bytes];
        await _reader.ReadExactlyAsync(bytes, deadline.Token);
        var head = SpdyFrameHead.Read(bytes);
        var body = new byte[head.Length];
        await _reader.ReadExactlyAsync(body, deadline.Token);
        return (head, body);
    }

    public async Task<byte[]> ReceiveControlAsync(SpdyFrameType type)
    {
        while (true)
        {
            var (head, body) = await ReceiveAsync();
            if (head.IsControl && head.Type == type)
                return body;
        }
    }

    /// <summary>One stored block and a flush, at the beginning with zlib's head.</summary>
    public static byte[] Compressed(bool first, byte[] block)
    {
        var bytes = new List<byte>();
        if (first)
            bytes.AddRange([0x78, 0xBB, 0xE3, 0xC6, 0xA7, 0xC2]);
        foreach (var piece in block.Chunk(0xFFFF).Append([]))
        {
            var head = new byte[StoredBlock.HeadBytes];
            StoredBlock.WriteHead(head, piece.Length);
            bytes.AddRange(head);
            bytes.AddRange(piece);
        }
        return [.. bytes];
    }

    public static byte[] Control(SpdyFrameType type, byte flags, byte[] body)
    {
        var frame = new byte[SpdyFrameHead.Bytes + body.Length];
        SpdyFrameHead.WriteControl(frame, type, flags, body.Length);
        body.CopyTo(frame, SpdyFrameHead.Bytes);
        return frame;
    }

    public static byte[] Data(int stream, byte flags, byte[] body)
    {
        var frame = new byte[SpdyFrameHead.Bytes + body.Length];
        SpdyFrameHead.WriteData(frame, stream, flags, body.Length);
        body.CopyTo(frame, SpdyFrameHead.Bytes);
        return frame;
    }

    public static byte[] Numbers(params uint[] numbers)
    {
        var bytes = new List<byte>();
        foreach (var number in numbers)
            Number(bytes, (int)number);
        return [.. bytes];
    }

    private static void Number(List<byte> bytes, int number)
    {
        var four = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(four, number);
        bytes.AddRange(four);
    }

    private sealed class Duplex(Stream input, Stream output) : Stream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => input.ReadAsync(buffer, cancellationToken);
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => output.WriteAsync(buffer, cancellationToken);
        public override bool CanRead => true;
        public override bool CanWrite => true;
        public override bool CanSeek => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override void Flush() { }
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
