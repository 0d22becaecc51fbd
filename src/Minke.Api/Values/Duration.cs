using System.Globalization;
using System.Text;

namespace Minke.Api;

/// <summary>A length of time in nanoseconds, written as Go does: <c>1h30m0s</c>. (metav1.Duration)</summary>
public readonly record struct Duration(long Nanoseconds)
{
    public TimeSpan ToTimeSpan() => TimeSpan.FromTicks(Nanoseconds / 100);

    public static Duration From(TimeSpan span) => new(span.Ticks * 100);

    public override string ToString()
    {
        if (Nanoseconds == 0)
            return "0s";
        var sign = Nanoseconds < 0 ? "-" : "";
        var left = (ulong)Math.Abs((decimal)Nanoseconds);
        if (left < 1_000_000_000)
        {
            var (unit, size) = left < 1_000 ? ("ns", 1m) : left < 1_000_000 ? ("µs", 1_000m) : ("ms", 1_000_000m);
            return sign + (left / size).ToString("0.######", CultureInfo.InvariantCulture) + unit;
        }
        var text = new StringBuilder(sign);
        var hours = left / 3_600_000_000_000;
        var minutes = left / 60_000_000_000 % 60;
        if (hours > 0)
            text.Append(CultureInfo.InvariantCulture, $"{hours}h");
        if (hours > 0 || minutes > 0)
            text.Append(CultureInfo.InvariantCulture, $"{minutes}m");
        return text.Append((left % 60_000_000_000 / 1_000_000_000m).ToString("0.#########", CultureInfo.InvariantCulture)).Append('s').ToString();
    }

    /// <exception cref="FormatException">Not a Go duration; the text says why.</exception>
    public static Duration Parse(string text)
    {
        var rest = text.AsSpan();
        var negative = rest.StartsWith("-");
        if (negative || rest.StartsWith("+"))
            rest = rest[1..];
        if (rest is "0")
            return default;
        if (rest.IsEmpty)
            throw new FormatException($"time: invalid duration \"{text}\"");

        decimal total = 0;
        while (!rest.IsEmpty)
        {
            var digits = 0;
            while (digits < rest.Length && (char.IsAsciiDigit(rest[digits]) || rest[digits] == '.'))
                digits++;
            if (digits == 0 || !decimal.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var amount))
                throw new FormatException($"time: invalid duration \"{text}\"");
            rest = rest[digits..];
            var letters = 0;
            while (letters < rest.Length && rest[letters] != '.' && !char.IsAsciiDigit(rest[letters]))
                letters++;
            if (letters == 0)
                throw new FormatException($"time: missing unit in duration \"{text}\"");
            var unit = rest[..letters] switch
            {
                "ns" => 1m,
                "us" or "µs" or "μs" => 1_000m,
                "ms" => 1_000_000m,
                "s" => 1_000_000_000m,
                "m" => 60_000_000_000m,
                "h" => 3_600_000_000_000m,
                var other => throw new FormatException($"time: unknown unit \"{other}\" in duration \"{text}\""),
            };
            if (amount > long.MaxValue / unit || (total += amount * unit) > long.MaxValue)
                throw new FormatException($"time: invalid duration \"{text}\"");
            rest = rest[letters..];
        }
        return new((long)(negative ? -total : total));
    }
}
