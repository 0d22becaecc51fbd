using System.Formats.Tar;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Node.Images.Store;
using Minke.Node.Runtime;

namespace Minke.Node.Images;

/// <summary>The form <see cref="ImageArchive.SaveAsync"/> writes.</summary>
public enum ArchiveFormat
{
    /// <summary>An OCI layout that also has a docker-archive's manifest.json, as "docker save" writes it today: every tool reads it.</summary>
    Docker,

    /// <summary>An OCI layout and nothing else.</summary>
    Oci,
}

/// <summary>Images from files and into files: OCI layouts (directory or tar) and docker-archives, also compressed, also from a pipe.</summary>
public sealed class ImageArchive(ImageStore store, TimeProvider time)
{
    private const int MaximumIndexBytes = 16 << 20;
    private const string ContainerdName = "io.containerd.image.name";
    private const string OciName = "org.opencontainers.image.ref.name";
    private static readonly DateTimeOffset Epoch = DateTimeOffset.UnixEpoch;

    /// <summary>Loads what a path names: a directory with an OCI layout, or a tar.</summary>
    /// <param name="path">The archive.</param>
    /// <param name="name">A name for its image instead of the archive's; null for those it has.</param>
    /// <param name="progress">Told about each layer.</param>
    /// <exception cref="ImageException">It cannot be read or is not sound. Nothing of it stays.</exception>
    public async Task<IReadOnlyList<ImageInfo>> LoadAsync(
        string path, string? name, IProgress<PullProgress>? progress, CancellationToken cancellationToken)
    {
        if (Directory.Exists(path))
            return await GuardAsync(path, async () =>
            {
                using var directory = new DirectoryArchive(path);
                return await LoadAsync(directory, name, progress, cancellationToken);
            });
        return await GuardAsync(path, async () =>
        {
            FileStream file;
            try
            {
                file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 0, FileOptions.Asynchronous | FileOptions.SequentialScan);
            }
            catch (FileNotFoundException)
            {
                throw new InvalidDataException("no such file");
            }
            await using (file)
                return await LoadFromAsync(file, name, progress, cancellationToken);
        });
    }

    /// <summary>Loads a tar from a stream that is read once, forwards: a pipe will do.</summary>
    /// <inheritdoc cref="LoadAsync(string, string?, IProgress{PullProgress}?, CancellationToken)"/>
    public Task<IReadOnlyList<ImageInfo>> LoadAsync(
        Stream archive, string? name, IProgress<PullProgress>? progress, CancellationToken cancellationToken) =>
        GuardAsync("archive", () => LoadFromAsync(archive, name, progress, cancellationToken));

    /// <summary>Writes images as one tar.</summary>
    /// <exception cref="ImageException">An image is not here, or its blobs are damaged.</exception>
    public async Task SaveAsync(IReadOnlyList<string> references, Stream output, ArchiveFormat format, CancellationToken cancellationToken)
    {
        var images = references.Select(reference => (Name: reference, Record: store.FindRecord(reference)
            ?? throw new ImageException("ImageNotFound", $"image \"{reference}\" not found"))).ToList();

        await using var tar = new TarWriter(output, TarEntryFormat.Ustar, leaveOpen: true);
        await WriteAsync(tar, "oci-layout", """{"imageLayoutVersion":"1.0.0"}"""u8.ToArray(), cancellationToken);
        var written = new HashSet<string>(StringComparer.Ordinal);
        var descriptors = new JsonArray();
        var entries = new JsonArray();
        foreach (var group in images.GroupBy(image => image.Record.Id))
        {
            var image = group.First().Record;
            foreach (var layer in image.Layers)
                await WriteBlobAsync(tar, Digest.Parse(layer.Blob), written, cancellationToken);
            await WriteBlobAsync(tar, Digest.Parse(image.Id), written, cancellationToken);
            var manifest = await ManifestAsync(image, cancellationToken);
            var digest = Digest.OfSha256(manifest);
            if (written.Add(digest.ToString()))
                await WriteAsync(tar, ArchiveContent.BlobName(digest), manifest, cancellationToken);

            var names = NamesToSave(image, [.. group.Select(named => named.Name)]);
            foreach (var name in names.Count > 0 ? names : (IReadOnlyList<string?>)[null])
                descriptors.Add((JsonNode)Describe(image, digest, manifest.Length, name));
            entries.Add((JsonNode)new JsonObject
            {
                ["Config"] = ArchiveContent.BlobName(Digest.Parse(image.Id)),
                ["RepoTags"] = names.Count > 0 ? new JsonArray([.. names.Select(name => (JsonNode?)JsonValue.Create(Familiar(name)))]) : null,
                ["Layers"] = new JsonArray([.. image.Layers.Select(layer => (JsonNode?)JsonValue.Create(ArchiveContent.BlobName(Digest.Parse(layer.Blob))))]),
            });
        }
        var index = new JsonObject { ["schemaVersion"] = 2, ["mediaType"] = MediaTypes.OciIndex, ["manifests"] = descriptors };
        await WriteAsync(tar, "index.json", Encoding.UTF8.GetBytes(index.ToJsonString()), cancellationToken);
        if (format == ArchiveFormat.Docker)
            await WriteAsync(tar, "manifest.json", Encoding.UTF8.GetBytes(entries.ToJsonString()), cancellationToken);
    }

    // ---- load --------------------------------------------------------------------------------------------------------------

    private static async Task<T> GuardAsync<T>(string what, Func<Task<T>> load)
    {
        try
        {
            return await load();
        }
        catch (Exception failure) when (failure is InvalidDataException or IOException or UnauthorizedAccessException or JsonException)
        {
            throw new ImageException("ImageLoadError", $"load images from {what}: {Words.For(failure)}", failure);
        }
    }

    private async Task<IReadOnlyList<ImageInfo>> LoadFromAsync(
        Stream input, string? name, IProgress<PullProgress>? progress, CancellationToken cancellationToken)
    {
        using var archive = await TarArchive.ReadAsync(input, store, cancellationToken);
        return await LoadAsync(archive, name, progress, cancellationToken);
    }

    private async Task<IReadOnlyList<ImageInfo>> LoadAsync(
        ArchiveContent archive, string? name, IProgress<PullProgress>? progress, CancellationToken cancellationToken)
    {
        var drafts = archive.Has("index.json") && (archive.Has("oci-layout") || !archive.Has("manifest.json"))
            ? await OciDraftsAsync(archive, cancellationToken)
            : archive.Has("manifest.json") ? await DockerDraftsAsync(archive, cancellationToken)
            : throw new InvalidDataException("not an image archive: it has neither index.json (OCI layout) nor manifest.json (docker-archive)");
        if (name is not null)
        {
            if (drafts.Count != 1)
                throw new InvalidDataException($"the archive has {drafts.Count} images; a name can be given to one");
            drafts = [drafts[0] with { Tags = [ImageReference.Parse(name).ToString()], Name = name }];
        }

        var assembler = new ImageAssembler(store, time, parallelLayers: 2);
        var loaded = new List<ImageInfo>();
        foreach (var draft in drafts)
        {
            var held = new List<FileStream>();
            try
            {
                foreach (var layer in ImageDocuments.ReadManifest(draft.Manifest, "").Layers ?? [])
                    if (await archive.AdoptAsync(draft.FileOf(layer.Digest), layer.Digest, cancellationToken) is { } blob)
                        held.Add(blob);
                loaded.Add(await assembler.AssembleAsync(draft, archive, progress, cancellationToken));
            }
            finally
            {
                var blobs = held.Select(blob => $"{Path.GetFileName(Path.GetDirectoryName(blob.Name))}:{Path.GetFileName(blob.Name)}").ToHashSet(StringComparer.Ordinal);
                held.ForEach(blob => blob.Dispose());
                if (blobs.Count > 0)
                    await store.CollectAsync([], blobs);
            }
        }
        return loaded;
    }

    private static async Task<IReadOnlyList<ImageDraft>> OciDraftsAsync(ArchiveContent archive, CancellationToken cancellationToken)
    {
        var index = ImageDocuments.ReadManifest(await archive.ReadAsync("index.json", ImageDocuments.MaximumManifestBytes, cancellationToken), MediaTypes.OciIndex);
        var drafts = new List<ImageDraft>();
        // One name for several platforms is one image; without names everything is.
        foreach (var group in (index.Manifests ?? []).GroupBy(NameOf))
        {
            var chosen = Best([.. group], group.Key);
            while (true)
            {
                var bytes = await ReadVerifiedAsync(archive, chosen, ImageDocuments.MaximumManifestBytes, cancellationToken);
                var manifest = ImageDocuments.ReadManifest(bytes, chosen.MediaType ?? "");
                if (manifest.IsIndex)
                {
                    chosen = Best(manifest.Manifests!, group.Key);
                    continue;
                }
                var config = await ReadVerifiedAsync(archive, manifest.Config!, ImageDocuments.MaximumConfigBytes, cancellationToken);
                var name = group.Key is { } text ? ImageReference.Parse(text).ToString() : null;
                drafts.Add(new ImageDraft
                {
                    Name = name ?? chosen.DigestText!,
                    Tags = name is null ? [] : [name],
                    ManifestDigest = chosen.Digest,
                    Manifest = bytes,
                    ConfigDigest = manifest.Config!.Digest,
                    Config = config,
                });
                break;
            }
        }
        return drafts.Count > 0 ? drafts : throw new InvalidDataException("the archive's index.json names no image");
    }

    private static string? NameOf(Descriptor descriptor)
    {
        var annotations = descriptor.Annotations;
        if (annotations?.GetValueOrDefault(ContainerdName) is { Length: > 0 } full)
            return full;
        return annotations?.GetValueOrDefault(OciName) is { Length: > 0 } name ? name : null;
    }

    private static Descriptor Best(IReadOnlyList<Descriptor> candidates, string? name) => PlatformChoice.Choose(candidates, Platform.Host)
        ?? throw new InvalidDataException(PlatformChoice.NoMatch(name ?? "the image", candidates.Select(candidate => candidate.Platform), Platform.Host));

    private static async Task<byte[]> ReadVerifiedAsync(ArchiveContent archive, Descriptor descriptor, int limit, CancellationToken cancellationToken)
    {
        var name = ArchiveContent.BlobName(descriptor.Digest);
        var bytes = await archive.ReadAsync(name, limit, cancellationToken);
        return descriptor.Digest.Matches(bytes)
            ? bytes : throw new InvalidDataException($"\"{name}\" in image archive is corrupt: its content does not have that digest");
    }

    private static async Task<IReadOnlyList<ImageDraft>> DockerDraftsAsync(ArchiveContent archive, CancellationToken cancellationToken)
    {
        List<DockerArchiveEntry>? entries;
        try
        {
            entries = JsonSerializer.Deserialize(
                await archive.ReadAsync("manifest.json", MaximumIndexBytes, cancellationToken), ImageJson.Default.ListDockerArchiveEntry);
        }
        catch (JsonException failure)
        {
            throw new InvalidDataException($"manifest.json is not valid JSON: line {failure.LineNumber + 1}, byte {failure.BytePositionInLine + 1}", failure);
        }
        var drafts = new List<ImageDraft>();
        foreach (var entry in entries ?? [])
        {
            if (entry?.Config is null)
                throw new InvalidDataException("manifest.json has an image without a configuration");
            var config = await archive.ReadAsync(entry.Config, ImageDocuments.MaximumConfigBytes, cancellationToken);
            var configDigest = Digest.OfSha256(config);
            var layers = new JsonArray();
            var files = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var layer in entry.Layers ?? [])
            {
                var (digest, size, isGzip) = await archive.DescribeAsync(layer, cancellationToken);
                layers.Add((JsonNode)new JsonObject
                {
                    ["mediaType"] = isGzip ? $"{MediaTypes.OciLayer}+gzip" : MediaTypes.OciLayer,
                    ["digest"] = digest.ToString(),
                    ["size"] = size,
                });
                files[digest.ToString()] = layer;
            }
            // What a registry would have said about it.
            var manifest = Encoding.UTF8.GetBytes(new JsonObject
            {
                ["schemaVersion"] = 2,
                ["mediaType"] = MediaTypes.OciManifest,
                ["config"] = new JsonObject { ["mediaType"] = MediaTypes.OciConfig, ["digest"] = configDigest.ToString(), ["size"] = config.Length },
                ["layers"] = layers,
            }.ToJsonString());
            var tags = (entry.RepoTags ?? []).Select(tag => ImageReference.Parse(tag).ToString()).ToList();
            drafts.Add(new ImageDraft
            {
                Name = tags.Count > 0 ? tags[0] : configDigest.ToString(),
                Tags = tags,
                ManifestDigest = Digest.OfSha256(manifest),
                Manifest = manifest,
                ConfigDigest = configDigest,
                Config = config,
                Files = files,
            });
        }
        return drafts.Count > 0 ? drafts : throw new InvalidDataException("the archive's manifest.json names no image");
    }

    // ---- save --------------------------------------------------------------------------------------------------------------

    /// <summary>The manifest as it came, unless a layer is here under another blob than it says (the same content, compressed differently).</summary>
    private async Task<byte[]> ManifestAsync(ImageRecord image, CancellationToken cancellationToken)
    {
        var bytes = await store.ReadBlobAsync(Digest.Parse(image.Manifest), ImageDocuments.MaximumManifestBytes, cancellationToken)
            ?? throw new ImageException("ImageInspectError", $"manifest {image.Manifest} of image {image.Id} is missing or damaged; pull the image again");
        var layers = ImageDocuments.ReadManifest(bytes, "").Layers ?? [];
        if (layers.Select(layer => layer.DigestText).SequenceEqual(image.Layers.Select(layer => layer.Blob)))
            return bytes;
        var manifest = JsonNode.Parse(bytes)!.AsObject();
        manifest["layers"] = new JsonArray([.. image.Layers.Select(layer => (JsonNode?)new JsonObject
        {
            ["mediaType"] = layer.MediaType,
            ["digest"] = layer.Blob,
            ["size"] = layer.BlobBytes,
        })]);
        return Encoding.UTF8.GetBytes(manifest.ToJsonString());
    }

    private static List<string> NamesToSave(ImageRecord image, IReadOnlyList<string> asked)
    {
        var names = asked.Select(text => ImageReference.TryParse(text, out var reference, out _) ? reference!.ToString() : text)
            .Where(name => image.Tags.Contains(name)).Distinct().ToList();
        return names.Count > 0 ? names : [.. image.Tags];
    }

    private static JsonObject Describe(ImageRecord image, Digest digest, int size, string? name)
    {
        var descriptor = new JsonObject
        {
            ["mediaType"] = image.ManifestMediaType,
            ["digest"] = digest.ToString(),
            ["size"] = size,
            ["platform"] = new JsonObject { ["architecture"] = image.Config.Architecture, ["os"] = image.Config.Os },
        };
        if (name is not null)
            descriptor["annotations"] = new JsonObject { [ContainerdName] = name, [OciName] = ImageReference.Parse(name).Tag };
        return descriptor;
    }

    /// <summary>The short form that Docker prints: without docker.io and library.</summary>
    private static string Familiar(string name)
    {
        const string official = "docker.io/library/", hub = "docker.io/";
        return name.StartsWith(official, StringComparison.Ordinal) ? name[official.Length..]
            : name.StartsWith(hub, StringComparison.Ordinal) ? name[hub.Length..] : name;
    }

    private async Task WriteBlobAsync(TarWriter tar, Digest digest, HashSet<string> written, CancellationToken cancellationToken)
    {
        if (!written.Add(digest.ToString()))
            return;
        await using var blob = store.OpenBlob(digest)
            ?? throw new ImageException("ImageInspectError", $"blob {digest} is missing from the image store; pull the image again");
        await tar.WriteEntryAsync(
            new UstarTarEntry(TarEntryType.RegularFile, ArchiveContent.BlobName(digest)) { DataStream = blob, ModificationTime = Epoch, Mode = (UnixFileMode)0x1A4 },
            cancellationToken);
    }

    private static async Task WriteAsync(TarWriter tar, string name, byte[] content, CancellationToken cancellationToken)
    {
        using var data = new MemoryStream(content);
        await tar.WriteEntryAsync(
            new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = data, ModificationTime = Epoch, Mode = (UnixFileMode)0x1A4 }, cancellationToken);
    }
}
