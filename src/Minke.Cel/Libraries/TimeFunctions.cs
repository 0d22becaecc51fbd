using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary>The parts of instants, in UTC or a named or numeric time zone, and of durations.</summary>
internal static class TimeFunctions
{
    public static void AddTo(FunctionTable.Library library)
    {
        Add("getFullYear", "timestamp_to_year", time => time.Year);
        Add("getMonth", "timestamp_to_month", time => time.Month - 1);
        Add("getDayOfYear", "timestamp_to_day_of_year", time => time.DayOfYear - 1);
        Add("getDayOfMonth", "timestamp_to_day_of_month", time => time.Day - 1);
        Add("getDate", "timestamp_to_day_of_month_1_based", time => time.Day);
        Add("getDayOfWeek", "timestamp_to_day_of_week", time => (int)time.DayOfWeek);
        Add("getHours", "timestamp_to_hours", time => time.Hour);
        Add("getMinutes", "timestamp_to_minutes", time => time.Minute);
        Add("getSeconds", "timestamp_to_seconds", time => time.Second);
        Add("getMilliseconds", "timestamp_to_milliseconds", time => time.Millisecond);
        AddDuration("getHours", "duration_to_hours", 3_600_000_000_000);
        AddDuration("getMinutes", "duration_to_minutes", 60_000_000_000);
        AddDuration("getSeconds", "duration_to_seconds", 1_000_000_000);
        AddDuration("getMilliseconds", "duration_to_milliseconds", 1_000_000);

        void Add(string name, string id, Func<DateTime, int> part)
        {
            library.Member(name, id, [CelType.Timestamp], CelType.Int, a => new IntValue(part(((TimestampValue)a[0]).Utc)));
            library.Member(name, id + "_with_tz", [CelType.Timestamp, CelType.String], CelType.Int, a => InZone((TimestampValue)a[0], a[1].Text, part));
        }
        void AddDuration(string name, string id, long unit) =>
            library.Member(name, id, [CelType.Duration], CelType.Int, a => new IntValue(((DurationValue)a[0]).Nanoseconds / unit));
    }

    private static CelValue InZone(TimestampValue timestamp, string zone, Func<DateTime, int> part)
    {
        try
        {
            var offset = zone.Contains(':', StringComparison.Ordinal) ? ParseOffset(zone) : FindZone(zone)?.GetUtcOffset(timestamp.Utc);
            if (offset is not { } shift)
                return new ErrorValue(zone.Contains(':', StringComparison.Ordinal) ? $"invalid time zone offset: {zone}" : $"unknown time zone {zone}");
            return new IntValue(part(timestamp.Utc + shift));
        }
        catch (ArgumentOutOfRangeException)
        {
            // Beyond the first or the last day there is.
            return ErrorValue.TimestampOverflow;
        }
    }

    private static TimeZoneInfo? FindZone(string name) =>
        name is "" or "UTC" ? TimeZoneInfo.Utc : TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone) ? zone : null;

    private static TimeSpan? ParseOffset(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        if (!int.TryParse(text.AsSpan(0, colon), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var hours)
            || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var minutes)
            || Math.Abs((long)hours) > 23 || minutes > 59)
            return null;
        return new TimeSpan(hours, text.StartsWith('-') ? -minutes : minutes, 0);
    }
}

/// <summary>Sums and differences of instants and durations.</summary>
internal static class Durations
{
    public static CelValue Add(CelValue a, CelValue b) => Narrow((Int128)((DurationValue)a).Nanoseconds + ((DurationValue)b).Nanoseconds);

    public static CelValue Subtract(CelValue a, CelValue b) => Narrow((Int128)((DurationValue)a).Nanoseconds - ((DurationValue)b).Nanoseconds);

    public static CelValue Shift(CelValue timestamp, CelValue duration, bool isBack)
    {
        var shift = (Int128)((DurationValue)duration).Nanoseconds;
        var from = (TimestampValue)timestamp;
        return At(Nanoseconds(from) + (isBack ? -shift : shift), from.Offset);
    }

    public static CelValue Between(CelValue a, CelValue b) => Narrow(Nanoseconds((TimestampValue)a) - Nanoseconds((TimestampValue)b));

    public static CelValue At(long seconds, int nanoseconds = 0, int offset = 0) =>
        seconds is < TimestampValue.MinSeconds or > TimestampValue.MaxSeconds ? ErrorValue.TimestampOverflow : new TimestampValue(seconds, nanoseconds, offset);

    private static CelValue At(Int128 nanoseconds, int offset)
    {
        var seconds = nanoseconds / 1_000_000_000;
        var rest = (int)(nanoseconds % 1_000_000_000);
        return rest < 0 ? At((long)seconds - 1, rest + 1_000_000_000, offset) : At((long)seconds, rest, offset);
    }

    private static CelValue Narrow(Int128 nanoseconds) =>
        nanoseconds < long.MinValue || nanoseconds > long.MaxValue ? ErrorValue.DurationOverflow : new DurationValue((long)nanoseconds);

    private static Int128 Nanoseconds(TimestampValue timestamp) => ((Int128)timestamp.Seconds * 1_000_000_000) + timestamp.Nanoseconds;
}

/// <summary>Instants as RFC 3339 and Go write them.</summary>
internal static class Rfc3339
{
    /// <summary>False for what is no such text; an error for an instant that is out of range.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out CelValue? timestamp)
    {
        timestamp = null;
        var nanoseconds = 0;
        if (text.Length < 20 || text[10] != 'T'
            || !DateTime.TryParseExact(text.AsSpan(0, 19), "yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.None, out var local))
            return false;

        var position = 19;
        if (text[position] is '.' or ',')
        {
            var start = ++position;
            while (position < text.Length && char.IsAsciiDigit(text[position]))
                position++;
            if (position == start)
                return false;
            var digits = text[start..position].PadRight(9, '0')[..9];
            nanoseconds = int.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
        }
        if (!TryOffset(text.AsSpan(position), out var offset))
            return false;
        timestamp = Durations.At(((local.Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerSecond) - offset, nanoseconds, offset);
        return true;
    }

    private static bool TryOffset(ReadOnlySpan<char> text, out int seconds)
    {
        seconds = 0;
        if (text is "Z")
            return true;
        if (text.Length != 6 || text[0] is not ('+' or '-') || text[3] != ':'
            || !int.TryParse(text[1..3], NumberStyles.None, CultureInfo.InvariantCulture, out var hours)
            || !int.TryParse(text[4..], NumberStyles.None, CultureInfo.InvariantCulture, out var minutes) || hours > 24 || minutes > 59)
            return false;
        seconds = ((hours * 60) + minutes) * (text[0] == '-' ? -60 : 60);
        return true;
    }
}
