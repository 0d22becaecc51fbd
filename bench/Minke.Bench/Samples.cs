using System.Diagnostics;

namespace Minke.Bench;

/// <summary>Durations of one thing done again and again, in milliseconds.</summary>
internal sealed class Samples
{
    private readonly List<double> _sorted = [];

    public Samples(IEnumerable<TimeSpan> durations)
    {
        _sorted.AddRange(durations.Select(duration => duration.TotalMilliseconds).Order());
        if (_sorted.Count == 0)
            throw new InvalidOperationException("nothing was measured");
    }

    public int Count => _sorted.Count;
    public double Median => Quantile(0.5);
    public double Min => _sorted[0];
    public double Max => _sorted[^1];

    /// <summary>The nearest rank, with no value made up between two: of fewer than 100 samples the 99th percentile is the largest.</summary>
    public double Quantile(double share) => _sorted[Math.Clamp((int)Math.Ceiling(share * _sorted.Count) - 1, 0, _sorted.Count - 1)];

    /// <summary>Times something, one at a time.</summary>
    public static async Task<Samples> OfAsync(int count, Func<int, Task<TimeSpan>> measure)
    {
        var durations = new List<TimeSpan>();
        for (var i = 0; i < count; i++)
            durations.Add(await measure(i));
        return new(durations);
    }

    public static async Task<TimeSpan> TimeAsync(Func<Task> work)
    {
        var began = Stopwatch.GetTimestamp();
        await work();
        return Stopwatch.GetElapsedTime(began);
    }
}
