using System.Reflection;

namespace Minke.Cli;

/// <summary>What this is, and which Kubernetes it behaves as.</summary>
public static class MinkeVersion
{
    public const string Kubernetes = "v1.32.4";

    /// <summary>Minke's own: <c>0.1.0</c>.</summary>
    public static string Own { get; } = Plain(typeof(MinkeVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion).Version;

    /// <summary>The commit it was built from; empty when not built from one.</summary>
    public static string Commit { get; } = Plain(typeof(MinkeVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion).Commit;

    private static (string Version, string Commit) Plain(string informational) =>
        informational.Split('+', 2) is [var version, var commit] ? (version, commit[..Math.Min(commit.Length, 7)]) : (informational, "");
}
