using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Minke.Server.Streaming.Spdy;

/// <summary>
/// Decompresses the header blocks of one connection. They are one zlib stream from the first to the last, so every block must be read,
/// also those of streams refused.
/// </summary>
/// <remarks>
/// <see cref="ZLibStream"/> takes no dictionary. But a dictionary is nothing else than text that went before: we strip the zlib head,
/// and give raw inflate the dictionary as a stored block first, so that what follows refers to it as it expects.
/// </remarks>
internal sealed class SpdyHeaderReader : IDisposable
{
    /// <summary>Of one block, decompressed; what clients of Kubernetes send is under 200.</summary>
    public const int MaxBlockBytes = 16 * 1024;
    private const int MaxHeaders = 64;

    private const int ZlibHeadBytes = 2;
    private const byte DeflateMethod = 8;
    private const byte HasDictionary = 0x20;

    private readonly Feed _feed = new();
    private readonly DeflateStream _inflate;
    private readonly byte[] _block = new byte[MaxBlockBytes];
    private bool _started;

    public SpdyHeaderReader() => _inflate = new DeflateStream(_feed, CompressionMode.Decompress);

    /// <summary>Header names in lower case; a value sent in parts (separated by NUL) is its first part.</summary>
    /// <exception cref="SpdyException">The block is not what zlib and SPDY say, or too large.</exception>
    public IReadOnlyDictionary<string, string> Read(ReadOnlyMemory<byte> compressed)
    {
        if (!_started)
        {
            compressed = Start(compressed);
            _started = true;
        }
        _feed.Set(compressed);
        int length;
        try
        {
            // Asking for one byte past the limit tells "just fits" from "too large".
            length = _inflate.ReadAtLeast(_block, _block.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException error)
        {
            throw new SpdyException("header block is not zlib data", error);
        }
        if (length == _block.Length || !_feed.IsEmpty)
            throw new SpdyException("header block is too large");
        return Parse(_block.AsSpan(0, length));
    }

    public void Dispose() => _inflate.Dispose();

    private ReadOnlyMemory<byte> Start(ReadOnlyMemory<byte> compressed)
    {
        var head = compressed.Span;
        if (head.Length < ZlibHeadBytes + sizeof(uint) || (head[0] & 0x0F) != DeflateMethod || ((head[0] << 8) | head[1]) % 31 != 0 ||
            (head[1] & HasDictionary) == 0 || BinaryPrimitives.ReadUInt32BigEndian(head[ZlibHeadBytes..]) != SpdyDictionary.Id)
        {
            throw new SpdyException("header compression does not begin with SPDY's dictionary");
        }
        var dictionary = SpdyDictionary.Bytes;
        var stored = new byte[StoredBlock.HeadBytes + dictionary.Length];
        StoredBlock.WriteHead(stored, dictionary.Length);
        dictionary.CopyTo(stored.AsMemory(StoredBlock.HeadBytes));
        _feed.Set(stored);
        _inflate.ReadExactly(_block, 0, dictionary.Length);
        return compressed[(ZlibHeadBytes + sizeof(uint))..];
    }

    private static Dictionary<string, string> Parse(ReadOnlySpan<byte> block)
    {
        var count = ReadNumber(ref block);
        if (count > MaxHeaders)
            throw new SpdyException("too many headers");
        var headers = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var index = 0; index < count; index++)
        {
            var name = Encoding.Latin1.GetString(ReadText(ref block)).ToLowerInvariant();
            var value = ReadText(ref block);
            if (value.IndexOf((byte)0) is >= 0 and var end)
                value = value[..end];
            if (name.Length == 0 || !headers.TryAdd(name, Encoding.UTF8.GetString(value)))
                throw new SpdyException("a header without a name, or twice the same");
        }
        if (block.Length > 0)
            throw new SpdyException("bytes after the last header");
        return headers;
    }

    private static ReadOnlySpan<byte> ReadText(ref ReadOnlySpan<byte> block)
    {
        var length = ReadNumber(ref block);
        if (length > block.Length)
            throw new SpdyException("header block ends within a header");
        var text = block[..(int)length];
        block = block[(int)length..];
        return text;
    }

    private static uint ReadNumber(ref ReadOnlySpan<byte> block)
    {
        if (!BinaryPrimitives.TryReadUInt32BigEndian(block, out var number))
            throw new SpdyException("header block ends within a number");
        block = block[sizeof(uint)..];
        return number;
    }

    /// <summary>What inflate reads from: it ends with each block, and goes on with the next.</summary>
    private sealed class Feed : Stream
    {
        private ReadOnlyMemory<byte> _left;

        public bool IsEmpty => _left.IsEmpty;
        public void Set(ReadOnlyMemory<byte> block) => _left = block;
        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var take = Math.Min(buffer.Length, _left.Length);
            _left.Span[..take].CopyTo(buffer);
            _left = _left[take..];
            return take;
        }

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
