using System.IO.Pipelines;
using Microsoft.Win32.SafeHandles;
using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <summary>
/// The standard streams of a container's first process, through its monitor's attach socket: packets of output with a first byte that
/// says which stream, packets of input as they are.
/// </summary>
internal sealed class AttachSession : IProcessStreams
{
    /// <summary>conmon's packets are at most 8 KiB and a byte.</summary>
    private const int MaxPacketBytes = 32 * 1024;

    private readonly DescriptorStream _socket;
    private readonly Pipe? _stdout;
    private readonly Pipe? _stderr;
    private readonly Func<int> _exitCode;
    private readonly Func<int, int, Task> _resize;
    private readonly bool _isTerminal;
    private readonly Task _exited;
    private readonly Task _reading;
    private readonly CancellationTokenSource _closing = new();

    public AttachSession(SafeFileHandle socket, Poller poller, ContainerConfig config, AttachRequest request, Task exited, Func<int> exitCode,
        Func<int, int, Task> resize)
    {
        _socket = new DescriptorStream(poller, socket, FileAccess.ReadWrite);
        _isTerminal = config.Tty;
        (_exited, _exitCode, _resize) = (exited, exitCode, resize);
        _stdout = request.Stdout ? new Pipe() : null;
        _stderr = request.Stderr && !config.Tty ? new Pipe() : null;
        Stdin = request.Stdin && config.Stdin ? new AttachInput(_socket) : null;
        Stdout = _stdout?.Reader.AsStream();
        Stderr = _stderr?.Reader.AsStream();
        _reading = ReadAsync();
    }

    public Stream? Stdin { get; }
    public Stream? Stdout { get; }
    public Stream? Stderr { get; }

    public Task ResizeAsync(int width, int height, CancellationToken cancellationToken) =>
        _isTerminal ? _resize(width, height) : Task.CompletedTask;

    public async Task<int> WaitAsync(CancellationToken cancellationToken)
    {
        await _exited.WaitAsync(cancellationToken);
        return _exitCode();
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        // Whoever has stopped reading must not hold the loop.
        if (_stdout is not null)
            await _stdout.Reader.CompleteAsync();
        if (_stderr is not null)
            await _stderr.Reader.CompleteAsync();
        await _reading;
        await _socket.DisposeAsync();
        _closing.Dispose();
    }

    private async Task ReadAsync()
    {
        var packet = new byte[MaxPacketBytes];
        try
        {
            while (true)
            {
                var length = await _socket.ReadAsync(packet, _closing.Token);
                if (length == 0)
                    break;
                var pipe = packet[0] switch
                {
                    Conmon.StdoutPacket => _stdout,
                    Conmon.StderrPacket => _stderr,
                    _ => null,
                };
                if (pipe is not null)
                    await pipe.Writer.WriteAsync(packet.AsMemory(1, length - 1), _closing.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // Left, or the container or the runtime has ended.
        }
        if (_stdout is not null)
            await _stdout.Writer.CompleteAsync();
        if (_stderr is not null)
            await _stderr.Writer.CompleteAsync();
    }

    /// <summary>Writing to the socket; its end shuts only our direction, so output goes on.</summary>
    private sealed class AttachInput(DescriptorStream socket) : Stream
    {
        private bool _isClosed;

        public override bool CanRead => false;
        public override bool CanWrite => true;
        public override bool CanSeek => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            // A packet that is larger than conmon's buffer would be cut.
            const int MaxInputBytes = 8 * 1024;
            while (!buffer.IsEmpty)
            {
                var piece = buffer[..Math.Min(buffer.Length, MaxInputBytes)];
                await socket.WriteAsync(piece, cancellationToken);
                buffer = buffer[piece.Length..];
            }
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        protected override void Dispose(bool disposing)
        {
            if (disposing && !_isClosed)
            {
                _isClosed = true;
                UnixSockets.ShutdownWrite(socket.Handle);
            }
            base.Dispose(disposing);
        }

        public override void Flush() { }
        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("write it asynchronously");
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
