using System.Globalization;
using System.Numerics;

namespace Minke.Api;

/// <summary>How a <see cref="Quantity"/> is written: <c>100k</c>, <c>64Mi</c> or <c>1e3</c>.</summary>
public enum QuantityFormat : byte { DecimalSI, BinarySI, DecimalExponent }

/// <summary>
/// A fixed-point amount of a resource, exact to a billionth, written in one canonical form: no fraction, the largest suffix that
/// leaves a whole number. (resource.Quantity)
/// </summary>
public readonly struct Quantity : IEquatable<Quantity>, IComparable<Quantity>
{
    private const string Pattern = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    private const string BadSuffix = "unable to parse quantity's suffix";
    private const int MaxExponent = 64; // Anything larger is capped or rounded all the same.

    private static readonly string[] DecimalSuffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    private static readonly string[] BinarySuffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

    public Quantity(decimal value, QuantityFormat format = QuantityFormat.DecimalSI)
    {
        Value = value;
        Format = format;
    }

    public decimal Value { get; }
    public QuantityFormat Format { get; }
    public bool IsZero => Value == 0;

    /// <summary>In whole units, rounded up: bytes of memory, numbers of pods.</summary>
    public long ToInt64() => (long)Math.Clamp(Math.Ceiling(Value), long.MinValue, long.MaxValue);

    /// <summary>In thousandths, rounded up: CPU.</summary>
    public long ToMillis() => (long)Math.Clamp(Math.Ceiling(Value * 1000), long.MinValue, long.MaxValue);

    public static Quantity FromMillis(long millis) => new(millis / 1000m);

    public static Quantity FromBytes(long bytes) => new(bytes, QuantityFormat.BinarySI);

    /// <summary>Rounded up to whole thousandths: what a ResourceList holds.</summary>
    public Quantity RoundedUpToMillis() => Value * 1000 == Math.Truncate(Value * 1000) ? this : new(Math.Ceiling(Value * 1000) / 1000, Format);

    /// <exception cref="FormatException">With upstream's text.</exception>
    public static Quantity Parse(string text) => TryParse(text, out var quantity, out var error) ? quantity : throw new FormatException(error);

    public static bool TryParse(string text, out Quantity quantity) => TryParse(text, out quantity, out _);

    private static bool TryParse(string text, out Quantity quantity, out string? error)
    {
        quantity = default;
        error = null;
        if (text.Length == 0)
            return Fail(out error, Pattern);

        var position = text[0] is '+' or '-' ? 1 : 0;
        var isNegative = text[0] == '-';
        var start = position;
        BigInteger digits = 0;
        int decimals = 0, digitCount = 0;
        var hasPoint = false;
        for (; position < text.Length && (char.IsAsciiDigit(text[position]) || text[position] == '.'); position++)
        {
            if (text[position] == '.')
            {
                if (hasPoint)
                    return Fail(out error, Pattern);
                hasPoint = true;
                continue;
            }
            if (++digitCount > 64)
                return Fail(out error, Pattern);
            digits = (digits * 10) + (text[position] - '0');
            if (hasPoint)
                decimals++;
        }
        if (position == start || digitCount == 0)
            return Fail(out error, Pattern);

        var suffix = text[position..];
        foreach (var letter in suffix)
        {
            if (!"eEinumkKMGTP+-".Contains(letter, StringComparison.Ordinal) && !char.IsAsciiDigit(letter))
                return Fail(out error, Pattern);
        }

        QuantityFormat format;
        BigInteger factor = 1;
        int exponent;
        if (Array.IndexOf(DecimalSuffixes, suffix) is var si and >= 0)
        {
            (format, exponent) = (QuantityFormat.DecimalSI, (si - 3) * 3);
        }
        else if (Array.IndexOf(BinarySuffixes, suffix) is var binary and > 0)
        {
            (format, exponent) = (QuantityFormat.BinarySI, 0);
            factor = BigInteger.Pow(1024, binary);
        }
        else if (suffix.Length > 1 && suffix[0] is 'e' or 'E'
            && int.TryParse(suffix.AsSpan(1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent))
        {
            format = QuantityFormat.DecimalExponent;
            exponent = Math.Clamp(exponent, -MaxExponent * 2, MaxExponent * 2);
        }
        else
        {
            return Fail(out error, BadSuffix);
        }

        // In billionths, rounded away from zero: asking for a little gives a little.
        var scale = exponent - decimals + 9;
        var nanos = digits * factor;
        if (scale >= 0)
        {
            nanos *= BigInteger.Pow(10, scale);
        }
        else
        {
            nanos = BigInteger.DivRem(nanos, BigInteger.Pow(10, -scale), out var rest);
            if (!rest.IsZero)
                nanos++;
        }
        var cap = (BigInteger)long.MaxValue * 1_000_000_000;
        var value = (decimal)BigInteger.Min(nanos, cap) / 1_000_000_000m;
        // Below one a binary suffix would have to round.
        if (format == QuantityFormat.BinarySI && value is > 0 and < 1)
            format = QuantityFormat.DecimalSI;
        quantity = new(isNegative ? -value : value, format);
        return true;
    }

    private static bool Fail(out string? error, string message)
    {
        error = message;
        return false;
    }

    public override string ToString()
    {
        if (Value == 0)
            return "0";
        // What is no whole number would lose its fraction to a binary suffix: it is shown in decimal.
        if (Format == QuantityFormat.BinarySI && Math.Abs(Value) >= 1024 && decimal.IsInteger(Value))
        {
            var whole = Value;
            var power = 0;
            while (power < BinarySuffixes.Length - 1 && whole % 1024 == 0)
            {
                whole /= 1024;
                power++;
            }
            return whole.ToString("0", CultureInfo.InvariantCulture) + BinarySuffixes[power];
        }

        var nanos = new BigInteger(Value * 1_000_000_000m);
        var exponent = -9;
        while (exponent < 18 && nanos % 1000 == 0)
        {
            nanos /= 1000;
            exponent += 3;
        }
        var digits = nanos.ToString(CultureInfo.InvariantCulture);
        return Format == QuantityFormat.DecimalExponent
            ? exponent == 0 ? digits : digits + "e" + exponent.ToString(CultureInfo.InvariantCulture)
            : digits + DecimalSuffixes[(exponent / 3) + 3];
    }

    public int CompareTo(Quantity other) => Value.CompareTo(other.Value);
    public bool Equals(Quantity other) => Value == other.Value;
    public override bool Equals(object? obj) => obj is Quantity other && Equals(other);
    public override int GetHashCode() => Value.GetHashCode();
    public static bool operator ==(Quantity a, Quantity b) => a.Value == b.Value;
    public static bool operator !=(Quantity a, Quantity b) => a.Value != b.Value;
    public static bool operator <(Quantity a, Quantity b) => a.Value < b.Value;
    public static bool operator >(Quantity a, Quantity b) => a.Value > b.Value;
    public static bool operator <=(Quantity a, Quantity b) => a.Value <= b.Value;
    public static bool operator >=(Quantity a, Quantity b) => a.Value >= b.Value;
    public static Quantity operator +(Quantity a, Quantity b) => new(a.Value + b.Value, a.IsZero ? b.Format : a.Format);
    public static Quantity operator -(Quantity a, Quantity b) => new(a.Value - b.Value, a.IsZero ? b.Format : a.Format);
}
