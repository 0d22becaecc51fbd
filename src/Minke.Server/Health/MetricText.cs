using System.Globalization;
using System.Text;

namespace Minke.Server.Health;

/// <summary>Writes what Prometheus reads.</summary>
internal static class MetricText
{
    public static void Head(StringBuilder text, string name, string type, string help) =>
        text.Append("# HELP ").Append(name).Append(' ').Append(help).Append("\n# TYPE ").Append(name).Append(' ').Append(type).Append('\n');

    public static void Line(StringBuilder text, string name, string labels, double value)
    {
        text.Append(name);
        if (labels.Length > 0)
            text.Append('{').Append(labels).Append('}');
        text.Append(' ').Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }
}

/// <summary>How often what was observed was no more than each bound. Whoever observes keeps others out.</summary>
internal sealed class Histogram(double[] bounds)
{
    private readonly long[] _counts = new long[bounds.Length + 1];
    private double _sum;

    public long Count => _counts.Sum();

    public void Observe(double value)
    {
        var i = 0;
        while (i < bounds.Length && value > bounds[i])
            i++;
        _counts[i]++;
        _sum += value;
    }

    public void Write(StringBuilder text, string name, string labels)
    {
        var total = 0L;
        for (var i = 0; i <= bounds.Length; i++)
        {
            total += _counts[i];
            var bound = i < bounds.Length ? bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            MetricText.Line(text, name + "_bucket", $"{labels},le=\"{bound}\"", total);
        }
        MetricText.Line(text, name + "_sum", labels, _sum);
        MetricText.Line(text, name + "_count", labels, total);
    }
}
