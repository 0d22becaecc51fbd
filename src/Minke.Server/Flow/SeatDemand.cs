namespace Minke.Server.Flow;

/// <summary>How many seats a level wanted, seated and waiting together: over the time since it was last asked, and smoothed over minutes.</summary>
internal sealed class SeatDemand
{
    /// <summary>Between two adjustments of what levels lend each other.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    // What is left of an old peak after one period; half of it after five minutes. Upstream's.
    private const double Decay = 0.977;

    private TimeSpan _since;
    private TimeSpan _last;
    private int _seats;
    private int _peak;
    private double _sum; // seats × seconds
    private double _squares;

    /// <summary>The most at any moment of the last period.</summary>
    public int HighWatermark { get; private set; }
    public double Average { get; private set; }
    public double Deviation { get; private set; }
    public double Smoothed { get; private set; }

    public void Note(int seats, TimeSpan now)
    {
        var seconds = (now - _last).TotalSeconds;
        _sum += _seats * seconds;
        _squares += (double)_seats * _seats * seconds;
        _last = now;
        _seats = seats;
        if (seats > _peak)
            _peak = seats;
    }

    /// <summary>Ends a period, or several in which nothing happened.</summary>
    public void Close(TimeSpan now)
    {
        Note(_seats, now);
        HighWatermark = _peak;
        var elapsed = now - _since;
        if (elapsed > TimeSpan.Zero)
        {
            Average = _sum / elapsed.TotalSeconds;
            Deviation = Math.Sqrt(Math.Max(0, (_squares / elapsed.TotalSeconds) - (Average * Average)));
            var kept = Math.Pow(Decay, elapsed / Period);
            var envelope = Average + Deviation;
            Smoothed = Math.Max(envelope, (kept * Smoothed) + ((1 - kept) * envelope));
        }
        (_since, _peak, _sum, _squares) = (now, _seats, 0, 0);
    }
}
