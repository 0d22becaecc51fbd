using System.Globalization;

namespace Minke.Bench;

/// <summary>A process as /proc shows it.</summary>
internal sealed record OwnProcess(int Pid, string CommandLine)
{
    /// <summary>Clock ticks of /proc are of 10 ms on every Linux (USER_HZ).</summary>
    private const double TickMilliseconds = 10;

    public string Name => Path.GetFileName(CommandLine.Split(' ')[0]);

    public static OwnProcess? TryRead(int pid)
    {
        try
        {
            return new(pid, File.ReadAllText($"/proc/{pid}/cmdline").Replace('\0', ' '));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null; // it has ended
        }
    }

    /// <summary>Proportional set size: its own pages, and its share of those it shares.</summary>
    public long PssBytes() => long.Parse(
        File.ReadLines($"/proc/{Pid}/smaps_rollup").First(line => line.StartsWith("Pss:", StringComparison.Ordinal))[4..].Replace("kB", "", StringComparison.Ordinal),
        CultureInfo.InvariantCulture) * 1024;

    /// <summary>The most memory it has had in use at once since <see cref="ForgetPeak"/>, in bytes.</summary>
    public long PeakBytes() => Status("VmHWM:");

    /// <summary>What of it is in memory now, in bytes.</summary>
    public long ResidentBytes() => Status("VmRSS:");

    /// <summary>See proc_pid_clear_refs(5).</summary>
    public void ForgetPeak() => File.WriteAllText($"/proc/{Pid}/clear_refs", "5");

    private long Status(string field) => long.Parse(
        File.ReadLines($"/proc/{Pid}/status").First(line => line.StartsWith(field, StringComparison.Ordinal))[field.Length..].Replace("kB", "", StringComparison.Ordinal),
        CultureInfo.InvariantCulture) * 1024;

    /// <summary>Processor time it has used so far, of all its threads, ended ones too.</summary>
    public TimeSpan Cpu()
    {
        // After the name, which may hold anything up to the last parenthesis: utime and stime are fields 14 and 15 of proc_pid_stat(5).
        var stat = File.ReadAllText($"/proc/{Pid}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return TimeSpan.FromMilliseconds(TickMilliseconds * (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)));
    }
}
