namespace Minke.Server.Services;

/// <summary>
/// Numbers given out of a range: offsets of addresses, ports. Those asked for by number may be any; those drawn come from above the lowest ones, which are so left
/// for people who want a certain number. (pkg/registry/core/service/allocator, KEP-3070)
/// </summary>
/// <param name="first">Lowest number there is.</param>
/// <param name="count">How many.</param>
/// <param name="reserved">How many of the lowest are drawn only when all others are out.</param>
/// <param name="draw">Where to begin to look, between 0 and 1: neighbours would tell how many there are, and a number just given back is better left alone for a while.</param>
internal sealed class NumberPool(long first, long count, long reserved, Func<double> draw)
{
    private readonly HashSet<long> _taken = [];

    public bool Holds(long number) => number >= first && number < first + count;

    /// <summary>False when somebody has it.</summary>
    public bool TryTake(long number) => _taken.Add(number);

    /// <summary>Null when none is left.</summary>
    public long? TakeAny() => Scan(first + reserved, count - reserved) ?? Scan(first, reserved);

    public void Return(long number) => _taken.Remove(number);

    private long? Scan(long from, long length)
    {
        if (length <= 0)
            return null;
        var start = Math.Min(length - 1, (long)(draw() * length));
        for (var i = 0L; i < length; i++)
        {
            var number = from + ((start + i) % length);
            if (_taken.Add(number))
                return number;
        }
        return null;
    }
}
