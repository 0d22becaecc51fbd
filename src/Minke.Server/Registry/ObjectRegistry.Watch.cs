using System.Globalization;
using System.Runtime.CompilerServices;
using Minke.Api;
using Minke.Client;
using Minke.Store;

namespace Minke.Server.Registry;

/// <summary>One thing to tell a watcher.</summary>
/// <param name="Entry">What to show: as it is now, or as it last was when it left.</param>
/// <param name="Revision">The resourceVersion it is shown with.</param>
/// <param name="EndsInitialEvents">A bookmark after the last object that was there already.</param>
internal readonly record struct Notice(WatchEventType Type, Entry? Entry, Revision Revision, bool EndsInitialEvents = false);

/// <summary>Watches: the store's changes as a client with selectors sees them, entering and leaving.</summary>
internal sealed partial class ObjectRegistry
{
    // Upstream's cacher sends one about every minute.
    private static readonly TimeSpan BookmarkPeriod = TimeSpan.FromMinutes(1);

    // And one shortly before the watch ends, so that its successor has little to catch up with.
    private static readonly TimeSpan LastBookmarkBefore = TimeSpan.FromSeconds(2);

    /// <summary>Batches of notices; ends when the timeout has passed.</summary>
    /// <exception cref="StatusException">410: the revision is compacted, or the watcher is too slow. In the stream's words.</exception>
    public async IAsyncEnumerable<List<Notice>> WatchAsync(
        Resource resource, string @namespace, ListQuery query, TimeSpan timeout, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var options = query.Options;
        var prefix = query.Fields.Name is { } name && (!resource.IsNamespaced || @namespace.Length > 0)
            ? resource.Key(@namespace, name) : resource.ListPrefix(@namespace);
        var isStreamingList = options.SendInitialEvents == true;
        var startsWithState = isStreamingList || (options.SendInitialEvents is null && query.Revision is null or { Value: 0 });
        if (isStreamingList && query.Revision is { Value: > 0 } atLeast)
            await WaitForAsync(atLeast, cancellationToken);

        var snapshot = startsWithState ? store.Snapshot() : null;
        var after = snapshot?.Revision ?? query.Revision ?? store.CurrentRevision;
        // A revision from the future (a client of another life of this cluster): whatever comes after it.
        var skipUpTo = after;
        if (after > store.CurrentRevision)
            after = store.CurrentRevision;
        using var watch = store.Watch(prefix, after) ?? throw StatusException.Expired(string.Create(
            CultureInfo.InvariantCulture, $"too old resource version: {after} ({store.CompactedRevision})"));

        if (snapshot is not null)
        {
            if (resource.Conversion?.PrepareAsync is { } prepareAll)
                await prepareAll([.. snapshot.Range(prefix)], cancellationToken);
            yield return InitialState(resource, prefix, snapshot, query);
            if (isStreamingList && options.AllowWatchBookmarks)
                yield return [new Notice(WatchEventType.Bookmark, null, snapshot.Revision, EndsInitialEvents: true)];
        }

        // A custom resource that is changed or taken away ends its watches; clients begin anew where they were.
        var retired = resource.Custom?.Definition.Retired ?? CancellationToken.None;
        var end = timeout == Timeout.InfiniteTimeSpan ? DateTimeOffset.MaxValue : clock.GetUtcNow() + timeout;
        var nextBookmark = NextBookmark(end);
        while (true)
        {
            var now = clock.GetUtcNow();
            if (now >= end)
                yield break;
            var wait = options.AllowWatchBookmarks && nextBookmark < end ? nextBookmark - now : end - now;
            if (await ReadAsync(watch, wait < TimeSpan.Zero ? TimeSpan.Zero : wait, retired, cancellationToken) is not { } batch)
                yield break;
            if (resource.Conversion?.PrepareAsync is { } prepare)
                await prepare([.. batch.Changes.SelectMany(change => (Entry?[])[change.Previous, change.Current]).OfType<Entry>()], cancellationToken);
            var notices = new List<Notice>(batch.Changes.Count);
            foreach (var change in batch.Changes)
            {
                if (change.Revision > skipUpTo && (prefix[^1] == '/' || change.Key == prefix) && Translate(resource, query, change) is { } notice)
                    notices.Add(notice);
            }
            if (options.AllowWatchBookmarks && clock.GetUtcNow() >= nextBookmark)
            {
                notices.Add(new Notice(WatchEventType.Bookmark, null, batch.Revision));
                nextBookmark = NextBookmark(end);
            }
            if (notices.Count > 0)
                yield return notices;
        }
    }

    private DateTimeOffset NextBookmark(DateTimeOffset end)
    {
        var now = clock.GetUtcNow();
        var (regular, last) = (now + BookmarkPeriod, end == DateTimeOffset.MaxValue ? end : end - LastBookmarkBefore);
        return last > now && last < regular ? last : regular;
    }

    private static List<Notice> InitialState(Resource resource, string prefix, Snapshot snapshot, ListQuery query)
    {
        var notices = new List<Notice>();
        foreach (var entry in snapshot.Range(prefix))
        {
            if ((prefix[^1] == '/' || entry.Key == prefix) && (query.IsEverything || query.Matches(StoredObject.Read(resource, entry))))
                notices.Add(new(WatchEventType.Added, entry, entry.Modified));
        }
        return notices;
    }

    /// <summary>An object that a selector stops matching is gone for that watcher; one it begins to match is new.</summary>
    private static Notice? Translate(Resource resource, ListQuery query, Change change)
    {
        var was = change.Previous is { } previous && (query.IsEverything || query.Matches(StoredObject.Read(resource, previous)));
        var isNow = change.Current is { } current && (query.IsEverything || query.Matches(StoredObject.Read(resource, current)));
        return (was, isNow) switch
        {
            (false, true) => new(WatchEventType.Added, change.Current, change.Revision),
            (true, true) => new(WatchEventType.Modified, change.Current, change.Revision),
            // What left shows its last matching state, at the revision of its leaving.
            (true, false) => new(WatchEventType.Deleted, change.Previous, change.Revision),
            _ => null,
        };
    }

    /// <summary>Null when the resource is served no more as it was.</summary>
    private static async ValueTask<ChangeBatch?> ReadAsync(StateWatch watch, TimeSpan atMost, CancellationToken retired, CancellationToken cancellationToken)
    {
        using var either = retired.CanBeCanceled ? CancellationTokenSource.CreateLinkedTokenSource(retired, cancellationToken) : null;
        try
        {
            return await watch.ReadAsync(atMost > MaxTimer ? MaxTimer : atMost, either?.Token ?? cancellationToken);
        }
        catch (OperationCanceledException) when (retired.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
        catch (WatchTooSlowException)
        {
            throw StatusException.Expired("too old resource version: the watch was not read fast enough");
        }
    }

    private static readonly TimeSpan MaxTimer = TimeSpan.FromDays(1);
}
