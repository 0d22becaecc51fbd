using System.Globalization;

namespace Minke.Api;

/// <summary>
/// When a CronJob is due: <c>minute hour day-of-month month day-of-week</c>, <c>@daily</c> and the like, or <c>@every 1h30m</c>. Accepts and refuses what
/// upstream's parser does, in its words. (robfig/cron v3, ParseStandard)
/// </summary>
/// <remarks>
/// <code>
/// schedule = [ ("TZ=" | "CRON_TZ=") zone " " ] ( "@" name | field field field field field )
/// field    = range { "," range }
/// range    = ( "*" | "?" | value [ "-" value ] ) [ "/" step ]
/// </code>
/// </remarks>
public sealed class CronSchedule
{
    private static readonly string[] MonthNames = ["", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    private static readonly string[] DayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

    private static readonly Bounds MinuteBounds = new(0, 59, []);
    private static readonly Bounds HourBounds = new(0, 23, []);
    private static readonly Bounds DayBounds = new(1, 31, []);
    private static readonly Bounds MonthBounds = new(1, 12, MonthNames);
    private static readonly Bounds WeekdayBounds = new(0, 6, DayNames);

    private CronSchedule(string zone) => Zone = zone;

    /// <summary>Of the schedule itself; empty when it names none.</summary>
    public string Zone { get; }

    /// <summary>For <c>@every</c>: the time between two runs. The sets are empty then.</summary>
    public Duration? Every { get; private init; }

    // A bit for each value.
    public ulong Minutes { get; private init; }
    public ulong Hours { get; private init; }
    public ulong DaysOfMonth { get; private init; }
    public ulong Months { get; private init; }
    public ulong DaysOfWeek { get; private init; }

    /// <summary>Any day of the month was asked for, so the day of the week decides alone; and the other way round.</summary>
    public bool IsAnyDayOfMonth { get; private init; }
    public bool IsAnyDayOfWeek { get; private init; }

    /// <exception cref="FormatException">With upstream's text.</exception>
    public static CronSchedule Parse(string text)
    {
        if (text.Length == 0)
            throw new FormatException("empty spec string");
        var zone = "";
        if (text.StartsWith("TZ=", StringComparison.Ordinal) || text.StartsWith("CRON_TZ=", StringComparison.Ordinal))
        {
            var (equals, blank) = (text.IndexOf('=', StringComparison.Ordinal), text.IndexOf(' ', StringComparison.Ordinal));
            // Upstream's parser panics here and its caller says so.
            if (blank < 0)
                throw new FormatException("invalid schedule format: runtime error: slice bounds out of range [:-1]");
            zone = text[(equals + 1)..blank];
            if (TimeZones.Refusal(zone) is { } refusal)
                throw new FormatException($"provided bad location {zone}: {refusal}");
            text = text[blank..].Trim();
        }
        return text.StartsWith('@') ? Named(text, zone) : Fields(text, zone);
    }

    private static CronSchedule Fields(string text, string zone)
    {
        var fields = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length != 5)
            throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"expected exactly 5 fields, found {fields.Length}: [{string.Join(' ', fields)}]"));
        var minutes = Set(fields[0], MinuteBounds);
        var hours = Set(fields[1], HourBounds);
        var days = Set(fields[2], DayBounds);
        var months = Set(fields[3], MonthBounds);
        var weekdays = Set(fields[4], WeekdayBounds);
        return new(zone)
        {
            Minutes = minutes.Values,
            Hours = hours.Values,
            DaysOfMonth = days.Values,
            Months = months.Values,
            DaysOfWeek = weekdays.Values,
            IsAnyDayOfMonth = days.IsAny,
            IsAnyDayOfWeek = weekdays.IsAny,
        };
    }

    private static CronSchedule Named(string text, string zone)
    {
        const string every = "@every ";
        switch (text)
        {
            case "@yearly" or "@annually":
                return Fields("0 0 1 1 *", zone);
            case "@monthly":
                return Fields("0 0 1 * *", zone);
            case "@weekly":
                return Fields("0 0 * * 0", zone);
            case "@daily" or "@midnight":
                return Fields("0 0 * * *", zone);
            case "@hourly":
                return Fields("0 * * * *", zone);
        }
        if (!text.StartsWith(every, StringComparison.Ordinal))
            throw new FormatException($"unrecognized descriptor: {text}");
        try
        {
            return new(zone) { Every = Duration.Parse(text[every.Length..]) };
        }
        catch (FormatException e)
        {
            throw new FormatException($"failed to parse duration {text}: {e.Message}");
        }
    }

    private static (ulong Values, bool IsAny) Set(string field, Bounds bounds)
    {
        var (values, isAny) = (0UL, false);
        foreach (var range in field.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var (more, any) = Range(range, bounds);
            values |= more;
            isAny |= any;
        }
        return (values, isAny);
    }

    private static (ulong Values, bool IsAny) Range(string text, Bounds bounds)
    {
        var parts = text.Split('/');
        var ends = parts[0].Split('-');
        var isAny = ends[0] is "*" or "?";
        var (first, last) = (bounds.Min, bounds.Max);
        if (!isAny)
        {
            first = Value(ends[0], bounds.Names);
            last = ends.Length switch
            {
                1 => first,
                2 => Value(ends[1], bounds.Names),
                _ => throw new FormatException($"too many hyphens: {text}"),
            };
        }
        long step = 1;
        if (parts.Length > 2)
            throw new FormatException($"too many slashes: {text}");
        if (parts.Length == 2)
        {
            step = Number(parts[1]);
            // "5/15" begins at 5 and goes on to the end.
            if (ends.Length == 1)
                last = bounds.Max;
            // "*/2" is a choice of its own and no longer "any".
            if (step > 1)
                isAny = false;
        }
        if (first < bounds.Min)
            throw Fail($"beginning of range ({first}) below minimum ({bounds.Min}): {text}");
        if (last > bounds.Max)
            throw Fail($"end of range ({last}) above maximum ({bounds.Max}): {text}");
        if (first > last)
            throw Fail($"beginning of range ({first}) beyond end of range ({last}): {text}");
        if (step == 0)
            throw Fail($"step of range should be a positive number: {text}");
        var values = 0UL;
        // A step may be as large as a number can be: no sum with it, lest it overflow.
        for (var value = first; ; value += step)
        {
            values |= 1UL << (int)value;
            if (step > last - value)
                break;
        }
        return (values, isAny);
    }

    private static long Value(string text, string[] names) =>
        text.Length > 0 && Array.IndexOf(names, text.ToLowerInvariant()) is var index and >= 0 ? index : Number(text);

    private static long Number(string text)
    {
        var digits = text.Length > 0 && text[0] is '+' or '-' ? text.AsSpan(1) : text;
        if (digits.IsEmpty || digits.ContainsAnyExceptInRange('0', '9'))
            throw new FormatException($"failed to parse int from {text}: strconv.Atoi: parsing {FieldErrors.Quote(text)}: invalid syntax");
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
            throw new FormatException($"failed to parse int from {text}: strconv.Atoi: parsing {FieldErrors.Quote(text)}: value out of range");
        return number >= 0 ? number : throw Fail($"negative number ({number}) not allowed: {text}");
    }

    private static FormatException Fail(FormattableString text) => new(text.ToString(CultureInfo.InvariantCulture));

    private sealed record Bounds(long Min, long Max, string[] Names);
}
