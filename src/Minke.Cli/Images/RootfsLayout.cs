using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Node.Images;

namespace Minke.Cli.Images;

/// <summary>How an imported root file system is started.</summary>
internal sealed record ImportedConfig
{
    public IReadOnlyList<string> Entrypoint { get; init; } = [];
    public IReadOnlyList<string> Cmd { get; init; } = [];
    public IReadOnlyList<string> Env { get; init; } = [];
    public string WorkingDir { get; init; } = "";
    public string User { get; init; } = "";
}

/// <summary>Makes an OCI layout of one layer from a tar of a root file system, plain or gzip.</summary>
internal static class RootfsLayout
{
    public static async Task WriteAsync(Stream rootfs, string directory, ImportedConfig config, Platform platform, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.Combine(directory, "blobs", "sha256"));
        var layer = await WriteLayerAsync(rootfs, directory, cancellationToken);
        var start = new JsonObject
        {
            ["Entrypoint"] = Strings(config.Entrypoint),
            ["Cmd"] = Strings(config.Cmd),
            ["Env"] = Strings(config.Env.Count > 0 ? config.Env : ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]),
            ["WorkingDir"] = config.WorkingDir,
            ["User"] = config.User,
        };
        var configuration = WriteBlob(directory, new JsonObject
        {
            ["architecture"] = platform.Architecture,
            ["os"] = platform.Os,
            ["config"] = start,
            ["rootfs"] = new JsonObject { ["type"] = "layers", ["diff_ids"] = Strings([layer.Digest]) },
        });
        var manifest = WriteBlob(directory, new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = "application/vnd.oci.image.manifest.v1+json",
            ["config"] = Descriptor("application/vnd.oci.image.config.v1+json", configuration),
            ["layers"] = new JsonArray(Descriptor("application/vnd.oci.image.layer.v1.tar", layer)),
        });
        File.WriteAllText(Path.Combine(directory, "index.json"), new JsonObject
        {
            ["schemaVersion"] = 2,
            ["manifests"] = new JsonArray(Descriptor("application/vnd.oci.image.manifest.v1+json", manifest)),
        }.ToJsonString());
        File.WriteAllText(Path.Combine(directory, "oci-layout"), """{"imageLayoutVersion":"1.0.0"}""");
    }

    private static async Task<(string Digest, long Size)> WriteLayerAsync(Stream rootfs, string directory, CancellationToken cancellationToken)
    {
        var temporary = Path.Combine(directory, "layer");
        using (var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256))
        {
            long size = 0;
            await using (var file = File.Create(temporary))
            await using (var tar = await DecompressedAsync(rootfs, cancellationToken))
            {
                var buffer = new byte[128 << 10];
                while (await tar.ReadAsync(buffer, cancellationToken) is > 0 and var read)
                {
                    hash.AppendData(buffer, 0, read);
                    await file.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                    size += read;
                }
            }
            var digest = Convert.ToHexStringLower(hash.GetHashAndReset());
            File.Move(temporary, Path.Combine(directory, "blobs", "sha256", digest));
            return ("sha256:" + digest, size);
        }
    }

    /// <summary>Layers are named by what they hold, not by how it was packed.</summary>
    private static async Task<Stream> DecompressedAsync(Stream rootfs, CancellationToken cancellationToken)
    {
        var buffered = new BufferedStream(rootfs, 128 << 10);
        var first = new byte[2];
        var read = await buffered.ReadAtLeastAsync(first, 2, throwOnEndOfStream: false, cancellationToken);
        var whole = new ConcatenatedStream(first.AsMemory(0, read), buffered);
        return first is [0x1f, 0x8b] ? new GZipStream(whole, CompressionMode.Decompress) : whole;
    }

    private static (string Digest, long Size) WriteBlob(string directory, JsonObject content)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(content, BlobJson.Default.JsonObject);
        var digest = Convert.ToHexStringLower(SHA256.HashData(bytes));
        File.WriteAllBytes(Path.Combine(directory, "blobs", "sha256", digest), bytes);
        return ("sha256:" + digest, bytes.Length);
    }

    private static JsonObject Descriptor(string mediaType, (string Digest, long Size) blob) =>
        new() { ["mediaType"] = mediaType, ["digest"] = blob.Digest, ["size"] = blob.Size };

    private static JsonArray Strings(IEnumerable<string> values) => new([.. values.Select(value => JsonValue.Create(value))]);

    /// <summary>A few bytes that were read already, and then the rest.</summary>
    private sealed class ConcatenatedStream(ReadOnlyMemory<byte> first, Stream rest) : Stream
    {
        private ReadOnlyMemory<byte> _first = first;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer) => _first.Length == 0 ? rest.Read(buffer) : Take(buffer);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            _first.Length == 0 ? rest.ReadAsync(buffer, cancellationToken) : new ValueTask<int>(Take(buffer.Span));

        private int Take(Span<byte> buffer)
        {
            var count = Math.Min(buffer.Length, _first.Length);
            _first.Span[..count].CopyTo(buffer);
            _first = _first[count..];
            return count;
        }

        public override void Flush() => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}

[System.Text.Json.Serialization.JsonSerializable(typeof(JsonObject))]
internal sealed partial class BlobJson : System.Text.Json.Serialization.JsonSerializerContext;
