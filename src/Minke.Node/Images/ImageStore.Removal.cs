using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Minke.Node.Images.Layers;
using Minke.Node.Images.Store;

namespace Minke.Node.Images;

/// <summary>Taking away names, images and whatever no image needs any more, while others may be using it.</summary>
public sealed partial class ImageStore
{
    /// <summary>
    /// Takes one name from an image and removes the image when it was the last one, or when <paramref name="referenceOrId"/> is an
    /// id. Null when it is not here.
    /// </summary>
    public async Task<ImageRemoval?> UntagAsync(string referenceOrId, CancellationToken cancellationToken)
    {
        if (FindRecord(referenceOrId) is not { } image)
            return null;
        if (!ImageReference.TryParse(referenceOrId, out var reference, out _) || reference!.ToString() is var name && !image.Tags.Contains(name) && !image.Digests.Contains(name))
            return await RemoveCoreAsync(referenceOrId, cancellationToken);

        // A digest of the same repository goes with its last tag: nobody typed it.
        var tags = image.Tags.Where(tag => tag != name).ToList();
        var repository = reference.Repository;
        var digests = image.Digests.Where(digest => digest != name
            && (reference.Digest is not null || tags.Exists(tag => ImageReference.Parse(tag).Repository == repository)
                || !digest.StartsWith($"{repository}@", StringComparison.Ordinal))).ToList();
        if (tags.Count + digests.Count == 0)
            return await RemoveCoreAsync(image.Id, cancellationToken);
        await ChangeImageAsync(image.Id, (index, current) => Replace(index, current with { Tags = tags, Digests = digests }), cancellationToken);
        return new ImageRemoval(image.Id, [name, .. image.Digests.Except(digests)], IsRemoved: false, FreedBytes: 0);
    }

    /// <summary>Removes the image with all its names, and every layer and blob only it used. False when it is not here.</summary>
    /// <remarks>Layers that a container has mounted stay until they are unmounted and <see cref="SweepAsync"/> is called.</remarks>
    public async Task<bool> RemoveAsync(string referenceOrId, CancellationToken cancellationToken) =>
        await RemoveCoreAsync(referenceOrId, cancellationToken) is not null;

    private async Task<ImageRemoval?> RemoveCoreAsync(string referenceOrId, CancellationToken cancellationToken)
    {
        ImageRecord? removed = null;
        await ChangeImageAsync(referenceOrId, (index, image) =>
        {
            removed = image;
            return index with { Images = [.. index.Images.Where(other => other.Id != image.Id)] };
        }, cancellationToken);
        if (removed is null)
            return null;
        var (layers, blobBytes) = await CollectUnusedAsync(
            removed.Layers.Select(layer => layer.Directory).ToHashSet(), removed.Blobs.ToHashSet(), TimeSpan.MaxValue, cancellationToken);
        var freed = blobBytes + removed.Layers.Where(layer => layers.Contains(layer.Directory)).Sum(layer => layer.Bytes);
        LogRemoved(removed.Id, removed.Tags.Count > 0 ? removed.Tags[0] : "<none>", freed);
        return new ImageRemoval(removed.Id, [.. removed.Tags, .. removed.Digests], IsRemoved: true, freed);
    }

    /// <summary>
    /// Removes what no image needs: layers of killed pulls, layers that were mounted when their image went, and downloads that
    /// nobody came back for in a day.
    /// </summary>
    public Task SweepAsync(CancellationToken cancellationToken) => CollectUnusedAsync(null, null, PartialLifetime, cancellationToken);

    /// <summary>Removes what no image needs, downloads that a retry could have gone on with included.</summary>
    public Task PruneAsync(CancellationToken cancellationToken) => CollectUnusedAsync(null, null, TimeSpan.Zero, cancellationToken);

    /// <summary>Removes what a pull that failed has made, unless an image uses it by now.</summary>
    internal Task CollectAsync(IReadOnlyCollection<LayerRecord> layers, IReadOnlySet<string> blobs) =>
        CollectUnusedAsync(layers.Select(layer => layer.Directory).ToHashSet(), blobs, TimeSpan.MaxValue, CancellationToken.None);

    /// <summary>Removes layers and blobs that no image names and nobody holds: all of them, or those among the candidates.</summary>
    private async Task<(IReadOnlySet<string> Layers, long BlobBytes)> CollectUnusedAsync(
        HashSet<string>? layers, IReadOnlySet<string>? blobs, TimeSpan keepDownloads, CancellationToken cancellationToken)
    {
        var freed = 0L;
        var removed = new HashSet<string>(StringComparer.Ordinal);
        var victims = new List<(string Path, SafeFileHandle Handle)>();
        await _gate.WaitAsync(cancellationToken);
        try
        {
            using var storeLock = TakeLock();
            var index = ReadIndex();
            var usedLayers = index.Images.SelectMany(image => image.Layers).Select(layer => layer.Directory).ToHashSet(StringComparer.Ordinal);
            var usedBlobs = index.Images.SelectMany(image => image.Blobs).ToHashSet(StringComparer.Ordinal);
            var unused = Directory.EnumerateDirectories(_layers).Select(path => Path.GetFileName(path))
                .Where(name => !usedLayers.Contains(name) && layers?.Contains(name) != false).ToList();
            var mounted = MountedLayers.Among(unused);
            foreach (var name in unused.Where(name => !mounted.Contains(name)))
            {
                var path = Path.Combine(_layers, name);
                var handle = FileCalls.TryOpen(null, LayerTree.Terminated(path), FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0, out _);
                // Who holds a shared lock is still building on it.
                if (handle is not null && FileCalls.TryLock(handle, exclusive: true))
                    victims.Add((path, handle));
                else
                    handle?.Dispose();
            }
            foreach (var path in Directory.EnumerateFiles(Path.Combine(_root, "blobs"), "*", SearchOption.AllDirectories))
            {
                var digest = $"{Path.GetFileName(Path.GetDirectoryName(path))}:{Path.GetFileName(path)}";
                // Without candidates: a blob without an image is a download of a pull that failed later on.
                if (!usedBlobs.Contains(digest) && (blobs?.Contains(digest) ?? IsOlder(path, keepDownloads)))
                    freed += RemoveUnlessHeld(path);
            }
            foreach (var path in Directory.EnumerateFiles(_partial))
                if (blobs?.Contains(Path.GetFileNameWithoutExtension(path).Replace('-', ':')) == true || IsOlder(path, keepDownloads) || keepDownloads != TimeSpan.MaxValue && Path.GetFileName(path).StartsWith("load-", StringComparison.Ordinal))
                    freed += RemoveUnlessHeld(path);
        }
        finally
        {
            _gate.Release();
        }

        // The exclusive locks keep others away; removing many files need not keep them waiting.
        foreach (var (path, handle) in victims)
        {
            using (handle)
                if (TryRemove(path))
                    removed.Add(Path.GetFileName(path));
        }
        return (removed, freed);
    }

    private bool IsOlder(string path, TimeSpan age) => _time.GetUtcNow() - File.GetLastWriteTimeUtc(path) >= age;

    private static long RemoveUnlessHeld(string path)
    {
        using var handle = FileCalls.TryOpen(null, LayerTree.Terminated(path), FileCalls.O_RDONLY, 0, out _);
        if (handle is null || !FileCalls.TryLock(handle, exclusive: true))
            return 0;
        var bytes = RandomAccess.GetLength(handle);
        File.Delete(path);
        return bytes;
    }

    private bool TryRemove(string path)
    {
        try
        {
            TreeRemoval.Remove(path);
            return true;
        }
        catch (IOException failure)
        {
            LogNotRemoved(path, failure.Message);
            return false;
        }
    }

    [LoggerMessage(LogLevel.Information, "Image {Image} ({Reference}) removed, {Bytes} bytes freed")]
    private partial void LogRemoved(string image, string reference, long bytes);

    [LoggerMessage(LogLevel.Warning, "Unused layer {Path} cannot be removed now: {Cause}")]
    private partial void LogNotRemoved(string path, string cause);
}

/// <summary>What removing did: the names that went, and whether the image itself did.</summary>
public sealed record ImageRemoval(string Id, IReadOnlyList<string> Names, bool IsRemoved, long FreedBytes);
