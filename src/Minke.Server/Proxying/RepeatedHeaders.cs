using System.Text;

namespace Minke.Server.Proxying;

/// <summary>
/// Lets a request have a header several times. <see cref="HttpClient"/> writes all values of a header into one line; servers in Go take
/// each line of <c>X-Remote-Group</c> for one group, commas and all. So values are joined by a mark, and where the mark passes on its way
/// to an HTTP/1.1 connection a line ends. Nobody outside can know the mark: it never leaves this process.
/// </summary>
/// <param name="mark">Long and not to be guessed; letters of ASCII.</param>
internal sealed class RepeatedHeaders(string mark)
{
    private readonly byte[] _mark = Encoding.ASCII.GetBytes(mark);

    /// <summary>As one value, what will be a line for each.</summary>
    public string Join(string name, IEnumerable<string> values) => string.Join($"{mark}{name}: ", values);

    public Stream Over(Stream connection) => new MarkedStream(connection, _mark);

    private sealed class MarkedStream(Stream inner, byte[] mark) : Stream
    {
        // What may be the beginning of a mark, whose rest comes with the next write.
        private byte[] _held = [];

        public override bool CanRead => true;
        public override bool CanWrite => true;
        public override bool CanSeek => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_held.Length > 0)
                (buffer, _held) = ((byte[])[.. _held, .. buffer.Span], []);
            while (buffer.Span.IndexOf(mark) is >= 0 and var at)
            {
                await inner.WriteAsync(buffer[..at], cancellationToken);
                await inner.WriteAsync("\r\n"u8.ToArray(), cancellationToken);
                buffer = buffer[(at + mark.Length)..];
            }
            var kept = Begun(buffer.Span);
            _held = buffer[^kept..].ToArray();
            await inner.WriteAsync(buffer[..^kept], cancellationToken);
        }

        /// <summary>Whoever flushes has no half of a mark under way.</summary>
        public override async Task FlushAsync(CancellationToken cancellationToken)
        {
            if (_held.Length > 0)
            {
                var held = _held;
                _held = [];
                await inner.WriteAsync(held, cancellationToken);
            }
            await inner.FlushAsync(cancellationToken);
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => inner.ReadAsync(buffer, cancellationToken);
        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => inner.ReadAsync(buffer, offset, count, cancellationToken);
        public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override void Flush() => inner.Flush();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                inner.Dispose();
            base.Dispose(disposing);
        }

        /// <summary>How many bytes at the end are the beginning of a mark.</summary>
        private int Begun(ReadOnlySpan<byte> bytes)
        {
            for (var length = Math.Min(mark.Length - 1, bytes.Length); length > 0; length--)
            {
                if (mark.AsSpan().StartsWith(bytes[^length..]))
                    return length;
            }
            return 0;
        }
    }
}
