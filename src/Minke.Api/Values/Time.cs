using System.Globalization;
using System.Text.Json;

namespace Minke.Api;

/// <summary>A moment in whole seconds, RFC 3339 in UTC on the wire; <c>null</c> there when zero. (metav1.Time)</summary>
public readonly record struct Time(long UnixSeconds) : IComparable<Time>
{
    // Go's zero time, year 1, is what "no time" means; it is also our default, so that absent needs no second flag.
    private const long GoZeroUnixSeconds = -62135596800;

    private readonly long _fromGoZero = UnixSeconds - GoZeroUnixSeconds;

    public long UnixSeconds { get => _fromGoZero + GoZeroUnixSeconds; init => _fromGoZero = value - GoZeroUnixSeconds; }
    public bool IsZero => _fromGoZero == 0;

    public static Time From(DateTimeOffset moment) => new(moment.ToUnixTimeSeconds());

    public DateTimeOffset ToDateTimeOffset() => DateTimeOffset.FromUnixTimeSeconds(UnixSeconds);

    public int CompareTo(Time other) => _fromGoZero.CompareTo(other._fromGoZero);
    public static bool operator <(Time a, Time b) => a._fromGoZero < b._fromGoZero;
    public static bool operator >(Time a, Time b) => a._fromGoZero > b._fromGoZero;
    public static bool operator <=(Time a, Time b) => a._fromGoZero <= b._fromGoZero;
    public static bool operator >=(Time a, Time b) => a._fromGoZero >= b._fromGoZero;

    public override string ToString() =>
        IsZero ? "null" : ToDateTimeOffset().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <exception cref="FormatException">With the text of Go's time parser.</exception>
    public static Time Parse(string text) => From(Rfc3339.Parse(text));

    internal void WriteJson(Utf8JsonWriter writer)
    {
        if (IsZero)
            writer.WriteNullValue();
        else
            writer.WriteStringValue(ToString());
    }
}

/// <summary>A moment in microseconds, RFC 3339 with six decimals in UTC on the wire. (metav1.MicroTime)</summary>
public readonly record struct MicroTime(DateTime Utc) : IComparable<MicroTime>
{
    public DateTime Utc { get; init; } = Truncate(Utc);
    public bool IsZero => Utc.Ticks == 0;

    public static MicroTime From(DateTimeOffset moment) => new(moment.UtcDateTime);

    public DateTimeOffset ToDateTimeOffset() => new(DateTime.SpecifyKind(Utc, DateTimeKind.Utc));

    public int CompareTo(MicroTime other) => Utc.CompareTo(other.Utc);
    public static bool operator <(MicroTime a, MicroTime b) => a.Utc < b.Utc;
    public static bool operator >(MicroTime a, MicroTime b) => a.Utc > b.Utc;
    public static bool operator <=(MicroTime a, MicroTime b) => a.Utc <= b.Utc;
    public static bool operator >=(MicroTime a, MicroTime b) => a.Utc >= b.Utc;

    public override string ToString() =>
        IsZero ? "null" : Utc.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    public static MicroTime Parse(string text) => From(Rfc3339.Parse(text));

    internal void WriteJson(Utf8JsonWriter writer)
    {
        if (IsZero)
            writer.WriteNullValue();
        else
            writer.WriteStringValue(ToString());
    }

    private static DateTime Truncate(DateTime utc) => new(utc.Ticks - (utc.Ticks % TimeSpan.TicksPerMicrosecond), DateTimeKind.Utc);
}

/// <summary>RFC 3339 as Go reads it.</summary>
internal static class Rfc3339
{
    private const string Layout = "2006-01-02T15:04:05Z07:00";

    private static readonly string[] Formats =
        [.. Enumerable.Range(0, 8).Select(digits => "yyyy-MM-dd'T'HH:mm:ss" + (digits == 0 ? "" : "." + new string('f', digits)) + "K")];

    public static DateTimeOffset Parse(string text)
    {
        var candidate = text;
        // More than seven decimals: Go reads nanoseconds, a tick is 100 of them.
        var dot = text.IndexOf('.', StringComparison.Ordinal);
        if (dot >= 0)
        {
            var end = dot + 1;
            while (end < text.Length && char.IsAsciiDigit(text[end]))
                end++;
            if (end - dot - 1 > 7)
                candidate = text[..(dot + 8)] + text[end..];
        }
        return candidate.Length >= 20 && (candidate[^1] == 'Z' || candidate[^6] is '+' or '-')
            && DateTimeOffset.TryParseExact(candidate, Formats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment)
            ? moment.ToUniversalTime()
            : throw new FormatException($"parsing time \"{text}\" as \"{Layout}\": cannot parse \"{text}\" as \"2006\"");
    }
}
