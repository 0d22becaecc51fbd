using System.Globalization;
using System.Text.Json.Serialization;

namespace Minke.Cli.Clusters;

/// <summary>Who runs a cluster and where it answers: <c>cluster.json</c>, written once the API is ready.</summary>
public sealed record ClusterRecord
{
    public required int Pid { get; init; }

    /// <summary>Start of the process in clock ticks since boot: with the pid it means one process, even after the pid is used again.</summary>
    public required long ProcessStart { get; init; }
    public required string Version { get; init; }

    /// <summary>Where the API answers: <c>https://127.0.0.1:6443</c>.</summary>
    public required Uri Server { get; init; }
    public required string NodeName { get; init; }
    public required DateTimeOffset StartedAt { get; init; }

    [JsonIgnore]
    public bool IsAlive => StartOf(Pid) == ProcessStart;

    /// <summary>When a process started, in clock ticks since boot; null when there is none of that pid.</summary>
    public static long? StartOf(int pid)
    {
        try
        {
            // The second field is the command in parentheses and may hold anything; the start is the 22nd.
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            // A zombie answers to nobody any more.
            return fields[0] is "Z" or "X" ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

[JsonSerializable(typeof(ClusterRecord))]
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class ClusterJson : JsonSerializerContext;
