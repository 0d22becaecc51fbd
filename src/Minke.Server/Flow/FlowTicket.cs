using Microsoft.AspNetCore.Http;

namespace Minke.Server.Flow;

/// <summary>What became of a request that asked for seats.</summary>
internal enum FlowOutcome { Seated, Queued, QueueFull, ConcurrencyLimit, TimedOut, Cancelled }

/// <summary>
/// One request in its priority level. Its level's lock guards everything that changes.
/// <code>
/// new ──► waiting ──► seated ──► left
///  │         └──► withdrawn (its time is up, or its client has gone)
///  ├──► seated
///  └──► refused
/// </code>
/// </summary>
internal sealed class FlowTicket(FlowSchemaMatcher schema, in FlowRequest request, int seats)
{
    public const string SchemaHeader = "X-Kubernetes-PF-FlowSchema-UID";
    public const string LevelHeader = "X-Kubernetes-PF-PriorityLevel-UID";

    public FlowSchemaMatcher Schema => schema;
    public PriorityLevel Level => schema.Level;
    public FlowSeries Series => schema.Series;
    public FlowRequest Request { get; } = request;

    /// <summary>Which of its schema's flows it belongs to.</summary>
    public string Distinguisher { get; } = schema.Distinguisher(request);

    /// <summary>How many it takes: lists are wide.</summary>
    public int Seats => seats;

    public FlowOutcome Outcome { get; set; } = FlowOutcome.Queued;
    public bool HasLeft { get; set; }

    /// <summary>By its level's clock, as is <see cref="Seated"/>.</summary>
    public TimeSpan Arrived { get; set; }
    public TimeSpan Seated { get; set; }

    /// <summary>Where it waits or was seated from; null in a level without queues.</summary>
    public FlowQueue? Queue { get; set; }

    /// <summary>How far all queues had come when it arrived, in seat-seconds.</summary>
    public double ArrivedAt { get; set; }

    /// <summary>Its neighbours among those that are seated.</summary>
    public FlowTicket? Before { get; set; }
    public FlowTicket? After { get; set; }

    /// <summary>Its place while it waits.</summary>
    public LinkedListNode<FlowTicket>? Place { get; set; }

    /// <summary>Completed when its waiting is over; made only for those who wait.</summary>
    public TaskCompletionSource<FlowOutcome>? Decision { get; set; }

    /// <summary>Gives the seats back; again is nothing.</summary>
    public void Leave() => Level.Leave(this);

    /// <summary>Tells the client by which objects it was sorted. By uid: names could say more than it may know.</summary>
    public void Describe(HttpResponse response)
    {
        response.Headers[SchemaHeader] = schema.Uid;
        response.Headers[LevelHeader] = Level.Uid;
    }
}
