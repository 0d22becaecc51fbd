using System.Text.Json;
using System.Text.Json.Serialization;
using Minke.Node.Runtime;

namespace Minke.Node.Images;

internal static class MediaTypes
{
    public const string OciManifest = "application/vnd.oci.image.manifest.v1+json";
    public const string OciIndex = "application/vnd.oci.image.index.v1+json";
    public const string DockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
    public const string DockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
    public const string DockerSchema1 = "application/vnd.docker.distribution.manifest.v1+json";
    public const string DockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    public const string OciConfig = "application/vnd.oci.image.config.v1+json";
    public const string OciLayer = "application/vnd.oci.image.layer.v1.tar";

    public static bool IsManifest(string? type) => type is OciManifest or DockerManifest;

    public static bool IsIndex(string? type) => type is OciIndex or DockerList;
}

/// <summary>OCI descriptor: where bytes are, by what name, and how many.</summary>
internal sealed record Descriptor
{
    [JsonPropertyName("mediaType")] public string? MediaType { get; init; }
    [JsonPropertyName("digest")] public string? DigestText { get; init; }
    [JsonPropertyName("size")] public long Size { get; init; }
    [JsonPropertyName("annotations")] public Dictionary<string, string>? Annotations { get; init; }
    [JsonPropertyName("platform")] public Platform? Platform { get; init; }

    [JsonIgnore] public Digest Digest => Digest.Parse(DigestText);
}

/// <summary>A manifest or an index: which of the two is told by what it has.</summary>
internal sealed record ManifestDocument
{
    [JsonPropertyName("schemaVersion")] public int SchemaVersion { get; init; }
    [JsonPropertyName("mediaType")] public string? MediaType { get; init; }
    [JsonPropertyName("config")] public Descriptor? Config { get; init; }
    [JsonPropertyName("layers")] public List<Descriptor>? Layers { get; init; }
    [JsonPropertyName("manifests")] public List<Descriptor>? Manifests { get; init; }
    [JsonPropertyName("fsLayers")] public JsonElement? FsLayers { get; init; }

    [JsonIgnore] public bool IsIndex => Manifests is not null;
}

/// <summary>The image configuration. Its rootfs names the layers by the digests of their uncompressed tars.</summary>
internal sealed record ConfigDocument
{
    [JsonPropertyName("architecture")] public string? Architecture { get; init; }
    [JsonPropertyName("os")] public string? Os { get; init; }
    [JsonPropertyName("variant")] public string? Variant { get; init; }
    [JsonPropertyName("config")] public ProcessDocument? Config { get; init; }
    [JsonPropertyName("rootfs")] public RootfsDocument? Rootfs { get; init; }

    [JsonIgnore] public Platform Platform => new() { Architecture = Architecture ?? "", Os = Os ?? "", Variant = Variant };

    public ImageConfig ToImageConfig() => new()
    {
        User = Config?.User ?? "",
        Env = Config?.Env ?? [],
        Entrypoint = Config?.Entrypoint ?? [],
        Cmd = Config?.Cmd ?? [],
        WorkingDir = Config?.WorkingDir ?? "",
        StopSignal = Config?.StopSignal ?? "",
        Labels = Config?.Labels ?? [],
        Volumes = Config?.Volumes is { } volumes ? [.. volumes.Keys.Order(StringComparer.Ordinal)] : [],
        Architecture = Architecture ?? "",
        Os = Os ?? "",
    };
}

internal sealed record ProcessDocument
{
    public string? User { get; init; }
    public List<string>? Env { get; init; }
    public List<string>? Entrypoint { get; init; }
    public List<string>? Cmd { get; init; }
    public string? WorkingDir { get; init; }
    public string? StopSignal { get; init; }
    public Dictionary<string, string>? Labels { get; init; }
    public Dictionary<string, JsonElement>? Volumes { get; init; }
}

internal sealed record RootfsDocument
{
    [JsonPropertyName("type")] public string? Type { get; init; }
    [JsonPropertyName("diff_ids")] public List<string>? DiffIds { get; init; }
}

/// <summary>An entry of a docker-archive's manifest.json.</summary>
internal sealed record DockerArchiveEntry
{
    public string? Config { get; init; }
    public List<string>? RepoTags { get; init; }
    public List<string>? Layers { get; init; }
}

// Go, whose programs write and read these documents, matches names without regard to case.
[JsonSourceGenerationOptions(
    PropertyNameCaseInsensitive = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, MaxDepth = 32)]
[JsonSerializable(typeof(ManifestDocument))]
[JsonSerializable(typeof(ConfigDocument))]
[JsonSerializable(typeof(List<DockerArchiveEntry>))]
internal sealed partial class ImageJson : JsonSerializerContext;

/// <summary>Reads what others wrote, with limits, and says in one sentence what is wrong with it.</summary>
internal static class ImageDocuments
{
    /// <summary>What the distribution project accepts for a manifest.</summary>
    public const int MaximumManifestBytes = 4 << 20;

    /// <summary>What containerd accepts for a configuration.</summary>
    public const int MaximumConfigBytes = 8 << 20;

    /// <summary>overlayfs stacks at most 500 lower directories.</summary>
    public const int MaximumLayers = 500;

    /// <param name="bytes">The manifest or index.</param>
    /// <param name="mediaType">What the sender called it; empty when nothing was said.</param>
    /// <exception cref="InvalidDataException">It is neither, or one this program does not read.</exception>
    public static ManifestDocument ReadManifest(ReadOnlySpan<byte> bytes, string mediaType)
    {
        RefuseSchema1(mediaType);
        if (bytes.Length > MaximumManifestBytes)
            throw new InvalidDataException($"manifest of {bytes.Length} bytes exceeds the limit of {MaximumManifestBytes} bytes");
        ManifestDocument? document;
        try
        {
            document = JsonSerializer.Deserialize(bytes, ImageJson.Default.ManifestDocument);
        }
        catch (JsonException failure)
        {
            throw new InvalidDataException($"manifest is not valid JSON: line {failure.LineNumber + 1}, byte {failure.BytePositionInLine + 1}", failure);
        }
        if (document is null)
            throw new InvalidDataException("manifest is empty");
        RefuseSchema1(document.MediaType ?? "");
        if (document.SchemaVersion == 1 || document.FsLayers is not null)
            RefuseSchema1(MediaTypes.DockerSchema1Signed);

        // A document that is both would mean different images to different readers (CVE-2021-41190).
        if (document.Manifests is not null && (document.Layers is not null || document.Config is not null))
            throw new InvalidDataException("manifest is ambiguous: it has both \"manifests\" and \"layers\" or \"config\"");
        if (document.Manifests is null && document.Config is null)
            throw new InvalidDataException($"not an image: media type \"{document.MediaType ?? mediaType}\" without \"manifests\" and without \"config\"");
        foreach (var type in (string?[])[mediaType, document.MediaType])
            if (document.IsIndex ? MediaTypes.IsManifest(type) : MediaTypes.IsIndex(type))
                throw new InvalidDataException($"manifest content does not fit its media type \"{type}\"");

        foreach (var descriptor in (IEnumerable<Descriptor?>)[.. document.Manifests ?? [], .. document.Layers ?? [], document.Config])
            if (descriptor is not null)
                _ = descriptor.Digest;
        if (document.Layers?.Contains(null!) == true || document.Manifests?.Contains(null!) == true)
            throw new InvalidDataException("manifest has a null descriptor");
        if (document.Layers?.Count > MaximumLayers)
            throw new InvalidDataException($"image has {document.Layers.Count} layers; overlayfs can stack {MaximumLayers}");
        if (document.Layers?.Find(layer => layer.Size < 0) is { } negative)
            throw new InvalidDataException($"layer {negative.DigestText} has a negative size");
        return document;
    }

    /// <exception cref="InvalidDataException">Not a configuration of a container image.</exception>
    public static ConfigDocument ReadConfig(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaximumConfigBytes)
            throw new InvalidDataException($"image configuration of {bytes.Length} bytes exceeds the limit of {MaximumConfigBytes} bytes");
        try
        {
            var config = JsonSerializer.Deserialize(bytes, ImageJson.Default.ConfigDocument)
                ?? throw new InvalidDataException("image configuration is empty");
            foreach (var diffId in config.Rootfs?.DiffIds ?? [])
                Digest.Parse(diffId);
            return config;
        }
        catch (JsonException failure)
        {
            throw new InvalidDataException($"image configuration is not valid JSON: line {failure.LineNumber + 1}, byte {failure.BytePositionInLine + 1}", failure);
        }
    }

    private static void RefuseSchema1(string mediaType)
    {
        if (mediaType is MediaTypes.DockerSchema1 or MediaTypes.DockerSchema1Signed)
            throw new InvalidDataException(
                $"media type \"{mediaType}\" is no longer supported, please rebuild the image as \"{MediaTypes.DockerManifest}\" or \"{MediaTypes.OciManifest}\"");
    }
}
