using Minke.Store;

namespace Minke.Server.Registry;

/// <summary>How the parts of the server that act on objects learn of them: from the store itself, without a client between.</summary>
internal static class StoreChanges
{
    /// <summary>Tells of every change below a prefix, until cancelled.</summary>
    /// <param name="store">Where to look.</param>
    /// <param name="prefix">Of the keys.</param>
    /// <param name="after">The revision that was read already.</param>
    /// <param name="observe">Returns soon.</param>
    /// <param name="cancellationToken">Ends it, without an exception.</param>
    /// <exception cref="InvalidOperationException">That revision is compacted.</exception>
    public static async Task FollowAsync(this IStateStore store, string prefix, Revision after, Action<Change> observe, CancellationToken cancellationToken)
    {
        using var watch = store.Watch(prefix, after) ?? throw new InvalidOperationException("the revision the server started at is compacted");
        try
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                foreach (var change in (await watch.ReadAsync(Timeout.InfiniteTimeSpan, cancellationToken)).Changes)
                    observe(change);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }
}
