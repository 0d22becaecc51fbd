namespace Minke.Server.Flow;

/// <summary>
/// The seats of one priority level and the queues before them, served fairly: next is whose request would end first if all queues with work
/// were served at once and equally (KEP-1040, after Nagle, Demers, Keshav and Shenker). Progress is counted in seat-seconds per queue; a
/// request counts for <see cref="AssumedService"/> per seat until it has ended, and for what it took afterwards.
/// </summary>
/// <remarks>
/// Knows no clock, lock or metric; its level passes the time. Invariant: while anybody waits, the one who is next does not fit into the
/// seats that are free.
/// </remarks>
internal sealed class FairQueues
{
    /// <summary>How long a request is taken to last before it is known.</summary>
    public static readonly TimeSpan AssumedService = TimeSpan.FromMilliseconds(3);

    private readonly List<FlowQueue> _queues = [];
    private Dealer? _dealer; // null without queues
    private int _lengthLimit;
    private bool _isExempt;
    private int _active; // queues with somebody waiting or seated
    private int _last = -1; // the queue that was served last; its neighbour is looked at first
    private uint _dealt;
    private FlowTicket? _seated; // the last one; the others hang on it
    private TimeSpan _now;

    public IReadOnlyList<FlowQueue> Queues => _queues;

    /// <summary>Who has seats, the latest first.</summary>
    public IEnumerable<FlowTicket> Seated
    {
        get
        {
            for (var ticket = _seated; ticket is not null; ticket = ticket.Before)
                yield return ticket;
        }
    }

    public int Limit { get; private set; }
    public int SeatsInUse { get; private set; }
    public int Executing { get; private set; }
    public int Waiting { get; private set; }
    public int SeatsWaiting { get; private set; }

    /// <summary>What every queue with work has got, in seat-seconds, since there was no work at all.</summary>
    public double Progress { get; private set; }

    /// <param name="limit">Seats.</param>
    /// <param name="isExempt">There is no limit.</param>
    /// <param name="dealer">Deals queues; null to refuse who finds no seat. What already waits is served as before.</param>
    /// <param name="lengthLimit">Of each queue.</param>
    /// <param name="now">Never goes back.</param>
    public void Configure(int limit, bool isExempt, Dealer? dealer, int lengthLimit, TimeSpan now)
    {
        Advance(now);
        (Limit, _isExempt, _dealer, _lengthLimit) = (limit, isExempt, dealer, lengthLimit);
        while (_queues.Count < (dealer?.DeckSize ?? 0))
            _queues.Add(new());
        DropSurplus();
    }

    /// <summary>Whether flows are told apart here: with one queue there is nothing to deal.</summary>
    public bool HasHands => _dealer is { DeckSize: > 1 };

    public void Resize(int limit, TimeSpan now)
    {
        Advance(now);
        Limit = limit;
    }

    /// <summary>Seats a request, queues or refuses it. After it was queued, <see cref="Next"/> may seat it.</summary>
    /// <param name="ticket">Seated, Queued, QueueFull or ConcurrencyLimit afterwards.</param>
    /// <param name="flow">By which its queues are dealt.</param>
    /// <param name="now">Never goes back.</param>
    public FlowOutcome Arrive(FlowTicket ticket, ulong flow, TimeSpan now)
    {
        Advance(now);
        ticket.Arrived = now;
        if (_dealer is null)
            return ticket.Outcome = Fits(ticket.Seats) ? Seat(ticket) : FlowOutcome.ConcurrencyLimit;
        var queue = Pick(flow);
        var hasSeat = Waiting == 0 && Fits(ticket.Seats);
        if (!hasSeat && queue.Waiting.Count >= _lengthLimit)
            return ticket.Outcome = FlowOutcome.QueueFull;
        if (queue.IsIdle)
        {
            _active++;
            queue.NextStart = Progress;
        }
        ticket.Queue = queue;
        ticket.ArrivedAt = Progress;
        if (hasSeat)
            return ticket.Outcome = Seat(ticket);
        ticket.Place = queue.Waiting.AddLast(ticket);
        queue.SeatsWaiting += ticket.Seats;
        queue.BoundNextStart();
        Waiting++;
        SeatsWaiting += ticket.Seats;
        return ticket.Outcome = FlowOutcome.Queued;
    }

    /// <summary>Seats the next one that waits; null when there is none, or it does not fit.</summary>
    public FlowTicket? Next(TimeSpan now)
    {
        Advance(now);
        if (Waiting == 0 || SeatsInUse >= Limit)
            return null;
        var (first, at) = (double.MaxValue, -1);
        for (var i = 1; i <= _queues.Count; i++)
        {
            var index = (_last + i) % _queues.Count;
            if (_queues[index].Waiting.First is not { Value: var oldest })
                continue;
            var end = _queues[index].NextStart + Work(oldest);
            if (end < first)
                (first, at) = (end, index);
        }
        var next = _queues[at].Waiting.First!.Value;
        if (!Fits(next.Seats))
            return null;
        _last = at; // Of queues that are equal the others are first the next time.
        RemoveFromQueue(next);
        next.Outcome = Seat(next);
        next.Queue!.BoundNextStart();
        return next;
    }

    /// <summary>Takes out of its queue who is not to be served any more; false when it does not wait.</summary>
    public bool Withdraw(FlowTicket ticket, FlowOutcome why, TimeSpan now)
    {
        Advance(now);
        if (ticket.Place is null)
            return false;
        RemoveFromQueue(ticket);
        ticket.Outcome = why;
        var queue = ticket.Queue!;
        queue.BoundNextStart();
        if (queue.IsIdle)
            Rest();
        return true;
    }

    /// <summary>Takes the seats back; false when it has none.</summary>
    public bool Leave(FlowTicket ticket, TimeSpan now)
    {
        Advance(now);
        if (ticket.HasLeft || ticket.Outcome != FlowOutcome.Seated)
            return false;
        ticket.HasLeft = true;
        Unlink(ticket);
        Executing--;
        SeatsInUse -= ticket.Seats;
        if (ticket.Queue is not { } queue)
            return true;
        queue.Executing--;
        queue.SeatsInUse -= ticket.Seats;
        queue.NextStart += ticket.Seats * (now - ticket.Seated - AssumedService).TotalSeconds;
        queue.BoundNextStart();
        if (queue.IsIdle)
            Rest();
        return true;
    }

    private static double Work(FlowTicket ticket) => ticket.Seats * AssumedService.TotalSeconds;

    /// <summary>What is wider than the whole level goes alone.</summary>
    private bool Fits(int seats) => _isExempt || SeatsInUse + seats <= Limit || (seats > Limit && Limit > 0 && Executing == 0);

    private FlowOutcome Seat(FlowTicket ticket)
    {
        ticket.Seated = _now;
        ticket.Before = _seated;
        if (_seated is not null)
            _seated.After = ticket;
        _seated = ticket;
        Executing++;
        SeatsInUse += ticket.Seats;
        if (ticket.Queue is { } queue)
        {
            queue.Executing++;
            queue.SeatsInUse += ticket.Seats;
            queue.NextStart += Work(ticket);
        }
        return FlowOutcome.Seated;
    }

    private void Unlink(FlowTicket ticket)
    {
        var (before, after) = (ticket.Before, ticket.After);
        if (before is not null)
            before.After = after;
        if (after is not null)
            after.Before = before;
        else
            _seated = before;
        (ticket.Before, ticket.After) = (null, null);
    }

    /// <summary>Of the queues of a flow the one with the least work; begun elsewhere each time, so that equal ones take turns.</summary>
    private FlowQueue Pick(ulong flow)
    {
        Span<int> hand = stackalloc int[_dealer!.HandSize];
        _dealer.Deal(flow, hand);
        var offset = (int)(_dealt++ % (uint)hand.Length);
        var best = _queues[hand[offset]];
        for (var i = 1; i < hand.Length && best.SeatsWaiting > 0; i++)
        {
            var queue = _queues[hand[(offset + i) % hand.Length]];
            if (queue.SeatsWaiting < best.SeatsWaiting)
                best = queue;
        }
        return best;
    }

    private void RemoveFromQueue(FlowTicket ticket)
    {
        var queue = ticket.Queue!;
        queue.Waiting.Remove(ticket.Place!);
        ticket.Place = null;
        queue.SeatsWaiting -= ticket.Seats;
        Waiting--;
        SeatsWaiting -= ticket.Seats;
    }

    private void Advance(TimeSpan now)
    {
        if (_active > 0)
            Progress += Math.Min(SeatsInUse + SeatsWaiting, Limit) * (now - _now).TotalSeconds / _active;
        _now = now;
    }

    /// <summary>One queue less has work.</summary>
    private void Rest()
    {
        // From nought again when all is done: sums stay small, and so exact.
        if (--_active == 0)
            Progress = 0;
        DropSurplus();
    }

    private void DropSurplus()
    {
        while (_queues.Count > (_dealer?.DeckSize ?? 0) && _queues[^1].IsIdle)
            _queues.RemoveAt(_queues.Count - 1);
    }
}
