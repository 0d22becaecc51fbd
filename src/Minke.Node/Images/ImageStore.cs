using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Minke.Node.Images.Layers;
using Minke.Node.Images.Store;
using Minke.Node.Runtime;

namespace Minke.Node.Images;

/// <summary>
/// The images of one machine on disk. Several processes may have the same store open (the daemon and <c>minke image …</c>);
/// each sees at once what another did.
/// </summary>
/// <remarks>
/// <code>
/// ROOT/images.json         the images; replaced by rename, under the lock
/// ROOT/lock                flock'ed while images.json changes or leftovers are collected
/// ROOT/l/abcdefghijkl/     one unpacked layer each; short, because a mount's options must fit into a page
/// ROOT/blobs/sha256/…      manifests, configurations and layers as they came
/// ROOT/partial/…           downloads under way; an interrupted one is gone on with
/// </code>
/// Whatever images.json does not name is rubbish, except what some process holds a shared flock on while it works. The kernel
/// drops those locks when the process dies, so a killed pull leaves nothing that the next start does not remove.
/// </remarks>
public sealed partial class ImageStore : IDisposable
{
    private const string DirectoryAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
    private const int DirectoryNameLength = 12;

    /// <summary>An interrupted download is worth keeping for a retry this long.</summary>
    private static readonly TimeSpan PartialLifetime = TimeSpan.FromHours(24);

    private readonly string _root, _layers, _partial, _indexPath;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _gate = new(1);
    private readonly Lock _lock = new(); // guards _snapshot's replacement and _leases
    private readonly Dictionary<string, LayerLease> _leases = new(StringComparer.Ordinal);
    private Snapshot _snapshot = Snapshot.Nothing;

    private ImageStore(string root, TimeProvider time, ILogger logger)
    {
        (_root, _time, _logger) = (root, time, logger);
        (_layers, _partial, _indexPath) = (Path.Combine(root, "l"), Path.Combine(root, "partial"), Path.Combine(root, "images.json"));
    }

    /// <summary>Opens or makes a store and clears away what killed processes left.</summary>
    /// <param name="root">Absolute directory; short, since layer paths begin with it. Must not be on overlayfs.</param>
    /// <exception cref="IOException">The directory cannot be made or written.</exception>
    public static ImageStore Open(string root, TimeProvider time, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(root);
        const UnixFileMode ownerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        // Traversable by others: containers in user namespaces reach their lower directories through it.
        const UnixFileMode traversable = ownerOnly | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        var store = new ImageStore(Path.GetFullPath(root), time, logger ?? NullLogger.Instance);
        Directory.CreateDirectory(store._root, traversable);
        Directory.CreateDirectory(store._layers, traversable);
        Directory.CreateDirectory(store._partial, ownerOnly);
        Directory.CreateDirectory(Path.Combine(store._root, "blobs"), ownerOnly);
        store.SweepAsync(CancellationToken.None).GetAwaiter().GetResult();
        return store;
    }

    /// <summary>Where the store is.</summary>
    public string Root => _root;

    internal KeyedLock ChainLocks { get; } = new();
    internal KeyedLock BlobLocks { get; } = new();

    /// <summary>The image a reference, an id or the beginning of an id means, or null. Sees other processes' changes: one stat a call.</summary>
    public ImageInfo? Find(string referenceOrId) => FindRecord(referenceOrId)?.ToInfo(_layers);

    public IReadOnlyList<ImageInfo> List() => [.. Current().Images.Select(image => image.ToInfo(_layers))];

    internal ImageRecord? FindRecord(string referenceOrId) => Current().Find(referenceOrId);

    /// <summary>Gives an image one more name. False when it is not here.</summary>
    public async Task<bool> TagAsync(string referenceOrId, string newReference, CancellationToken cancellationToken)
    {
        var tag = ImageReference.Parse(newReference).ToString();
        return await ChangeImageAsync(referenceOrId, (index, image) => index with
        {
            Images = [.. index.Images.Select(other => other.Id == image.Id
                ? other with { Tags = [.. other.Tags.Append(tag).Distinct()] }
                : other with { Tags = [.. other.Tags.Where(name => name != tag)] })],
        }, cancellationToken);
    }

    /// <summary>A pinned image is never collected.</summary>
    public Task<bool> SetPinnedAsync(string referenceOrId, bool isPinned, CancellationToken cancellationToken) => ChangeImageAsync(
        referenceOrId, (index, image) => Replace(index, image with { IsPinned = isPinned }), cancellationToken);

    /// <summary>Notes that these images are in use now. Unknown ids are ignored.</summary>
    public async Task MarkUsedAsync(IReadOnlySet<string> ids, CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        await ChangeAsync(index => ids.Count == 0 ? index : index with
        {
            Images = [.. index.Images.Select(image => ids.Contains(image.Id) ? image with { LastUsedAt = now } : image)],
        }, cancellationToken);
    }

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

    public void Dispose()
    {
        _snapshot.Dispose();
        _gate.Dispose();
    }

    // ---- blobs -------------------------------------------------------------------------------------------------------------

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

    // ---- layers ------------------------------------------------------------------------------------------------------------

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

    // ---- the index ---------------------------------------------------------------------------------------------------------

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

    // ---- collection --------------------------------------------------------------------------------------------------------

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

    [LoggerMessage(LogLevel.Information, "Image {Image} ({Reference}) removed, {Bytes} bytes freed")]
    private partial void LogRemoved(string image, string reference, long bytes);

    [LoggerMessage(LogLevel.Error, "The list of images cannot be read; it was set aside as {Path} and images will be pulled again")]
    private partial void LogDamaged(string path);

    [LoggerMessage(LogLevel.Warning, "Unused layer {Path} cannot be removed now: {Cause}")]
    private partial void LogNotRemoved(string path, string cause);
}

/// <summary>What removing did: the names that went, and whether the image itself did.</summary>
public sealed record ImageRemoval(string Id, IReadOnlyList<string> Names, bool IsRemoved, long FreedBytes);

/// <summary>Bytes on disk of an image, and those that removing it would free.</summary>
public sealed record ImageUsage(string Id, long Bytes, long UniqueBytes);
