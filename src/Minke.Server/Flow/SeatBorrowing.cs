namespace Minke.Server.Flow;

/// <summary>
/// Divides the server's seats among its levels by what they wanted of late: each gets at least what it does not lend or, if it wanted more,
/// its own; at most what it may borrow; and between these the same part of what it wants. (apiserver/pkg/util/flowcontrol/conc_alloc.go)
/// </summary>
internal static class SeatBorrowing
{
    // A level that wants nothing gets a little all the same, and no division is by nought.
    private const double LeastTarget = 0.001;

    /// <summary>What a level gets, lies between two bounds, and is else a part of the target.</summary>
    public readonly record struct Claim(double Lower, double Upper, double Target);

    /// <summary>Sets the limits of all levels. Their periods of demand must have been closed.</summary>
    /// <returns>Which part of its target a level got that no bound held: upstream's FairFrac.</returns>
    public static double Adjust(IReadOnlyList<PriorityLevel> levels)
    {
        var limited = levels.Where(level => !level.IsExempt).ToList();
        var seats = levels.Sum(level => level.Nominal);
        foreach (var level in levels.Where(level => level.IsExempt))
        {
            // Nobody limits it; what it takes the others have not.
            var taken = Math.Max(level.Lower, level.Demand.HighWatermark);
            level.Adjust(taken);
            seats -= taken;
        }
        var claims = limited.ConvertAll(Wanted);
        var least = limited.Sum(level => level.Lower);
        var own = claims.Sum(claim => claim.Lower);
        if (seats <= own)
        {
            // Too few for everybody's own: of what is lent out, the same part for all.
            var part = seats <= least || own <= least ? 0 : (seats - least) / (own - least);
            for (var i = 0; i < limited.Count; i++)
                limited[i].Adjust(limited[i].Lower + Round((claims[i].Lower - limited[i].Lower) * part));
            return 0;
        }
        var fair = FairPart(seats, claims);
        for (var i = 0; i < limited.Count; i++)
            limited[i].Adjust(Round(Given(claims[i], fair)));
        return fair;
    }

    /// <summary>The part of their targets at which the claims come to so many seats, as near as their bounds allow.</summary>
    /// <remarks>What is given grows with the part, straight between two bounds: so bounds in order, then a division.</remarks>
    public static double FairPart(int seats, IReadOnlyList<Claim> claims)
    {
        var bounds = claims.SelectMany(claim => new[] { claim.Lower / claim.Target, claim.Upper / claim.Target }).Order();
        var (from, given) = (0.0, claims.Sum(claim => claim.Lower));
        foreach (var bound in bounds)
        {
            var next = claims.Sum(claim => Given(claim, bound));
            if (next >= seats && next > given)
                return from + ((bound - from) * (seats - given) / (next - given));
            (from, given) = (bound, next);
        }
        return from;
    }

    public static double Given(Claim claim, double part) => Math.Clamp(claim.Target * part, claim.Lower, claim.Upper);

    private static Claim Wanted(PriorityLevel level)
    {
        var lower = Math.Max(level.Lower, Math.Min(level.Nominal, level.Demand.HighWatermark));
        return new(lower, level.Upper, Math.Max(LeastTarget, Math.Max(lower, level.Demand.Smoothed)));
    }

    private static int Round(double seats) => (int)Math.Round(seats, MidpointRounding.AwayFromZero);
}
