using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http.Features;

namespace Minke.Server.Audit;

/// <summary>Lets an answer through and keeps a copy of it, up to a size.</summary>
internal sealed class ResponseCopy(IHttpResponseBodyFeature inner) : IHttpResponseBodyFeature
{
    // The largest object, and some lists; what is longer is recorded without its object.
    private const int MaxBytes = 3 * 1024 * 1024;

    private readonly ArrayBufferWriter<byte> _copy = new();
    private CopyingWriter? _writer;

    /// <summary>Null when it was too long.</summary>
    public byte[]? Bytes => _copy.WrittenCount > MaxBytes ? null : _copy.WrittenSpan.ToArray();

    public PipeWriter Writer => _writer ??= new CopyingWriter(inner.Writer, this);
    public Stream Stream => Writer.AsStream(leaveOpen: true);

    public Task StartAsync(CancellationToken cancellationToken = default) => inner.StartAsync(cancellationToken);
    public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) => inner.SendFileAsync(path, offset, count, cancellationToken);
    public Task CompleteAsync() => inner.CompleteAsync();
    public void DisableBuffering() => inner.DisableBuffering();

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (_copy.WrittenCount <= MaxBytes)
            _copy.Write(bytes);
    }

    private sealed class CopyingWriter(PipeWriter inner, ResponseCopy owner) : PipeWriter
    {
        private Memory<byte> _handedOut;

        public override Memory<byte> GetMemory(int sizeHint = 0) => _handedOut = inner.GetMemory(sizeHint);
        public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        public override void Advance(int bytes)
        {
            owner.Keep(_handedOut.Span[..bytes]);
            inner.Advance(bytes);
        }

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => inner.FlushAsync(cancellationToken);
        public override void CancelPendingFlush() => inner.CancelPendingFlush();
        public override void Complete(Exception? exception = null) => inner.Complete(exception);
        public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;
        public override long UnflushedBytes => inner.UnflushedBytes;
    }
}
