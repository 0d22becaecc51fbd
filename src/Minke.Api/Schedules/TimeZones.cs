using System.Text.RegularExpressions;

namespace Minke.Api;

/// <summary>Which time zones there are: those of the machine's tz database.</summary>
internal static partial class TimeZones
{
    /// <summary>Why a name is no time zone, as Go's LoadLocation says it; null for one that is.</summary>
    public static string? Refusal(string name) => name switch
    {
        "" or "UTC" or "Local" => null,
        _ when name.Contains("..", StringComparison.Ordinal) || name[0] is '/' or '\\' => "time: invalid location name",
        _ when TimeZoneInfo.TryFindSystemTimeZoneById(name, out _) => null,
        _ => $"unknown time zone {name}",
    };

    /// <summary>The names the tz database's own rules allow, digits and "+" for its older ones.</summary>
    public static bool IsWellFormed(string name) =>
        name.Split('/').All(part => part is not ("." or "..") && !part.StartsWith('-') && PartPattern().IsMatch(part));

    [GeneratedRegex(@"\A[A-Za-z.\-_0-9+]{1,14}\z", RegexOptions.CultureInvariant)]
    private static partial Regex PartPattern();
}
