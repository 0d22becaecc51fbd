using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Minke.Node.Images.Layers;
using Minke.Node.Images.Store;
using Minke.Node.Runtime;

namespace Minke.Node.Images;

/// <summary>The list of images: read once a change, changed under the lock, on disk before anybody is told.</summary>
public sealed partial class ImageStore
{
    /// <summary>Makes an image of layers that are leased and blobs that are held. All of it is on disk when this returns.</summary>
    internal async Task<ImageInfo> CommitAsync(ImageRecord image, bool hasNewLayers, CancellationToken cancellationToken)
    {
        if (hasNewLayers)
            SyncAll();
        ImageRecord? result = null;
        await ChangeAsync(index =>
        {
            // Another process may have been faster with a layer: its directory counts, ours goes with its lease.
            var known = index.Images.SelectMany(other => other.Layers).DistinctBy(layer => layer.ChainId)
                .ToDictionary(layer => layer.ChainId, StringComparer.Ordinal);
            var layers = image.Layers.Select(layer =>
                known.TryGetValue(layer.ChainId, out var theirs) && Directory.Exists(Path.Combine(_layers, theirs.Directory))
                    ? layer with { Directory = theirs.Directory, Bytes = theirs.Bytes, Inodes = theirs.Inodes } : layer).ToList();
            var before = index.Images.FirstOrDefault(other => other.Id == image.Id);
            result = image with
            {
                Layers = layers,
                Tags = [.. (before?.Tags ?? []).Concat(image.Tags).Distinct()],
                Digests = [.. (before?.Digests ?? []).Concat(image.Digests).Distinct()],
                IsPinned = before?.IsPinned == true || image.IsPinned,
                CreatedAt = before?.CreatedAt ?? image.CreatedAt,
            };
            // A name means one image: the one it was given to last.
            var others = index.Images.Where(other => other.Id != image.Id).Select(other => other.Tags.Intersect(image.Tags).Any()
                ? other with { Tags = [.. other.Tags.Except(image.Tags)] } : other);
            return index with { Images = [.. others, result] };
        }, cancellationToken);
        LogAdded(image.Id, image.Tags.Count > 0 ? image.Tags[0] : image.Digests.Count > 0 ? image.Digests[0] : "<none>");
        return result!.ToInfo(_layers);
    }

    /// <summary>Layers are thousands of files: one call for all of them, before the index names them.</summary>
    private void SyncAll()
    {
        using var root = FileCalls.TryOpen(null, LayerTree.Terminated(_root), FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0, out var errno)
            ?? throw FileCalls.Failure(errno, $"open image store {_root}");
        if (FileCalls.SyncFileSystem(root) is not 0 and var failure)
            throw FileCalls.Failure(failure, $"sync image store {_root}");
    }

    private static StoreIndex Replace(StoreIndex index, ImageRecord image) =>
        index with { Images = [.. index.Images.Select(other => other.Id == image.Id ? image : other)] };

    private async Task<bool> ChangeImageAsync(
        string referenceOrId, Func<StoreIndex, ImageRecord, StoreIndex> change, CancellationToken cancellationToken)
    {
        var found = false;
        await ChangeAsync(index =>
        {
            if (index.Find(referenceOrId) is not { } image)
                return index;
            found = true;
            return change(index, image);
        }, cancellationToken);
        return found;
    }

    private async Task ChangeAsync(Func<StoreIndex, StoreIndex> change, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            using var storeLock = TakeLock();
            var before = ReadIndex();
            var after = change(before);
            if (!ReferenceEquals(before, after))
                WriteIndex(after);
        }
        finally
        {
            _gate.Release();
        }
    }

    private StoreIndex Current()
    {
        var snapshot = _snapshot;
        if (snapshot.IsOf(_indexPath))
            return snapshot.Index;
        lock (_lock)
        {
            if (_snapshot.IsOf(_indexPath))
                return _snapshot.Index;
            var next = Snapshot.Read(_indexPath);
            _snapshot.Dispose();
            _snapshot = next;
            return next.Index;
        }
    }

    /// <summary>The index as it is on disk. A damaged one is set aside: images can be had again, a node that does not start helps nobody.</summary>
    private StoreIndex ReadIndex()
    {
        try
        {
            return Current();
        }
        catch (Exception failure) when (failure is JsonException or ArgumentException)
        {
            var aside = $"{_indexPath}.damaged";
            File.Move(_indexPath, aside, overwrite: true);
            LogDamaged(aside);
            return Current();
        }
    }

    private void WriteIndex(StoreIndex index)
    {
        var temporary = $"{_indexPath}.new";
        using (var file = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.Read))
        {
            file.Write(index.ToJson());
            file.Flush(flushToDisk: true);
        }
        File.Move(temporary, _indexPath, overwrite: true);
        using var directory = FileCalls.TryOpen(null, LayerTree.Terminated(_root), FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0, out _);
        if (directory is not null)
            FileCalls.Sync(directory);
    }

    private SafeFileHandle TakeLock()
    {
        var handle = FileCalls.TryOpen(null, LayerTree.Terminated(Path.Combine(_root, "lock")), FileCalls.O_RDONLY | FileCalls.O_CREAT, 0x180, out var errno)
            ?? throw FileCalls.Failure(errno, $"open lock of image store {_root}");
        FileCalls.Lock(handle);
        return handle;
    }

    /// <summary>
    /// One reading of the index. The file stays open: its inode cannot be used again meanwhile, so "same inode" means "unchanged".
    /// </summary>
    private sealed class Snapshot(StoreIndex index, SafeFileHandle? file, FileStatus status) : IDisposable
    {
        public static readonly Snapshot Nothing = new(new StoreIndex(), null, default);

        public StoreIndex Index => index;

        public static Snapshot Read(string path)
        {
            var file = FileCalls.TryOpen(null, LayerTree.Terminated(path), FileCalls.O_RDONLY, 0, out var errno);
            if (file is null)
                return errno == FileCalls.ENOENT ? new(new StoreIndex(), null, default) : throw FileCalls.Failure(errno, $"read {path}");
            try
            {
                FileCalls.Status(file, out var status);
                var json = new byte[status.Size];
                var length = RandomAccess.Read(file, json, 0);
                return new Snapshot(StoreIndex.Read(json.AsSpan(0, length)), file, status);
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }

        public bool IsOf(string path)
        {
            Span<byte> name = stackalloc byte[4097];
            var length = System.Text.Encoding.UTF8.GetBytes(path, name);
            name[length] = 0;
            if (FileCalls.Status(null, name[..(length + 1)], out var now) != 0)
                return file is null && !ReferenceEquals(this, Nothing);
            return file is not null && (now.Inode, now.DeviceMajor, now.DeviceMinor, now.Modified) == (status.Inode, status.DeviceMajor, status.DeviceMinor, status.Modified);
        }

        public void Dispose() => file?.Dispose();
    }

    [LoggerMessage(LogLevel.Information, "Image {Image} added as {Reference}")]
    private partial void LogAdded(string image, string reference);

    [LoggerMessage(LogLevel.Error, "The list of images cannot be read; it was set aside as {Path} and images will be pulled again")]
    private partial void LogDamaged(string path);
}
