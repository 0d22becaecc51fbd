using CoreEvent = Minke.Api.Core.V1.Event;
using NewEvent = Minke.Api.Events.V1.Event;

namespace Minke.Server.Registry;

/// <summary>Events of <c>v1</c> and of <c>events.k8s.io/v1</c> are the same objects under other field names.</summary>
internal static class EventConversion
{
    public static ObjectConversion Between { get; } = new(stored => ToNew((CoreEvent)stored), served => ToCore((NewEvent)served));

    private static NewEvent ToNew(CoreEvent value) => new()
    {
        Metadata = value.Metadata,
        EventTime = value.EventTime,
        Series = value.Series is null ? null : new() { Count = value.Series.Count, LastObservedTime = value.Series.LastObservedTime },
        ReportingController = value.ReportingComponent,
        ReportingInstance = value.ReportingInstance,
        Action = value.Action,
        Reason = value.Reason,
        Regarding = value.InvolvedObject,
        Related = value.Related,
        Note = value.Message,
        Type = value.Type,
        DeprecatedSource = value.Source,
        DeprecatedFirstTimestamp = value.FirstTimestamp,
        DeprecatedLastTimestamp = value.LastTimestamp,
        DeprecatedCount = value.Count,
    };

    private static CoreEvent ToCore(NewEvent value) => new()
    {
        Metadata = value.Metadata,
        EventTime = value.EventTime,
        Series = value.Series is null ? null : new() { Count = value.Series.Count, LastObservedTime = value.Series.LastObservedTime },
        ReportingComponent = value.ReportingController,
        ReportingInstance = value.ReportingInstance,
        Action = value.Action,
        Reason = value.Reason,
        InvolvedObject = value.Regarding,
        Related = value.Related,
        Message = value.Note,
        Type = value.Type,
        Source = value.DeprecatedSource,
        FirstTimestamp = value.DeprecatedFirstTimestamp,
        LastTimestamp = value.DeprecatedLastTimestamp,
        Count = value.DeprecatedCount,
    };
}
