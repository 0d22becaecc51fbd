using Minke.Server.Health;

namespace Minke.Server.Flow;

/// <summary>What is counted of the requests of one schema in one level. The level's lock guards it.</summary>
internal sealed class FlowSeries(string level, string schema)
{
    // Upstream's, in seconds.
    private static readonly double[] DurationBounds = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
    private static readonly double[] LengthBounds = [0, 10, 25, 50, 100, 250, 500, 1000];
    private static readonly double[] SeatBounds = [1, 2, 4, 10];
    private static readonly string[] Verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "other"];

    private readonly Histogram?[] _executions = new Histogram?[Verbs.Length];
    private readonly long[] _rejected = new long[(int)FlowOutcome.Cancelled + 1];

    public string Level => level;
    public string Schema => schema;
    public long DispatchedTotal { get; private set; }
    public int InQueue { get; private set; }
    public int SeatsInQueue { get; private set; }
    public int Executing { get; private set; }
    public int SeatsExecuting { get; private set; }

    /// <summary>Of those that execute, those that change something.</summary>
    public int Writing { get; private set; }
    public Histogram WaitsOfSeated { get; } = new(DurationBounds);
    public Histogram WaitsOfRejected { get; } = new(DurationBounds);
    public Histogram QueueLengths { get; } = new(LengthBounds);
    public Histogram Widths { get; } = new(SeatBounds);

    public long Rejected(FlowOutcome why) => _rejected[(int)why];

    /// <summary>By verb, of those that there were.</summary>
    public IEnumerable<(string Verb, Histogram Durations)> Executions => Verbs.Zip(_executions).Where(one => one.Second is not null).Select(one => (one.First, one.Second!));

    public void Queued(FlowTicket ticket)
    {
        InQueue++;
        SeatsInQueue += ticket.Seats;
        QueueLengths.Observe(ticket.Queue!.Waiting.Count);
    }

    public void Dequeued(FlowTicket ticket)
    {
        InQueue--;
        SeatsInQueue -= ticket.Seats;
    }

    public void Seated(FlowTicket ticket, TimeSpan waited)
    {
        DispatchedTotal++;
        Executing++;
        Writing += IsWrite(ticket) ? 1 : 0;
        SeatsExecuting += ticket.Seats;
        Widths.Observe(ticket.Seats);
        WaitsOfSeated.Observe(waited.TotalSeconds);
    }

    public void Left(FlowTicket ticket, TimeSpan took)
    {
        Executing--;
        Writing -= IsWrite(ticket) ? 1 : 0;
        SeatsExecuting -= ticket.Seats;
        var verb = Array.IndexOf(Verbs, ticket.Request.Verb);
        (_executions[verb < 0 ? ^1 : verb] ??= new(DurationBounds)).Observe(took.TotalSeconds);
    }

    /// <summary>At once.</summary>
    public void Refused(FlowOutcome why)
    {
        _rejected[(int)why]++;
        WaitsOfRejected.Observe(0);
    }

    /// <summary>After it had waited.</summary>
    public void Withdrawn(FlowTicket ticket, TimeSpan waited)
    {
        Dequeued(ticket);
        _rejected[(int)ticket.Outcome]++;
        WaitsOfRejected.Observe(waited.TotalSeconds);
    }

    private static bool IsWrite(FlowTicket ticket) => ticket.Request.Verb is not ("get" or "list" or "watch");
}
