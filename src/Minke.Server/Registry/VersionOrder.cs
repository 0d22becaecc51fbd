using System.Globalization;
using System.Text.RegularExpressions;

namespace Minke.Server.Registry;

/// <summary>Versions as Kubernetes ranks them: <c>v2</c> over <c>v1</c> over <c>v1beta2</c> over <c>v1alpha1</c> over anything else, which goes by the alphabet backwards.</summary>
internal sealed partial class VersionOrder : IComparer<string>
{
    public static readonly VersionOrder Instance = new();

    public int Compare(string? x, string? y)
    {
        if (x == y)
            return 0;
        return (Rank(x!), Rank(y!)) switch
        {
            ({ } a, { } b) => a.CompareTo(b),
            ({ }, null) => 1,
            (null, { }) => -1,
            // Names of no pattern stand in alphabetical order, so the first letter ranks highest.
            _ => string.CompareOrdinal(y, x),
        };
    }

    private static (int Stability, int Major, int Minor)? Rank(string version)
    {
        var match = Pattern().Match(version);
        if (!match.Success || !int.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var major))
            return null;
        var stability = match.Groups[2].Value switch { "" => 2, "beta" => 1, _ => 0 };
        return int.TryParse(match.Groups[3].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var minor) || stability == 2 ? (stability, major, minor) : null;
    }

    [GeneratedRegex(@"^v([0-9]+)(?:(alpha|beta)([0-9]+))?\z")]
    private static partial Regex Pattern();
}
