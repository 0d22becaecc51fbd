using System.Globalization;
using Minke.Api;

namespace Minke.Server.Tables;

/// <summary>Short durations as kubectl shows them: <c>5s</c>, <c>3m12s</c>, <c>4h</c>, <c>2d3h</c>, <c>1y40d</c>. (util/duration.HumanDuration)</summary>
internal static class Ages
{
    public const string Unknown = "<unknown>";

    public static string Since(Time moment, DateTimeOffset now) => moment.IsZero ? Unknown : Text(now - moment.ToDateTimeOffset());

    public static string Since(MicroTime moment, DateTimeOffset now) => moment.IsZero ? Unknown : Text(now - moment.ToDateTimeOffset());

    public static string Text(TimeSpan span)
    {
        var seconds = (long)Math.Truncate(span.TotalSeconds);
        var (minutes, hours) = (seconds / 60, seconds / 3600);
        return seconds switch
        {
            < -1 => "<invalid>",
            < 0 => "0s",
            < 120 => S($"{seconds}s"),
            _ when minutes < 10 => seconds % 60 == 0 ? S($"{minutes}m") : S($"{minutes}m{seconds % 60}s"),
            _ when minutes < 180 => S($"{minutes}m"),
            _ when hours < 8 => minutes % 60 == 0 ? S($"{hours}h") : S($"{hours}h{minutes % 60}m"),
            _ when hours < 48 => S($"{hours}h"),
            _ when hours < 192 => hours % 24 == 0 ? S($"{hours / 24}d") : S($"{hours / 24}d{hours % 24}h"),
            _ when hours < 24 * 365 * 2 => S($"{hours / 24}d"),
            _ when hours < 24 * 365 * 8 => hours / 24 % 365 == 0 ? S($"{hours / 24 / 365}y") : S($"{hours / 24 / 365}y{hours / 24 % 365}d"),
            _ => S($"{hours / 24 / 365}y"),
        };
    }

    private static string S(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
