using Minke.Api.Flowcontrol.V1;

namespace Minke.Server.Flow;

/// <summary>
/// A PriorityLevelConfiguration at work: so many seats, and what becomes of requests that find none. It outlives changes of its object, and
/// its object too until the last request has left.
/// </summary>
internal sealed class PriorityLevel(string name, TimeProvider clock)
{
    private readonly Lock _lock = new(); // guards _queues, _demand and every ticket of this level
    private readonly FairQueues _queues = new();
    private readonly SeatDemand _demand = new();
    private readonly long _origin = clock.GetTimestamp();

    public string Name => name;
    public string Uid { get; private set; } = "";
    public bool IsExempt { get; private set; }

    /// <summary>Its object is gone; it serves what it has.</summary>
    public bool IsRetired { get; set; }

    /// <summary>The most a list may take; 0 for no limit of its own.</summary>
    public int MaxSeats { get; private set; }

    /// <summary>Of all seats of the server, by its shares.</summary>
    public int Nominal { get; private set; }

    /// <summary>What it does not lend.</summary>
    public int Lower { get; private set; }

    /// <summary>With all it may borrow.</summary>
    public int Upper { get; private set; }

    /// <summary>What it has at the moment.</summary>
    public int Limit => _queues.Limit;

    public SeatDemand Demand => _demand;

    /// <summary>Takes on what its object says.</summary>
    /// <param name="level">Valid.</param>
    /// <param name="seats">Of the whole server.</param>
    /// <param name="shares">Of all levels together.</param>
    public void Configure(PriorityLevelConfiguration level, int seats, int shares)
    {
        var (limited, exempt) = (level.Spec.Limited, level.Spec.Exempt);
        var queuing = limited?.LimitResponse.Queuing;
        var nominal = shares == 0 ? 0 : (int)Math.Ceiling(seats * (double)SharesOf(level) / shares);
        var lower = nominal - Percent(nominal, limited?.LendablePercent ?? exempt?.LendablePercent ?? 0);
        var upper = nominal + (limited?.BorrowingLimitPercent is { } percent ? Percent(nominal, percent) : seats);
        lock (_lock)
        {
            // Borrowing goes on from where it was as long as its bounds are the same.
            var isSame = Uid.Length > 0 && (nominal, lower, upper) == (Nominal, Lower, Upper);
            (Uid, IsExempt, IsRetired) = (level.Metadata.Uid, exempt is not null || limited is null, false);
            (Nominal, Lower, Upper) = (nominal, lower, upper);
            // 15 % of the level, and as many such requests as a flow has queues; a list takes ten at most anyway.
            MaxSeats = queuing is null ? 0 : Math.Max(1, Math.Min((int)Math.Ceiling(nominal * 0.15), nominal / Math.Max(1, queuing.HandSize)));
            _queues.Configure(isSame ? _queues.Limit : nominal, IsExempt, queuing is null ? null : new Dealer(queuing.Queues, queuing.HandSize), queuing?.QueueLengthLimit ?? 0, Now);
            SeatWhoFits();
        }
    }

    public static int SharesOf(PriorityLevelConfiguration level) => level.Spec.Limited?.NominalConcurrencyShares ?? level.Spec.Exempt?.NominalConcurrencyShares ?? 0;

    /// <summary>What it gets until the next adjustment.</summary>
    public void Adjust(int limit)
    {
        lock (_lock)
        {
            _queues.Resize(limit, Now);
            SeatWhoFits();
        }
    }

    /// <summary>Ends a period of its demand. False when there was none.</summary>
    public bool CloseDemand()
    {
        lock (_lock)
            _demand.Close(Now);
        return _demand.HighWatermark > 0;
    }

    /// <summary>Seats a request, at once or when it is its turn.</summary>
    /// <param name="ticket">Made for it.</param>
    /// <param name="patience">How long it may wait.</param>
    /// <param name="gone">Cancelled when nobody waits for its answer any more.</param>
    public ValueTask<FlowOutcome> EnterAsync(FlowTicket ticket, TimeSpan patience, CancellationToken gone)
    {
        ITimer timer;
        lock (_lock)
        {
            var outcome = Arrive(ticket);
            if (outcome != FlowOutcome.Queued)
                return new(outcome);
            ticket.Decision = new(TaskCreationOptions.RunContinuationsAsynchronously);
            // Who is seen to wait has his deadline already.
            timer = clock.CreateTimer(static ticket => Withdraw((FlowTicket)ticket!, FlowOutcome.TimedOut), ticket, patience, Timeout.InfiniteTimeSpan);
        }
        return new(WaitAsync(ticket, timer, gone));
    }

    /// <summary>Gives seats back, and to whom they fit now.</summary>
    public void Leave(FlowTicket ticket)
    {
        // A watch says so again after every event; nobody takes a ticket back.
        if (ticket.HasLeft)
            return;
        lock (_lock)
        {
            var now = Now;
            if (!_queues.Leave(ticket, now))
                return;
            ticket.Series.Left(ticket, now - ticket.Seated);
            SeatWhoFits();
        }
    }

    /// <summary>Looks at its queues while nothing moves.</summary>
    public T Look<T>(Func<FairQueues, TimeSpan, T> look)
    {
        lock (_lock)
            return look(_queues, Now);
    }

    private TimeSpan Now => clock.GetElapsedTime(_origin);

    private FlowOutcome Arrive(FlowTicket ticket)
    {
        var now = Now;
        var flow = _queues.HasHands ? Dealer.FlowOf(ticket.Schema.Name, ticket.Distinguisher) : 0;
        switch (_queues.Arrive(ticket, flow, now))
        {
            case FlowOutcome.Seated:
                ticket.Series.Seated(ticket, TimeSpan.Zero);
                _demand.Note(_queues.SeatsInUse + _queues.SeatsWaiting, now);
                break;
            case FlowOutcome.Queued:
                ticket.Series.Queued(ticket);
                SeatWhoFits(); // Narrow as it may be, it may be the one that fits.
                break;
            default:
                ticket.Series.Refused(ticket.Outcome);
                break;
        }
        return ticket.Outcome;
    }

    private static async Task<FlowOutcome> WaitAsync(FlowTicket ticket, ITimer timer, CancellationToken gone)
    {
        await using var patience = timer;
        using var leaving = gone.UnsafeRegister(static ticket => Withdraw((FlowTicket)ticket!, FlowOutcome.Cancelled), ticket);
        return await ticket.Decision!.Task;
    }

    private static void Withdraw(FlowTicket ticket, FlowOutcome why) => ticket.Level.Withdrawn(ticket, why);

    private void Withdrawn(FlowTicket ticket, FlowOutcome why)
    {
        lock (_lock)
        {
            var now = Now;
            if (!_queues.Withdraw(ticket, why, now))
                return;
            ticket.Series.Withdrawn(ticket, now - ticket.Arrived);
            ticket.Decision?.TrySetResult(why);
            SeatWhoFits(); // It may have been the one that did not fit.
        }
    }

    private void SeatWhoFits()
    {
        var now = Now;
        while (_queues.Next(now) is { } next)
        {
            next.Series.Dequeued(next);
            next.Series.Seated(next, now - next.Arrived);
            next.Decision?.TrySetResult(FlowOutcome.Seated);
        }
        _demand.Note(_queues.SeatsInUse + _queues.SeatsWaiting, now);
    }

    private static int Percent(int of, int percent) => (int)Math.Round(of * percent / 100.0, MidpointRounding.AwayFromZero);
}
