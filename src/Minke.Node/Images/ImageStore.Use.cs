using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Minke.Node.Images.Layers;
using Minke.Node.Images.Store;
using Minke.Node.Runtime;

namespace Minke.Node.Images;

/// <summary>What is in the store and being worked with: blobs and layers that somebody holds, and how much room all of it takes.</summary>
public sealed partial class ImageStore
{
    /// <summary>Bytes and inodes in use by the store, without walking it, and the mount point it lives on.</summary>
    public ImageFileSystem FileSystem()
    {
        var index = Current();
        var layers = index.Images.SelectMany(image => image.Layers).DistinctBy(layer => layer.Directory).ToList();
        var blobs = index.Images.SelectMany(image => image.Layers.Select(layer => (Name: layer.Blob, Bytes: layer.BlobBytes))
            .Append((Name: image.Manifest, Bytes: image.ManifestBytes)).Append((Name: image.Id, Bytes: image.ConfigBytes)))
            .DistinctBy(blob => blob.Name).ToList();
        return new ImageFileSystem(
            MountPoint(), layers.Sum(layer => layer.Bytes) + blobs.Sum(blob => blob.Bytes), layers.Sum(layer => layer.Inodes) + blobs.Count);
    }

    /// <summary>Bytes on disk for each image, and how many of them only it uses.</summary>
    public IReadOnlyList<ImageUsage> Usage()
    {
        var index = Current();
        var users = index.Images.SelectMany(image => image.Layers.Select(layer => layer.Directory).Concat(image.Blobs).Distinct())
            .GroupBy(name => name, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Count(), StringComparer.Ordinal);
        return [.. index.Images.Select(image => new ImageUsage(
            image.Id,
            image.SizeBytes + image.Layers.Sum(layer => layer.Bytes),
            image.Layers.Where(layer => users[layer.Directory] == 1).Sum(layer => layer.Bytes)
                + image.Layers.Where(layer => users[layer.Blob] == 1).DistinctBy(layer => layer.Blob).Sum(layer => layer.BlobBytes)
                + image.ManifestBytes + image.ConfigBytes))];
    }

    /// <summary>A blob of the store, kept from collection while open. Null when it is not here.</summary>
    internal FileStream? OpenBlob(Digest digest)
    {
        var path = BlobPath(digest);
        if (!File.Exists(path))
            return null;
        try
        {
            // FileShare.Read is a shared flock in .NET on Unix: the sweep's exclusive one fails on it.
            var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.Asynchronous);
            if (FileCalls.Status(file.SafeFileHandle, out var status) == 0 && status.LinkCount > 0)
                return file;
            file.Dispose();
            return null;
        }
        catch (IOException)
        {
            return null; // being collected right now
        }
    }

    /// <summary>The verified content of a small blob, or null when it is not here.</summary>
    internal async Task<byte[]?> ReadBlobAsync(Digest digest, long limit, CancellationToken cancellationToken)
    {
        await using var file = OpenBlob(digest);
        if (file is null || file.Length > limit)
            return null;
        var bytes = new byte[file.Length];
        await file.ReadExactlyAsync(bytes, cancellationToken);
        // A damaged file is as good as none: the caller fetches it again.
        return digest.Matches(bytes) ? bytes : null;
    }

    /// <summary>Stores a small blob; it stays while the returned file is open or an image names it.</summary>
    internal async Task<FileStream> PutBlobAsync(Digest digest, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        using var turn = await BlobLocks.EnterAsync(digest.ToString(), cancellationToken);
        if (await ReadBlobAsync(digest, bytes.Length, cancellationToken) is not null && OpenBlob(digest) is { } existing)
            return existing;
        using var partial = OpenPartial(digest);
        partial.File.SetLength(0);
        await partial.File.WriteAsync(bytes, cancellationToken);
        return partial.Publish();
    }

    /// <summary>
    /// A file to write a blob into, holding what an interrupted writer left. Only inside of <see cref="BlobLocks"/>; a file that
    /// another process writes is left alone.
    /// </summary>
    internal PartialBlob OpenPartial(Digest digest)
    {
        var name = $"{digest.Algorithm}-{digest.Hex}";
        for (var attempt = 0; ; attempt++)
        {
            var path = Path.Combine(_partial, attempt == 0 ? name : $"{name}.{attempt}");
            using var storeLock = TakeLock();
            try
            {
                var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0, FileOptions.Asynchronous);
                return new PartialBlob(file, path, () => Publish(file, path, digest));
            }
            catch (IOException) when (File.Exists(path) && attempt < 16)
            {
                // Another process is downloading the same; both will do.
            }
        }
    }

    /// <summary>Makes a file of <see cref="NewTemporary"/> a blob and closes it. The caller has verified it.</summary>
    internal FileStream AdoptBlob(Digest digest, string path, FileStream file) => Publish(file, path, digest);

    /// <summary>A new file for something on its way into the store; held, and collected when its process dies.</summary>
    internal FileStream NewTemporary()
    {
        using var storeLock = TakeLock();
        return new FileStream(
            Path.Combine(_partial, $"load-{RandomNumberGenerator.GetHexString(16, lowercase: true)}"), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 0, FileOptions.Asynchronous);
    }

    private FileStream Publish(FileStream file, string path, Digest digest)
    {
        using var storeLock = TakeLock();
        var final = BlobPath(digest);
        Directory.CreateDirectory(Path.GetDirectoryName(final)!);
        file.Flush();
        File.Move(path, final, overwrite: true);
        file.Dispose();
        return OpenBlob(digest) ?? throw new IOException($"blob {digest} vanished from the image store");
    }

    private string BlobPath(Digest digest) => Path.Combine(_root, "blobs", digest.Algorithm, digest.Hex);

    /// <summary>A layer that is here, by its chain, kept while the lease lives. Null when it must be made.</summary>
    internal LayerLease? TryLease(string chainId)
    {
        lock (_lock)
            if (_leases.TryGetValue(chainId, out var lease))
                return lease.Again();
        using var storeLock = TakeLock();
        var record = ReadIndex().Images.SelectMany(image => image.Layers).FirstOrDefault(layer => layer.ChainId == chainId);
        if (record is null || TryHold(record.Directory) is not { } handle)
            return null;
        return Register(new LayerLease(this, record, handle, OpenBlob(Digest.Parse(record.Blob)), isNew: false));
    }

    /// <summary>An empty directory for a layer. It is removed with the draft unless <see cref="Complete"/> takes it over.</summary>
    internal LayerDraft BeginLayer()
    {
        using var storeLock = TakeLock();
        while (true)
        {
            var name = RandomNumberGenerator.GetString(DirectoryAlphabet, DirectoryNameLength);
            var path = Path.Combine(_layers, name);
            if (Path.Exists(path))
                continue;
            Directory.CreateDirectory(path);
            var handle = TryHold(name) ?? throw new IOException($"layer directory {path} vanished");
            return new LayerDraft(this, name, path, handle);
        }
    }

    internal LayerLease Complete(LayerDraft draft, LayerRecord record, FileStream? blob) =>
        Register(new LayerLease(this, record, draft.TakeHandle(), blob, isNew: true));

    internal string LayerPath(string directory) => Path.Combine(_layers, directory);

    internal bool Release(LayerLease lease, Action atLast)
    {
        lock (_lock)
        {
            if (!lease.IsLast())
                return false;
            _leases.Remove(lease.Record.ChainId);
        }
        atLast();
        return true;
    }

    private LayerLease Register(LayerLease lease)
    {
        lock (_lock)
            _leases[lease.Record.ChainId] = lease;
        return lease;
    }

    private SafeFileHandle? TryHold(string directory)
    {
        var handle = FileCalls.TryOpen(
            null, LayerTree.Terminated(Path.Combine(_layers, directory)), FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0, out _);
        if (handle is not null && FileCalls.TryLock(handle, exclusive: false))
            return handle;
        handle?.Dispose();
        return null;
    }

    private string MountPoint()
    {
        var current = new DirectoryInfo(_root);
        while (current.Parent is { } parent && DeviceOf(parent.FullName) == DeviceOf(current.FullName))
            current = parent;
        return current.FullName;
    }

    private static (uint, uint) DeviceOf(string path)
    {
        using var handle = FileCalls.TryOpen(null, LayerTree.Terminated(path), FileCalls.O_PATH, 0, out _);
        return handle is not null && FileCalls.Status(handle, out var status) == 0 ? (status.DeviceMajor, status.DeviceMinor) : default;
    }
}

/// <summary>Bytes on disk of an image, and those that removing it would free.</summary>
public sealed record ImageUsage(string Id, long Bytes, long UniqueBytes);
