using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
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

    public void Dispose()
    {
        _snapshot.Dispose();
        _gate.Dispose();
    }
}
