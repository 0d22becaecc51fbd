using Microsoft.Extensions.Logging;
using Minke.Api.Core.V1;
using Minke.Store;

namespace Minke.Server.Registry;

/// <summary>Events last an hour after they were last seen, as upstream's <c>--event-ttl</c>. Sleeps until the oldest is due.</summary>
internal sealed partial class EventExpiry(IStateStore store, ResourceCatalog catalog, TimeProvider clock, ILogger logger)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    // A burst of events becomes a few rounds of deletions instead of one timer each.
    private static readonly TimeSpan AtLeast = TimeSpan.FromSeconds(30);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var next = clock.GetUtcNow() + Lifetime; // Whatever comes while we sleep is due later than this.
            try
            {
                next = await SweepAsync(next, cancellationToken);
            }
            catch (StoreUnavailableException e)
            {
                LogPostponed(e.Message);
                next = clock.GetUtcNow() + AtLeast;
            }
            var wait = next - clock.GetUtcNow();
            await Task.Delay(wait < AtLeast ? AtLeast : wait, clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>When the next one is due.</summary>
    private async Task<DateTimeOffset> SweepAsync(DateTimeOffset next, CancellationToken cancellationToken)
    {
        var resource = catalog.Find(Event.KindInfo)!;
        var now = clock.GetUtcNow();
        foreach (var entry in store.Snapshot().Range(resource.Prefix))
        {
            var due = LastSeen((Event)StoredObject.Read(resource, entry)) + Lifetime;
            if (due <= now)
                await store.DeleteAsync(entry.Key, entry.Modified, cancellationToken); // One that changed meanwhile stays.
            else if (due < next)
                next = due;
        }
        return next;
    }

    private static DateTimeOffset LastSeen(Event value)
    {
        var seen = value.Metadata.CreationTimestamp.ToDateTimeOffset();
        if (!value.LastTimestamp.IsZero && value.LastTimestamp.ToDateTimeOffset() is var last && last > seen)
            seen = last;
        if (value.Series is { LastObservedTime.IsZero: false } series && series.LastObservedTime.ToDateTimeOffset() is var observed && observed > seen)
            seen = observed;
        return seen;
    }

    [LoggerMessage(LogLevel.Warning, "Old events stay for now: {Reason}")]
    private partial void LogPostponed(string reason);
}
