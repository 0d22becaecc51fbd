using System.Text.Json;
using System.Text.Json.Serialization;
using Minke.Node.Runtime;

namespace Minke.Node.Images.Store;

/// <summary>One unpacked layer of an image. Layers are told apart by their chain: the same tar on other layers is another one.</summary>
internal sealed record LayerRecord
{
    /// <summary>OCI chain id: identifies this layer and all those below.</summary>
    public required string ChainId { get; init; }

    /// <summary>Digest of the uncompressed tar.</summary>
    public required string DiffId { get; init; }

    /// <summary>Name below <c>l/</c>.</summary>
    public required string Directory { get; init; }

    /// <summary>The blob it was unpacked from, kept for saving.</summary>
    public required string Blob { get; init; }
    public required long BlobBytes { get; init; }
    public required string MediaType { get; init; }

    /// <summary>Bytes of files in the directory.</summary>
    public required long Bytes { get; init; }
    public required long Inodes { get; init; }
}

internal sealed record ImageRecord
{
    public required string Id { get; init; }
    public IReadOnlyList<string> Tags { get; init; } = [];
    public IReadOnlyList<string> Digests { get; init; } = [];
    public required string Manifest { get; init; }
    public required string ManifestMediaType { get; init; }
    public required long ManifestBytes { get; init; }
    public required long ConfigBytes { get; init; }
    public required IReadOnlyList<LayerRecord> Layers { get; init; }
    public required ImageConfig Config { get; init; }
    public bool IsPinned { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset LastUsedAt { get; init; }

    /// <summary>Size as a registry counts it and as containerd reports it: compressed layers, configuration, manifest.</summary>
    [JsonIgnore]
    public long SizeBytes => ManifestBytes + ConfigBytes + Layers.Sum(layer => layer.BlobBytes);

    [JsonIgnore]
    public IEnumerable<string> Blobs => [Manifest, Id, .. Layers.Select(layer => layer.Blob)];

    public ImageInfo ToInfo(string layersDirectory) => new()
    {
        Id = Id,
        Tags = Tags,
        Digests = Digests,
        SizeBytes = SizeBytes,
        Config = Config,
        LayerDirectories = [.. Layers.Select(layer => Path.Combine(layersDirectory, layer.Directory))],
        IsPinned = IsPinned,
        LastUsedAt = LastUsedAt,
    };
}

/// <summary>
/// The file <c>images.json</c>: the only thing that makes a layer directory or a blob part of an image. It is replaced as a
/// whole by rename, so a reader sees the state before a change or after it, and a crash leaves at worst files nobody names.
/// </summary>
internal sealed record StoreIndex
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public IReadOnlyList<ImageRecord> Images { get; init; } = [];

    public ImageRecord? Find(string referenceOrId)
    {
        if (Images.FirstOrDefault(image => image.Id == referenceOrId) is { } exact)
            return exact;
        if (referenceOrId.Length == 64 && Images.FirstOrDefault(image => image.Id.AsSpan("sha256:".Length).SequenceEqual(referenceOrId)) is { } byHex)
            return byHex;
        if (ImageReference.TryParse(referenceOrId, out var reference, out _))
        {
            var name = reference!.ToString();
            if (Images.FirstOrDefault(image => image.Tags.Contains(name) || image.Digests.Contains(name)) is { } named)
                return named;
        }
        return ByPrefix(referenceOrId);
    }

    /// <summary>A beginning of an id, as people type it, when it means one image.</summary>
    private ImageRecord? ByPrefix(string text)
    {
        const int shortest = 4;
        var hex = text.StartsWith("sha256:", StringComparison.Ordinal) ? text["sha256:".Length..] : text;
        if (hex.Length < shortest || !hex.All(char.IsAsciiHexDigitLower))
            return null;
        var matches = Images.Where(image => image.Id.AsSpan("sha256:".Length).StartsWith(hex)).Take(2).ToList();
        return matches.Count == 1 ? matches[0] : null;
    }

    public static StoreIndex Read(ReadOnlySpan<byte> json)
    {
        var index = JsonSerializer.Deserialize(json, StoreJson.Default.StoreIndex) ?? throw new JsonException();
        return index.Version == CurrentVersion
            ? index : throw new InvalidDataException($"image store has version {index.Version}; this program reads version {CurrentVersion}");
    }

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, StoreJson.Default.StoreIndex);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(StoreIndex))]
internal sealed partial class StoreJson : JsonSerializerContext;
