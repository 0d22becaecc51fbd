using System.IO.Compression;

namespace Minke.Node.Images.Layers;

/// <summary>Undoes compression by what the bytes are, not by what a media type says: registries and tools confuse the latter.</summary>
internal static class Decompression
{
    /// <exception cref="InvalidDataException">Compressed in a way that images are not (bzip2, xz).</exception>
    public static async ValueTask<Stream> OpenAsync(Stream source, CancellationToken cancellationToken)
    {
        var head = new byte[6];
        var length = await source.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, cancellationToken);
        var whole = new PrefixedStream(head.AsMemory(0, length), source);
        return head switch
        {
            [0x1f, 0x8b, ..] => new GZipStream(whole, CompressionMode.Decompress),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => new ZstdStream(whole),
            // A skippable frame may come first (zstd:chunked, seekable zstd).
            [>= 0x50 and <= 0x5f, 0x2a, 0x4d, 0x18, ..] => new ZstdStream(whole),
            [(byte)'B', (byte)'Z', (byte)'h', ..] => throw new InvalidDataException("bzip2 compression is not supported for images"),
            [0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0] => throw new InvalidDataException("xz compression is not supported for images"),
            _ => whole,
        };
    }

    private sealed class PrefixedStream(ReadOnlyMemory<byte> prefix, Stream rest) : ReadOnlyStream
    {
        private ReadOnlyMemory<byte> _prefix = prefix;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_prefix.Length == 0)
                return rest.ReadAsync(buffer, cancellationToken);
            var count = Math.Min(buffer.Length, _prefix.Length);
            _prefix[..count].CopyTo(buffer);
            _prefix = _prefix[count..];
            return ValueTask.FromResult(count);
        }
    }
}
