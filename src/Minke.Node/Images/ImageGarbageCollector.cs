using Minke.Node.Runtime;

namespace Minke.Node.Images;

/// <summary>When images are collected: the kubelet's imageGC… settings and their defaults.</summary>
public sealed record ImageGcPolicy
{
    /// <summary>Collection begins when the disk is this full, in percent.</summary>
    public int HighThresholdPercent { get; init; } = 85;

    /// <summary>And ends when it is this full.</summary>
    public int LowThresholdPercent { get; init; } = 80;

    /// <summary>Younger images are left alone.</summary>
    public TimeSpan MinimumAge { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Images unused for longer go however much space there is; null for never.</summary>
    public TimeSpan? MaximumAge { get; init; }
}

/// <summary>What a collection did.</summary>
/// <param name="FreedBytes">Bytes on disk.</param>
/// <param name="Removed">Ids of images that went.</param>
/// <param name="Failure">The kubelet's message when too little could be freed, else null.</param>
public sealed record ImageGcResult(long FreedBytes, IReadOnlyList<string> Removed, string? Failure)
{
    /// <summary>Reason of the node's event for <see cref="Failure"/>.</summary>
    public const string FailureReason = "FreeDiskSpaceFailed";
}

/// <summary>
/// Frees the disk of images nobody uses, least recently used first, as the kubelet's image manager does: every five minutes,
/// between two thresholds of the file system's fill.
/// </summary>
/// <param name="store">The images.</param>
/// <param name="policy">When.</param>
/// <param name="disk">Capacity and available bytes of the store's file system.</param>
/// <param name="time">Clock of ages.</param>
public sealed class ImageGarbageCollector(
    ImageStore store, ImageGcPolicy policy, Func<(long CapacityBytes, long AvailableBytes)> disk, TimeProvider time)
{
    /// <summary>How often the kubelet looks.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromMinutes(5);

    /// <summary>Uses are remembered here; on disk a use is as exact as this, because an idle node writes nothing.</summary>
    private static readonly TimeSpan RecordedPrecision = TimeSpan.FromHours(24);

    private readonly Dictionary<string, DateTimeOffset> _lastUsed = new(StringComparer.Ordinal);

    public ImageGarbageCollector(ImageStore store, ImageGcPolicy policy, TimeProvider time)
        : this(store, policy, () => new DriveInfo(store.Root) is var drive ? (drive.TotalSize, drive.AvailableFreeSpace) : default, time)
    {
    }

    /// <summary>Looks once. Not to be called twice at the same time.</summary>
    /// <param name="inUse">Ids of images that containers, running or not, or image volumes were made of.</param>
    /// <param name="cancellationToken">Stops between two images.</param>
    public async Task<ImageGcResult> CollectAsync(IReadOnlySet<string> inUse, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        await RememberAsync(inUse, now, cancellationToken);
        await store.SweepAsync(cancellationToken);

        var (capacity, available) = disk();
        if (capacity <= 0)
            return new ImageGcResult(0, [], $"invalid capacity {capacity} on image filesystem");
        var removed = new List<string>();
        var freed = 0L;
        if (policy.MaximumAge is { } oldest)
            foreach (var image in Candidates(inUse, now).Where(image => now - LastUsed(image) > oldest))
                freed += await RemoveAsync(image, removed, cancellationToken);

        var usedPercent = 100 - (int)(available * 100 / capacity);
        if (usedPercent < policy.HighThresholdPercent)
            return new ImageGcResult(freed, removed, null);
        var wanted = capacity * (100 - policy.LowThresholdPercent) / 100 - available;
        foreach (var image in Candidates(inUse, now))
        {
            if (freed >= wanted)
                break;
            freed += await RemoveAsync(image, removed, cancellationToken);
        }
        return new ImageGcResult(freed, removed, freed >= wanted ? null
            : $"Failed to garbage collect required amount of images. Attempted to free {wanted} bytes, but only found {freed} bytes eligible to free.");
    }

    private List<ImageInfo> Candidates(IReadOnlySet<string> inUse, DateTimeOffset now) =>
        [.. store.List()
            .Where(image => !image.IsPinned && !inUse.Contains(image.Id) && now - store.FindRecord(image.Id)?.CreatedAt >= policy.MinimumAge)
            .OrderBy(LastUsed).ThenBy(image => image.Id, StringComparer.Ordinal)];

    private DateTimeOffset LastUsed(ImageInfo image) =>
        _lastUsed.TryGetValue(image.Id, out var remembered) && remembered > image.LastUsedAt ? remembered : image.LastUsedAt;

    private async Task RememberAsync(IReadOnlySet<string> inUse, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var images = store.List();
        foreach (var image in images.Where(image => inUse.Contains(image.Id)))
            _lastUsed[image.Id] = now;
        foreach (var gone in _lastUsed.Keys.Except(images.Select(image => image.Id)).ToList())
            _lastUsed.Remove(gone);
        var stale = images.Where(image => inUse.Contains(image.Id) && now - image.LastUsedAt > RecordedPrecision).Select(image => image.Id).ToHashSet();
        if (stale.Count > 0)
            await store.MarkUsedAsync(stale, cancellationToken);
    }

    private async Task<long> RemoveAsync(ImageInfo image, List<string> removed, CancellationToken cancellationToken)
    {
        if (await store.UntagAsync(image.Id, cancellationToken) is not { IsRemoved: true } removal)
            return 0;
        removed.Add(image.Id);
        return removal.FreedBytes;
    }
}
