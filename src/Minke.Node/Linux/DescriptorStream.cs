using System.Runtime.InteropServices;

namespace Minke.Node.Linux;

/// <summary>A pipe, FIFO, terminal or socket as a stream that waits in the <see cref="Poller"/> and never blocks a thread.</summary>
/// <remarks>
/// A descriptor that several processes hold open has its end only when the last of them is gone. <see cref="EndWhenEmpty"/> ends
/// it earlier: after what is in it now.
/// </remarks>
internal sealed class DescriptorStream : Stream
{
    private readonly SafeHandle _handle;
    private readonly Poller.Watch _watch;
    private readonly FileAccess _access;
    private volatile bool _endWhenEmpty;
    private int _disposed;

    public DescriptorStream(Poller poller, SafeHandle handle, FileAccess access)
    {
        Descriptors.SetNonBlocking(handle);
        _handle = handle;
        _access = access;
        _watch = poller.Add(handle);
    }

    public override bool CanRead => _access.HasFlag(FileAccess.Read);
    public override bool CanWrite => _access.HasFlag(FileAccess.Write);
    public override bool CanSeek => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public SafeHandle Handle => _handle;

    /// <summary>From now on an empty descriptor is an ended one.</summary>
    public void EndWhenEmpty()
    {
        _endWhenEmpty = true;
        _watch.WakeReader();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty)
            return 0;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_disposed != 0)
                return 0;
            // Read the flag first: what was written before it was set must still be found.
            var last = _endWhenEmpty;
            if (Descriptors.TryRead(_handle, buffer.Span) is { } read)
                return read;
            if (last)
                return 0;
            var readable = _watch.ReadableAsync();
            if (_endWhenEmpty)
                continue;
            await readable.WaitAsync(cancellationToken);
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(_disposed != 0, this);
            if (Descriptors.TryWrite(_handle, buffer.Span) is { } written)
                buffer = buffer[written..];
            else
                await _watch.WritableAsync().WaitAsync(cancellationToken);
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException("read it asynchronously");

    public override void Write(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException("write it asynchronously");

    public override void Flush() { }
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing && Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _watch.Dispose();
            _handle.Dispose();
        }
        base.Dispose(disposing);
    }
}
