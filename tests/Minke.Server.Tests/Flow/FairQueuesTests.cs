using Minke.Server.Flow;

namespace Minke.Server.Tests.Flow;

/// <summary>The queues of one level by themselves: a script of arrivals and departures, and what must hold after every step.</summary>
public sealed class FairQueuesTests
{
    private readonly PriorityLevel _level = new("small", TimeProvider.System);

    [Fact]
    public void A_queue_with_little_work_is_served_before_one_with_much()
    {
        var (queues, now) = (Queues(limit: 1, queues: 64, hand: 1, length: 50), TimeSpan.Zero);
        var running = Flows.Ticket(_level, "first");
        Assert.Equal(FlowOutcome.Seated, queues.Arrive(running, FlowOf("first"), now));
        var greedy = Enumerable.Range(0, 10).Select(_ => Flows.Ticket(_level, "greedy")).ToList();
        foreach (var ticket in greedy)
            Assert.Equal(FlowOutcome.Queued, queues.Arrive(ticket, FlowOf("greedy"), now));
        var modest = Flows.Ticket(_level, "modest");
        Assert.Equal(FlowOutcome.Queued, queues.Arrive(modest, FlowOf("modest"), now));

        queues.Leave(running, now += TimeSpan.FromSeconds(1));
        var served = new List<FlowTicket>();
        while (queues.Next(now) is { } next)
        {
            served.Add(next);
            queues.Leave(next, now += TimeSpan.FromSeconds(1));
        }
        Assert.Equal(11, served.Count);
        Assert.InRange(served.IndexOf(modest), 0, 1); // not behind the ten that came first
        Assert.Equal(greedy, served.Where(ticket => ticket != modest)); // in their own order
    }

    [Fact]
    public void Two_flows_with_work_get_the_same_seat_seconds_however_long_their_requests_take()
    {
        var (queues, now) = (Queues(limit: 2, queues: 64, hand: 1, length: 1000), TimeSpan.Zero);
        var lasting = new Dictionary<string, TimeSpan> { ["slow"] = TimeSpan.FromSeconds(10), ["quick"] = TimeSpan.FromSeconds(1) };
        var used = lasting.Keys.ToDictionary(user => user, _ => TimeSpan.Zero);
        var seated = new List<(FlowTicket Ticket, TimeSpan Until)>();
        foreach (var user in lasting.Keys)
        {
            for (var i = 0; i < 600; i++)
            {
                var ticket = Flows.Ticket(_level, user);
                if (queues.Arrive(ticket, FlowOf(user), now) == FlowOutcome.Seated)
                    seated.Add((ticket, now + lasting[user]));
            }
        }
        while (now < TimeSpan.FromSeconds(400))
        {
            var (ticket, until) = seated.MinBy(one => one.Until);
            seated.Remove((ticket, until));
            now = until;
            used[ticket.Distinguisher] += lasting[ticket.Distinguisher];
            queues.Leave(ticket, now);
            while (queues.Next(now) is { } next)
                seated.Add((next, now + lasting[next.Distinguisher]));
        }
        Assert.InRange(used["slow"] / used["quick"], 0.9, 1.1);
    }

    [Fact]
    public void A_request_wider_than_its_level_goes_alone()
    {
        var (queues, now) = (Queues(limit: 4, queues: 1, hand: 1, length: 10), TimeSpan.Zero);
        var (narrow, wide, after) = (Flows.Ticket(_level, "a"), Flows.Ticket(_level, "b", seats: 10), Flows.Ticket(_level, "c"));
        Assert.Equal(FlowOutcome.Seated, queues.Arrive(narrow, 0, now));
        Assert.Equal(FlowOutcome.Queued, queues.Arrive(wide, 0, now));
        Assert.Equal(FlowOutcome.Queued, queues.Arrive(after, 0, now)); // does not overtake
        Assert.Null(queues.Next(now));
        queues.Leave(narrow, now);
        Assert.Same(wide, queues.Next(now));
        Assert.Null(queues.Next(now));
        queues.Leave(wide, now);
        Assert.Same(after, queues.Next(now));
    }

    [Fact]
    public void Queues_that_are_no_longer_wanted_are_emptied_first()
    {
        var (queues, now) = (Queues(limit: 1, queues: 8, hand: 1, length: 10), TimeSpan.Zero);
        var tickets = Enumerable.Range(0, 20).Select(i => Flows.Ticket(_level, $"user-{i}")).ToList();
        foreach (var ticket in tickets)
            queues.Arrive(ticket, FlowOf(ticket.Distinguisher), now);
        queues.Configure(1, false, null, 0, now);
        var refused = Flows.Ticket(_level, "late");
        Assert.Equal(FlowOutcome.ConcurrencyLimit, queues.Arrive(refused, 0, now));
        var served = 1;
        queues.Leave(tickets[0], now);
        while (queues.Next(now) is { } next)
        {
            served++;
            queues.Leave(next, now);
        }
        Assert.Equal(20, served);
        Assert.Empty(queues.Queues);
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 60)];

    [Theory, MemberData(nameof(Seeds))]
    public void Whatever_comes_no_request_is_lost_and_no_seat_is_given_twice(int seed)
    {
        var random = new Random(seed);
        var (limit, length) = (random.Next(1, 12), random.Next(1, 6));
        var hand = random.Next(1, 5);
        var queues = Queues(limit, random.Next(hand, 20), hand, length);
        var now = TimeSpan.Zero;
        var (waiting, seated) = (new List<FlowTicket>(), new List<FlowTicket>());
        var (came, done) = (0, 0);
        for (var step = 0; step < 2000; step++)
        {
            now += TimeSpan.FromMilliseconds(random.Next(0, 20));
            switch (random.Next(10))
            {
                case < 5:
                    var ticket = Flows.Ticket(_level, $"user-{random.Next(8)}", random.Next(8) == 0 ? random.Next(1, 15) : 1);
                    came++;
                    switch (queues.Arrive(ticket, FlowOf(ticket.Distinguisher), now))
                    {
                        case FlowOutcome.Seated:
                            seated.Add(ticket);
                            break;
                        case FlowOutcome.Queued:
                            waiting.Add(ticket);
                            break;
                        default:
                            done++;
                            break;
                    }
                    break;
                case < 8 when seated.Count > 0:
                    var leaving = seated[random.Next(seated.Count)];
                    Assert.True(queues.Leave(leaving, now));
                    Assert.False(queues.Leave(leaving, now)); // again is nothing
                    seated.Remove(leaving);
                    done++;
                    break;
                case 8 when waiting.Count > 0:
                    var gone = waiting[random.Next(waiting.Count)];
                    Assert.True(queues.Withdraw(gone, FlowOutcome.Cancelled, now));
                    Assert.False(queues.Withdraw(gone, FlowOutcome.Cancelled, now));
                    waiting.Remove(gone);
                    done++;
                    break;
                case 9 when random.Next(20) == 0:
                    hand = random.Next(1, 5);
                    (limit, length) = (random.Next(1, 12), random.Next(1, 6));
                    queues.Configure(limit, false, random.Next(4) == 0 ? null : new Dealer(random.Next(hand, 20), hand), length, now);
                    break;
            }
            while (Dispatch(queues, now) is { } next)
            {
                Assert.True(waiting.Remove(next));
                seated.Add(next);
            }

            Assert.Equal(came, done + waiting.Count + seated.Count);
            Assert.Equal((waiting.Count, seated.Count), (queues.Waiting, queues.Executing));
            Assert.Equal(seated.ToHashSet(), queues.Seated.ToHashSet());
            Assert.Equal(seated.Sum(one => one.Seats), queues.SeatsInUse);
            Assert.Equal(waiting.Sum(one => one.Seats), queues.SeatsWaiting);
            Assert.Equal(waiting.ToHashSet(), queues.Queues.SelectMany(queue => queue.Waiting).ToHashSet());
            if (waiting.Count == 0 && seated.Count == 0)
                Assert.Equal(0, queues.Progress);
        }
        // Nobody is forgotten: as seats come back all that wait are served.
        queues.Configure(limit, false, null, 0, now);
        while (seated.Count > 0 || waiting.Count > 0)
        {
            foreach (var one in seated)
                queues.Leave(one, now);
            seated.Clear();
            while (queues.Next(now) is { } next)
                seated.Add(next);
            Assert.True(seated.Count > 0 || waiting.Count == 0);
            waiting.RemoveAll(seated.Contains);
        }
        Assert.Empty(queues.Queues);
        Assert.Equal((0, 0, 0), (queues.SeatsInUse, queues.SeatsWaiting, queues.Executing));
    }

    /// <summary>The next one, after looking that it is the right one.</summary>
    private static FlowTicket? Dispatch(FairQueues queues, TimeSpan now)
    {
        var inUse = queues.SeatsInUse;
        var ends = queues.Queues.Where(queue => queue.Waiting.Count > 0)
            .ToDictionary(queue => queue, queue => queue.NextStart + (queue.Waiting.First!.Value.Seats * FairQueues.AssumedService.TotalSeconds));
        var oldest = ends.Keys.ToDictionary(queue => queue, queue => queue.Waiting.First!.Value);
        var next = queues.Next(now);
        if (next is null)
        {
            // Then there are no seats for the one whose turn it is.
            if (ends.Count > 0 && inUse < queues.Limit)
                Assert.Contains(ends.Where(one => one.Value == ends.Values.Min()), one => inUse + oldest[one.Key].Seats > queues.Limit);
            return null;
        }
        Assert.Equal(ends.Values.Min(), ends[next.Queue!]); // who would end first in the imaginary world
        Assert.Same(oldest[next.Queue!], next);
        Assert.True(queues.SeatsInUse <= queues.Limit || inUse == 0, "seats beyond the limit");
        return next;
    }

    private static ulong FlowOf(string user) => Dealer.FlowOf("all", user);

    private static FairQueues Queues(int limit, int queues, int hand, int length)
    {
        var made = new FairQueues();
        made.Configure(limit, isExempt: false, new Dealer(queues, hand), length, TimeSpan.Zero);
        return made;
    }
}
