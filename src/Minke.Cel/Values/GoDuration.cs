using System.Globalization;
using System.Numerics;

namespace Minke.Cel.Values;

/// <summary>Durations as Go reads (<c>1h15m30.9s</c>) and CEL writes them (<c>4530.9s</c>).</summary>
internal static class GoDuration
{
    public static bool TryParse(string text, out long nanoseconds)
    {
        nanoseconds = 0;
        var rest = text.AsSpan();
        var isNegative = rest.Length > 0 && rest[0] == '-';
        if (rest.Length > 0 && rest[0] is '-' or '+')
            rest = rest[1..];
        if (rest is "0")
            return true;
        if (rest.Length == 0)
            return false;

        BigInteger total = 0;
        while (rest.Length > 0)
        {
            var length = 0;
            while (length < rest.Length && (char.IsAsciiDigit(rest[length]) || rest[length] == '.'))
                length++;
            var number = rest[..length];
            if (number.IsEmpty || number is "." || number.Count('.') > 1)
                return false;
            rest = rest[length..];
            length = 0;
            while (length < rest.Length && !char.IsAsciiDigit(rest[length]) && rest[length] != '.')
                length++;
            long unit;
            switch (rest[..length])
            {
                case "ns": unit = 1; break;
                case "us" or "\u00b5s" or "\u03bcs": unit = 1_000; break;
                case "ms": unit = 1_000_000; break;
                case "s": unit = 1_000_000_000; break;
                case "m": unit = 60_000_000_000; break;
                case "h": unit = 3_600_000_000_000; break;
                default: return false;
            }
            rest = rest[length..];

            var point = number.IndexOf('.');
            var whole = point < 0 ? number : number[..point];
            if (whole.Length > 0)
                total += BigInteger.Parse(whole, NumberStyles.None, CultureInfo.InvariantCulture) * unit;
            if (point >= 0 && point + 1 < number.Length)
            {
                var fraction = number[(point + 1)..];
                fraction = fraction.Length > 18 ? fraction[..18] : fraction;
                total += BigInteger.Parse(fraction, NumberStyles.None, CultureInfo.InvariantCulture) * unit / BigInteger.Pow(10, fraction.Length);
            }
        }
        total = isNegative ? -total : total;
        if (total < long.MinValue || total > long.MaxValue)
            return false;
        nanoseconds = (long)total;
        return true;
    }

    public static string Format(long nanoseconds)
    {
        // As a double of seconds, in as few digits as tell it apart: what cel-go prints.
        var seconds = (nanoseconds / 1_000_000_000) + ((nanoseconds % 1_000_000_000) / 1e9);
        return Number.Format(seconds) + "s";
    }
}

/// <summary>Doubles as Go writes them.</summary>
internal static class Number
{
    /// <summary>Shortest, never with an exponent (<c>strconv 'f', -1</c>).</summary>
    public static string Format(double value)
    {
        if (NotFinite(value) is { } name)
            return name;
        var (sign, digits, exponent) = Decompose(value);
        var place = exponent + 1;
        return sign + (place <= 0 ? "0." + new string('0', -place) + digits
            : place >= digits.Length ? digits + new string('0', place - digits.Length)
            : digits[..place] + "." + digits[place..]);
    }

    /// <summary>Shortest, with an exponent for the very small and for what is a million and more (<c>%g</c>).</summary>
    public static string FormatGeneral(double value)
    {
        if (NotFinite(value) is { } name)
            return name;
        var (sign, digits, exponent) = Decompose(value);
        if (value == 0 || exponent is >= -4 and < 6)
            return Format(value);
        var fraction = digits.Length > 1 ? "." + digits[1..] : "";
        return $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent).ToString("D2", CultureInfo.InvariantCulture)}";
    }

    private static string? NotFinite(double value) =>
        double.IsNaN(value) ? "NaN" : double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : null;

    /// <summary>Shortest digits without zeros around them, and the power of ten of the first.</summary>
    private static (string Sign, string Digits, int Exponent) Decompose(double value)
    {
        var sign = double.IsNegative(value) ? "-" : "";
        if (value == 0)
            return (sign, "0", 0);
        var parts = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture).Split('E');
        var exponent = parts.Length > 1 ? int.Parse(parts[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) : 0;
        var point = parts[0].IndexOf('.', StringComparison.Ordinal);
        exponent += (point < 0 ? parts[0].Length : point) - 1;
        var digits = parts[0].Replace(".", "", StringComparison.Ordinal);
        var zeros = digits.Length - digits.TrimStart('0').Length;
        return (sign, digits.Trim('0'), exponent - zeros);
    }
}
