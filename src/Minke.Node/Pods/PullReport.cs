using System.Globalization;
using Minke.Node.Runtime;

namespace Minke.Node.Pods;

/// <summary>
/// How far the pull of one image is, put into words for the status of the container that waits for it. Layers report from several
/// threads and often; words come once a second at most, and none of a pull that is over sooner.
/// </summary>
internal sealed class PullReport(string image, TimeProvider time, Action<string> tell) : IProgress<PullProgress>
{
    /// <summary>Each word is a write of the pod's status.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new(); // guards all below
    private readonly Dictionary<string, (long Done, long Total)> _layers = new(StringComparer.Ordinal);
    private long _toldAt = time.GetTimestamp();
    private string _told = "";

    public void Report(PullProgress value)
    {
        lock (_gate)
        {
            _layers[value.Layer] = (value.DoneBytes, value.TotalBytes);
            if (time.GetElapsedTime(_toldAt) < Interval)
                return;
            _toldAt = time.GetTimestamp();
            var text = Describe(image, _layers.Values.Sum(layer => layer.Done), _layers.Values.Sum(layer => layer.Total));
            if (text == _told)
                return;
            _told = text;
            tell(text);
        }
    }

    /// <summary><c>Pulling image "web:2": 42 % of 74.1 MB</c>.</summary>
    internal static string Describe(string image, long done, long total) => string.Create(
        CultureInfo.InvariantCulture, $"Pulling image \"{image}\": {(total == 0 ? 0 : done * 100 / total)} % of {total / 1e6:0.0} MB");
}
