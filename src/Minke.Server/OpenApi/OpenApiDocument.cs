using System.Buffers;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using Minke.Api;

namespace Minke.Server.OpenApi;

/// <summary>One document as it is kept: compressed only, for it is large, rarely asked for, and clients take it so.</summary>
internal sealed class OpenApiDocument
{
    private readonly byte[] _gzipped;
    private readonly int _length;

    private OpenApiDocument(ReadOnlySpan<byte> plain)
    {
        // As upstream: the hash of what the document says.
        ETag = Convert.ToHexString(SHA512.HashData(plain));
        _length = plain.Length;
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Optimal))
            gzip.Write(plain);
        _gzipped = memory.ToArray();
    }

    /// <summary>Without quotes.</summary>
    public string ETag { get; }
    public ReadOnlyMemory<byte> Gzipped => _gzipped;

    public byte[] Plain()
    {
        var plain = new byte[_length];
        using var gzip = new GZipStream(new MemoryStream(_gzipped), CompressionMode.Decompress);
        gzip.ReadExactly(plain);
        return plain;
    }

    public static OpenApiDocument Of(ReadOnlySpan<byte> plain) => new(plain);

    public static OpenApiDocument Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(64 * 1024);
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }
        return new(buffer.WrittenSpan);
    }
}
