using Minke.Api;
using Minke.Api.Flowcontrol.V1;
using Minke.Server.Flow;
using Minke.TestSupport;
using static Minke.Server.Flow.SeatBorrowing;

namespace Minke.Server.Tests.Flow;

public sealed class SeatBorrowingTests
{
    [Fact]
    public void At_the_start_seats_are_divided_by_what_levels_do_not_lend()
    {
        var levels = SystemLevels(TimeProvider.System);
        Adjust(levels);
        Assert.Equal(
            "catch-all 13/13 exempt 0/0 global-default 24/49 leader-election 25/25 node-high 73/98 system 50/74 workload-high 49/98 workload-low 24/245",
            string.Join(' ', levels.Select(level => $"{level.Name} {level.Lower}/{level.Nominal}")));
        Assert.InRange(levels.Sum(level => level.Limit), 600, 606);
        Assert.All(levels.Where(level => !level.IsExempt), level => Assert.InRange(level.Limit, level.Lower, level.Upper));
    }

    [Fact]
    public void A_level_that_is_flooded_gets_what_others_lend_and_loses_it_as_time_passes()
    {
        var clock = new ManualTime();
        var levels = SystemLevels(clock);
        var (low, system) = (levels.Single(level => level.Name == "workload-low"), levels.Single(level => level.Name == "system"));
        var flood = Enumerable.Range(0, 2000).Select(i => Flows.Ticket(low, $"user-{i % 40}")).ToList();
        foreach (var ticket in flood)
            Enter(ticket);
        Close(levels, clock);
        Assert.InRange(low.Limit, low.Nominal + 1, low.Upper);
        Assert.All(levels.Where(level => !level.IsExempt), level => Assert.InRange(level.Limit, level.Lower, level.Upper));
        Assert.Equal(system.Lower, system.Limit); // wants nothing, and keeps what it does not lend
        Assert.Equal(low.Limit, flood.Count(ticket => ticket.Outcome == FlowOutcome.Seated));

        var most = low.Limit;
        while (flood.Find(ticket => ticket is { Outcome: FlowOutcome.Seated, HasLeft: false }) is { } seated)
            seated.Leave();
        for (var i = 0; i < 300; i++) // ten halves of five minutes
            Close(levels, clock);
        Assert.InRange(low.Limit, low.Lower, most / 2);
    }

    [Fact]
    public void What_the_exempt_take_the_others_have_not()
    {
        var clock = new ManualTime();
        var levels = SystemLevels(clock);
        var exempt = levels.Single(level => level.IsExempt);
        var admins = Enumerable.Range(0, 200).Select(_ => Flows.Ticket(exempt, "admin")).ToList();
        admins.ForEach(Enter);
        Close(levels, clock);
        Assert.InRange(levels.Where(level => !level.IsExempt).Sum(level => level.Limit), 395, 410);
        var more = Enumerable.Range(0, 2000).Select(_ => Flows.Ticket(exempt, "admin")).ToList();
        more.ForEach(Enter);
        Assert.All([.. admins, .. more], ticket => Assert.Equal(FlowOutcome.Seated, ticket.Outcome));
        Close(levels, clock);
        Assert.All(levels.Where(level => !level.IsExempt), level => Assert.Equal(level.Lower, level.Limit));
    }

    [Fact]
    public void Any_claims_are_met_within_their_bounds_in_the_same_part()
    {
        for (var seed = 0; seed < 2000; seed++)
        {
            var random = new Random(seed);
            var claims = Enumerable.Range(0, random.Next(1, 10)).Select(_ =>
            {
                var lower = random.Next(0, 100);
                return new Claim(lower, lower + random.Next(0, 300), Math.Max(0.001, lower + (random.NextDouble() * 300)));
            }).ToList();
            var (least, most) = ((int)claims.Sum(claim => claim.Lower), (int)claims.Sum(claim => claim.Upper));
            var seats = random.Next(least, most + 1);
            var fair = FairPart(seats, claims);
            var given = claims.ConvertAll(claim => Given(claim, fair));
            Assert.True(Math.Abs(given.Sum() - seats) < 1e-6, $"seed {seed}: {given.Sum()} of {seats}");
        }
    }

    /// <summary>What becomes of it stands on the ticket.</summary>
    private static void Enter(FlowTicket ticket) => _ = ticket.Level.EnterAsync(ticket, TimeSpan.FromHours(100), CancellationToken.None).AsTask();

    private static void Close(List<PriorityLevel> levels, ManualTime clock)
    {
        clock.Advance(SeatDemand.Period);
        levels.ForEach(level => level.CloseDemand());
        Adjust(levels);
    }

    private static List<PriorityLevel> SystemLevels(TimeProvider clock) =>
        [.. FlowConfiguration.Build(null, [.. SystemFlows.Levels.Select(level => (PriorityLevelConfiguration)level.WithConstantDefaults())], [], 600, (level, schema) => new(level, schema), clock).Levels];
}
