using System.Text.RegularExpressions;

namespace Minke.Node.Runtime.Embedded;

/// <summary>Turns what an OCI runtime said into the words users of Kubernetes know from runc and search for.</summary>
internal static partial class StartErrors
{
    public static string Explain(OciRuntime runtime, string error)
    {
        var said = error.Trim();
        var name = Path.GetFileName(runtime.Path);
        return $"failed to create task: OCI runtime create failed: {name} create failed: unable to start container process: {Translate(said)}: unknown";
    }

    /// <summary>crun's ways of saying that there is nothing to execute, as runc says them; anything else as it is.</summary>
    internal static string Translate(string error)
    {
        if (NotFound().Match(error) is { Success: true } missing)
        {
            var name = missing.Groups["name"].Value;
            return name.Contains('/', StringComparison.Ordinal)
                ? $"exec: \"{name}\": stat {name}: no such file or directory"
                : $"exec: \"{name}\": executable file not found in $PATH";
        }
        return error;
    }

    [GeneratedRegex("executable file `(?<name>[^`]+)` not found")]
    private static partial Regex NotFound();
}
