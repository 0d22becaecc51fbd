using System.Globalization;
using System.Runtime.InteropServices;

namespace Minke.Bench;

/// <summary>The table, in Markdown: a row is printed as soon as it is known, so a run that is cut short still says something.</summary>
internal sealed class Report(TextWriter output)
{
    public void Head(string commit)
    {
        var model = Field("/proc/cpuinfo", "model name") ?? RuntimeInformation.OSArchitecture.ToString();
        var memory = long.Parse(Field("/proc/meminfo", "MemTotal")!.Split(' ')[0], CultureInfo.InvariantCulture) / 1024;
        output.WriteLine(Text($"commit {commit}, {DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC"));
        output.WriteLine(Text($"machine: {Environment.ProcessorCount} × {model}, {memory} MiB; {RuntimeInformation.OSDescription}, Linux {File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}"));
        output.WriteLine();
        output.WriteLine("| What | Median | p99 | Min – max | n | Goal | Load | How |");
        output.WriteLine("|---|---:|---:|---:|---:|---:|---:|---|");
    }

    public void Row(string what, Samples samples, string goal = "", string how = "") =>
        Line(what, Ms(samples.Median), Ms(samples.Quantile(0.99)), $"{Ms(samples.Min)} – {Ms(samples.Max)}",
            samples.Count.ToString(CultureInfo.InvariantCulture), goal, how);

    public void Figure(string what, string value, string goal = "", string how = "") => Line(what, value, "", "", "1", goal, how);

    /// <summary>Something that cannot be measured here is a row that says why, not the end of the run.</summary>
    public void Missing(string what, string why) => Line(what, "–", "–", "–", "0", "", why.ReplaceLineEndings(" ").Replace("|", "/", StringComparison.Ordinal));

    public static string Ms(double milliseconds) => milliseconds switch
    {
        >= 10_000 => Text($"{milliseconds / 1000:0.0} s"),
        >= 1_000 => Text($"{milliseconds / 1000:0.00} s"),
        >= 100 => Text($"{milliseconds:0} ms"),
        _ => Text($"{milliseconds:0.0} ms"),
    };

    public static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>The load average of the last minute stands beside each figure: others may use the machine.</summary>
    private void Line(string what, string median, string p99, string spread, string count, string goal, string how)
    {
        var load = File.ReadAllText("/proc/loadavg").Split(' ')[0];
        output.WriteLine($"| {what} | {median} | {p99} | {spread} | {count} | {goal} | {load} | {how} |");
        output.Flush();
    }

    private static string? Field(string file, string name) =>
        File.ReadLines(file).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?.Split(':', 2)[1].Trim();
}
