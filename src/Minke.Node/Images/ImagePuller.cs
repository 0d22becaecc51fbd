using Minke.Node.Images.Registries;
using Minke.Node.Images.Store;
using Minke.Node.Runtime;

namespace Minke.Node.Images;

/// <summary>One pull with one credential, from name to committed image.</summary>
internal sealed class ImagePuller(
    ImageStore store, RegistryHttp http, RegistriesConfig config, PullOptions options, Platform platform, TimeProvider time, Random random)
{
    private readonly ImageAssembler _assembler = new(store, time, options.ParallelLayers);

    /// <exception cref="ImageException">With the words containerd has for it.</exception>
    public async Task<ImageInfo> PullAsync(
        ImageReference reference, RegistryCredential? credential, IProgress<PullProgress>? progress, CancellationToken cancellationToken)
    {
        using var session = new RegistrySession(http, config, credential, options, time, random);
        var remote = new RemoteImage(reference, RegistryEndpoint.For(reference, config), session);
        try
        {
            var (descriptor, content) = await ResolveAsync(reference, remote, cancellationToken);
            var pinned = $"{reference.Repository}@{descriptor.Digest}";
            if (store.FindRecord(pinned) is { } present && present.Layers.All(layer => Directory.Exists(store.LayerPath(layer.Directory))))
                return await NameAsync(present, reference, cancellationToken);
            var (manifestDescriptor, manifest, document) = await ManifestAsync(reference, descriptor, content, remote, cancellationToken);
            var configDescriptor = document.Config!;
            var configuration = await store.ReadBlobAsync(configDescriptor.Digest, ImageDocuments.MaximumConfigBytes, cancellationToken)
                ?? await remote.ReadAsync(configDescriptor, ImageDocuments.MaximumConfigBytes, cancellationToken);
            return await _assembler.AssembleAsync(new ImageDraft
            {
                Name = reference.ToString(),
                Tags = reference.Digest is null ? [reference.ToString()] : [],
                Digests = [pinned],
                ManifestDigest = manifestDescriptor.Digest,
                Manifest = manifest,
                ConfigDigest = configDescriptor.Digest,
                Config = configuration,
            }, remote, progress, cancellationToken);
        }
        catch (Exception failure) when (failure is RegistryException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            throw new ImageException("ErrImagePull", $"failed to pull and unpack image \"{reference}\": {Words.For(failure)}", failure)
            {
                RpcCode = failure is RegistryException { Kind: RegistryFailure.NotFound } || failure.Message.Contains(": not found: ", StringComparison.Ordinal)
                    ? "NotFound" : null,
            };
        }
    }

    private static async Task<(Descriptor, byte[]?)> ResolveAsync(ImageReference reference, RemoteImage remote, CancellationToken cancellationToken)
    {
        try
        {
            return await remote.ResolveAsync(cancellationToken);
        }
        catch (RegistryException failure)
        {
            throw new RegistryException(failure.Kind, $"failed to resolve reference \"{reference}\": {failure.Message}", failure);
        }
    }

    /// <summary>Known already under this digest: at most the name is new.</summary>
    private async Task<ImageInfo> NameAsync(ImageRecord present, ImageReference reference, CancellationToken cancellationToken)
    {
        if (reference.Digest is null && !present.Tags.Contains(reference.ToString()))
            await store.TagAsync(present.Id, reference.ToString(), cancellationToken);
        return store.Find(present.Id) ?? present.ToInfo(store.LayerPath(""));
    }

    private async Task<(Descriptor Descriptor, byte[] Bytes, ManifestDocument Document)> ManifestAsync(
        ImageReference reference, Descriptor descriptor, byte[]? content, RemoteImage remote, CancellationToken cancellationToken)
    {
        const int deepest = 4; // indexes may nest; nobody nests deeper in good faith
        for (var depth = 0; depth < deepest; depth++)
        {
            var bytes = content ?? await store.ReadBlobAsync(descriptor.Digest, ImageDocuments.MaximumManifestBytes, cancellationToken)
                ?? await remote.ReadAsync(descriptor, ImageDocuments.MaximumManifestBytes, cancellationToken);
            content = null;
            var document = ImageDocuments.ReadManifest(bytes, descriptor.MediaType ?? "");
            if (!document.IsIndex)
                return (descriptor, bytes, document);
            descriptor = PlatformChoice.Choose(document.Manifests!, platform)
                ?? throw new InvalidDataException(PlatformChoice.NoMatch(reference.ToString(), document.Manifests!.Select(manifest => manifest.Platform), platform));
        }
        throw new InvalidDataException("indexes are nested too deeply");
    }
}
