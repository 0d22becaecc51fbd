namespace Minke.Store;

/// <summary>
/// One reader of the changes below a prefix. Nothing wakes it but a change of its own, so an idle watch costs nothing; it still
/// knows how far it has come, because every batch, an empty one too, carries the revision up to which it is complete.
/// </summary>
/// <remarks>
/// For one reader at a time. Events and bookmarks on one connection are one loop:
/// <code>
/// using var watch = store.Watch("/pods/shop/", after) ?? throw Expired();
/// while (!stop.IsCancellationRequested)
/// {
///     var batch = await watch.ReadAsync(untilNextBookmark, stop);
///     foreach (var change in batch.Changes)
///         Send(change);
///     if (bookmarkIsDue)
///         SendBookmark(batch.Revision);
/// }
/// </code>
/// </remarks>
public abstract class StateWatch : IDisposable
{
    /// <summary>
    /// What is there to read now, up to a few hundred changes; waits for the first one, but not longer than
    /// <paramref name="atMost"/> (zero to never wait, <see cref="Timeout.InfiniteTimeSpan"/> for ever). Then the batch is empty
    /// and its revision is the store's.
    /// </summary>
    /// <exception cref="WatchTooSlowException">The reader has fallen too far behind; others are not slowed by it.</exception>
    /// <exception cref="ObjectDisposedException">The watch or the store has been closed.</exception>
    public abstract ValueTask<ChangeBatch> ReadAsync(TimeSpan atMost, CancellationToken cancellationToken);

    /// <summary>Ends the watch; a waiting <see cref="ReadAsync"/> throws.</summary>
    public abstract void Dispose();
}
