using System.Globalization;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Store;

namespace Minke.Server.Registry;

/// <param name="Entries">In key order, what was asked for.</param>
/// <param name="Revision">As of when.</param>
/// <param name="Continue">Where the rest begins; empty at the end.</param>
/// <param name="Remaining">How many are left, when that is known.</param>
internal sealed record ListResult(List<Entry> Entries, Revision Revision, string Continue, long? Remaining);

/// <summary>Lists: one snapshot each, the latest or as old as was asked for.</summary>
internal sealed partial class ObjectRegistry
{
    // How long upstream waits for a revision its cache has not seen yet.
    private static readonly TimeSpan FreshnessWait = TimeSpan.FromSeconds(3);

    public async Task<ListResult> ListAsync(Resource resource, string @namespace, ListQuery query, CancellationToken cancellationToken)
    {
        var prefix = resource.ListPrefix(@namespace);
        var options = query.Options;
        string? startAfter = null;
        Snapshot snapshot;
        if (options.Continue.Length > 0)
        {
            if (query.Revision is { Value: > 0 })
                throw StatusException.BadRequest("specifying resource version is not allowed when using continue");
            var token = ContinueToken.Decode(options.Continue, prefix);
            startAfter = token.StartAfter;
            // A negative revision: go on, but as things are now. The way out of an expired token.
            snapshot = token.Revision.Value < 0 ? store.Snapshot() : At(token.Revision) ?? throw ExpiredContinue(token, prefix);
        }
        else if (query.Revision is { Value: > 0 } revision)
        {
            var isExact = options.ResourceVersionMatch == ResourceVersionMatch.Exact
                || (options.ResourceVersionMatch.Length == 0 && options.Limit > 0);
            await WaitForAsync(revision, cancellationToken);
            snapshot = isExact
                ? At(revision) ?? throw StatusException.Expired("The resourceVersion for the provided list is too old.")
                : store.Snapshot();
        }
        else
        {
            snapshot = store.Snapshot();
        }

        // One name in one namespace: no need to walk.
        if (query.Fields.Name is { } name && startAfter is null && (!resource.IsNamespaced || @namespace.Length > 0))
        {
            var only = snapshot.Get(resource.Key(@namespace, name));
            if (only is not null)
                await PreparedAsync(resource, only, cancellationToken);
            var isMatch = only is not null && query.Matches(StoredObject.Read(resource, only));
            return new(isMatch ? [only!] : [], snapshot.Revision, "", null);
        }
        if (resource.Conversion?.PrepareAsync is not { } prepare)
            return Take(resource, prefix, snapshot, startAfter, query);
        // What a selector looks at must have been converted.
        if (!query.IsEverything)
            await prepare([.. snapshot.Range(prefix, startAfter)], cancellationToken);
        var list = Take(resource, prefix, snapshot, startAfter, query);
        await prepare(list.Entries, cancellationToken);
        return list;
    }

    /// <summary>Waits a little for a revision that has not been reached.</summary>
    /// <exception cref="StatusException">504: it is too large.</exception>
    public async Task WaitForAsync(Revision revision, CancellationToken cancellationToken)
    {
        if (revision <= store.CurrentRevision)
            return;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var watch = store.Watch("/", store.CurrentRevision);
        var end = clock.GetUtcNow() + FreshnessWait;
        while (watch is not null && revision > store.CurrentRevision && end - clock.GetUtcNow() is { Ticks: > 0 } left)
            await watch.ReadAsync(left, cancellationToken);
        if (revision > store.CurrentRevision)
            throw TooLargeResourceVersion(revision);
    }

    private StatusException TooLargeResourceVersion(Revision revision) => StatusException.Of(
        504, StatusReason.Timeout,
        string.Create(CultureInfo.InvariantCulture, $"Timeout: Too large resource version: {revision}, current: {store.CurrentRevision}"),
        new()
        {
            RetryAfterSeconds = 1,
            Causes = [new StatusCause { Reason = CauseType.ResourceVersionTooLarge, Message = "Too large resource version" }],
        });

    private Snapshot? At(Revision revision)
    {
        try
        {
            return store.SnapshotAt(revision);
        }
        catch (FutureRevisionException)
        {
            throw TooLargeResourceVersion(revision);
        }
    }

    private static ListResult Take(Resource resource, string prefix, Snapshot snapshot, string? startAfter, ListQuery query)
    {
        var limit = query.Options.Limit > 0 ? query.Options.Limit : long.MaxValue;
        var entries = new List<Entry>();
        foreach (var entry in snapshot.Range(prefix, startAfter))
        {
            if (!query.IsEverything && !query.Matches(StoredObject.Read(resource, entry)))
                continue;
            if (entries.Count == limit)
            {
                var last = entries[^1].Key;
                // Counting matches would mean reading on; without a selector the count is free. As upstream.
                long? remaining = query.IsEverything ? snapshot.Count(prefix, last) : null;
                return new(entries, snapshot.Revision, new ContinueToken(snapshot.Revision, last).Encode(prefix), remaining);
            }
            entries.Add(entry);
        }
        return new(entries, snapshot.Revision, "", null);
    }

    private static StatusException ExpiredContinue(ContinueToken token, string prefix)
    {
        var inconsistent = (token with { Revision = new Revision(-1) }).Encode(prefix);
        var status = StatusException.Expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, "
            + "or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an "
            + "inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.").Status;
        return new(status with { Metadata = status.Metadata with { Continue = inconsistent } });
    }
}
