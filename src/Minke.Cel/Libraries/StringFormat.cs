using System.Globalization;
using System.Numerics;
using System.Text;
using Minke.Cel.Syntax;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary><c>"%s %d".format([…])</c>: its clauses are <c>%s %d %f %e %b %x %X %o</c> and <c>%%</c>, with a precision for the floating ones.</summary>
internal static class StringFormat
{
    /// <summary>Longer results are not made: values that share parts can be endless to write.</summary>
    public const int MaxLength = 16_000_000;

    private const int DefaultPrecision = 6, MaxPrecision = 1000;

    public static CelValue Apply(string format, ListValue arguments)
    {
        var result = new StringBuilder();
        var next = 0;
        foreach (var clause in Parse(format))
        {
            switch (clause)
            {
                case { Error: { } error }: return new ErrorValue(error);
                case { Literal: { } literal }:
                    result.Append(literal);
                    continue;
            }
            if (next >= arguments.Count)
                return new ErrorValue($"index {next} out of range");
            var argument = arguments[next++];
            if (Format(clause, argument, result) is { } problem)
                return new ErrorValue(problem);
        }
        return new StringValue(result.ToString());
    }

    /// <summary>What can be said of a constant format before its values are known.</summary>
    public static void Check(CallExpression call, string format, ListExpression arguments, SourceText source, List<CelIssue> issues)
    {
        var next = 0;
        foreach (var clause in Parse(format))
        {
            if (clause.Error is { } error)
            {
                issues.Add(CelIssue.At(source, call.Position, error));
                return;
            }
            if (clause.Literal is not null)
                continue;
            if (next >= arguments.Elements.Count)
            {
                issues.Add(CelIssue.At(source, call.Position, $"index {next} out of range"));
                return;
            }
            var argument = arguments.Elements[next++];
            if (Refuses(clause.Verb, argument.Type!) is { } problem)
            {
                issues.Add(CelIssue.At(source, argument.Position, problem));
                return;
            }
        }
        if (arguments.Elements.Count > next)
            issues.Add(CelIssue.At(source, call.Position, $"too many arguments supplied to string.format (expected {next}, got {arguments.Elements.Count})"));
    }

    private readonly record struct Clause(string? Literal, char Verb, int Precision, string? Error);

    private static IEnumerable<Clause> Parse(string format)
    {
        var position = 0;
        while (position < format.Length)
        {
            var percent = format.IndexOf('%', position);
            if (percent < 0)
            {
                yield return new Clause(format[position..], default, 0, null);
                yield break;
            }
            if (percent > position)
                yield return new Clause(format[position..percent], default, 0, null);
            position = percent + 1;
            if (position >= format.Length)
            {
                yield return Wrong("unexpected end of string");
                yield break;
            }
            if (format[position] == '%')
            {
                yield return new Clause("%", default, 0, null);
                position++;
                continue;
            }

            var precision = DefaultPrecision;
            if (format[position] == '.')
            {
                var start = ++position;
                while (position < format.Length && char.IsAsciiDigit(format[position]))
                    position++;
                if (position >= format.Length)
                {
                    yield return Wrong("could not parse formatting clause: error while parsing precision: could not find end of precision specifier");
                    yield break;
                }
                if (!int.TryParse(format.AsSpan(start, position - start), NumberStyles.None, CultureInfo.InvariantCulture, out precision) || precision > MaxPrecision)
                {
                    yield return Wrong("could not parse formatting clause: error while parsing precision: error while converting precision to integer");
                    yield break;
                }
            }
            var verb = format[position++];
            if (!"sdfebxXo".Contains(verb, StringComparison.Ordinal))
            {
                yield return Wrong($"could not parse formatting clause: unrecognized formatting clause \"{verb}\"");
                yield break;
            }
            yield return new Clause(null, verb, precision, null);
        }
        static Clause Wrong(string error) => new(null, default, 0, error);
    }

    private static string? Refuses(char verb, CelType type)
    {
        var isDynamic = type.Kind is CelTypeKind.Dyn or CelTypeKind.TypeParameter or CelTypeKind.Error;
        if (isDynamic)
            return null;
        return verb switch
        {
            's' when type.Kind is CelTypeKind.Object or CelTypeKind.Opaque => StringError(type.Name),
            's' when type.Kind is CelTypeKind.List => Refuses('s', type.Parameters[0]),
            's' when type.Kind is CelTypeKind.Map => Refuses('s', type.Parameters[1]),
            'd' when type.Kind is not (CelTypeKind.Int or CelTypeKind.Uint) => DecimalError(type.Name),
            'f' when type.Kind is not (CelTypeKind.Double or CelTypeKind.String) => FixedError(type.Name),
            'e' when type.Kind is not (CelTypeKind.Double or CelTypeKind.String) => ScientificError(type.Name),
            'b' when type.Kind is not (CelTypeKind.Int or CelTypeKind.Uint or CelTypeKind.Bool) => BinaryError(type.Name),
            'x' or 'X' when type.Kind is not (CelTypeKind.Int or CelTypeKind.Uint or CelTypeKind.String or CelTypeKind.Bytes) => HexError(type.Name),
            'o' when type.Kind is not (CelTypeKind.Int or CelTypeKind.Uint) => OctalError(type.Name),
            _ => null,
        };
    }

    /// <summary>The problem, or null.</summary>
    private static string? Format(Clause clause, CelValue argument, StringBuilder result)
    {
        var problem = clause.Verb switch
        {
            's' => Text(argument, result, isNested: false),
            'd' => Integer(argument) is { } number ? Written(result, number.ToString(CultureInfo.InvariantCulture)) : DecimalError(argument.Type.Name),
            'f' or 'e' => Floating(clause, argument, result),
            'b' => argument is BoolValue flag ? Written(result, flag.Value ? "1" : "0") : Digits(argument, 2) is { } bits ? Written(result, bits) : BinaryError(argument.Type.Name),
            'o' => Digits(argument, 8) is { } octal ? Written(result, octal) : OctalError(argument.Type.Name),
            _ => Hex(argument) is { } hex ? Written(result, clause.Verb == 'X' ? hex.ToUpperInvariant() : hex) : HexError(argument.Type.Name),
        };
        return problem is null ? null : clause.Verb == 's' ? "error during formatting: " + problem : "error during formatting: " + problem;
    }

    private static string? Written(StringBuilder result, string text)
    {
        if (result.Append(text).Length > MaxLength)
            throw new CostLimitException();
        return null;
    }

    private static string? Text(CelValue value, StringBuilder result, bool isNested)
    {
        switch (value)
        {
            case NullValue:
                return Written(result, "null");
            case StringValue text:
                return Written(result, isNested ? Display.Quote(text.Value) : text.Value);
            case BytesValue bytes:
                var decoded = Texts.Decode(bytes.Value.Span);
                if (decoded is not StringValue { Value: var plain })
                    return $"could not convert argument \"{((ErrorValue)decoded).Message}\" to string";
                return Written(result, isNested ? "b" + Display.Quote(plain) : plain);
            case BoolValue or IntValue or UintValue or TypeValue:
                return Written(result, Display.Of(value));
            case DoubleValue number:
                if (!isNested)
                    return Written(result, Number.FormatGeneral(number.Value));
                return Written(result, double.IsFinite(number.Value) ? number.Value.ToString("F6", CultureInfo.InvariantCulture) : $"\"{Number.Format(number.Value)}\"");
            case DurationValue:
                return Written(result, isNested ? $"duration(\"{Display.Of(value)}\")" : Display.Of(value));
            case TimestampValue:
                return Written(result, isNested ? $"timestamp(\"{Display.Of(value)}\")" : Display.Of(value));
            case ListValue list:
                Written(result, "[");
                for (var i = 0; i < list.Count; i++)
                {
                    if (i > 0)
                        Written(result, ", ");
                    if (Text(list[i], result, isNested: true) is { } problem)
                        return problem;
                }
                return Written(result, "]");
            case MapValue map:
                return Map(map, result);
            default:
                return isNested ? $"no formatting function for {value.Type.Name}" : StringError(value.Type.Name);
        }
    }

    private static string? Map(MapValue map, StringBuilder result)
    {
        var entries = new List<(string Key, CelValue Value)>();
        foreach (var key in map.Keys)
        {
            if (key is not (StringValue or BoolValue or IntValue or UintValue))
                return $"no formatting function for map key of type {key.Type.Name}";
            entries.Add((key is StringValue text ? Display.Quote(text.Value) : Display.Of(key), map.Find(key)!));
        }
        entries.Sort((a, b) => string.CompareOrdinal(a.Key, b.Key));
        Written(result, "{");
        for (var i = 0; i < entries.Count; i++)
        {
            Written(result, $"{(i > 0 ? ", " : "")}{entries[i].Key}:");
            if (Text(entries[i].Value, result, isNested: true) is { } problem)
                return problem;
        }
        return Written(result, "}");
    }

    private static string? Floating(Clause clause, CelValue argument, StringBuilder result)
    {
        double number;
        switch (argument)
        {
            case DoubleValue value:
                number = value.Value;
                break;
            case StringValue { Value: "NaN" or "Infinity" or "-Infinity" } text:
                number = text.Value == "NaN" ? double.NaN : text.Value == "Infinity" ? double.PositiveInfinity : double.NegativeInfinity;
                break;
            default:
                return clause.Verb == 'f' ? FixedError(argument.Type.Name) : ScientificError(argument.Type.Name);
        }
        if (double.IsNaN(number))
            return Written(result, "NaN");
        if (double.IsInfinity(number))
            return Written(result, number > 0 ? "\u221e" : "-\u221e");
        if (clause.Verb == 'f')
            return Written(result, number.ToString("N" + clause.Precision, CultureInfo.InvariantCulture));
        // The printer of the language tag en_US: a raised ten, a space that does not break.
        var parts = number.ToString("E" + clause.Precision, CultureInfo.InvariantCulture).Split('E');
        var exponent = int.Parse(parts[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return Written(result, $"{parts[0]}\u202f\u00d7\u202f10{Raised($"{Math.Abs(exponent):D2}", exponent < 0)}");
    }

    private static string Raised(string digits, bool isNegative) =>
        (isNegative ? "\u207b" : "") + string.Concat(digits.Select(digit => "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[digit - '0']));

    private static BigInteger? Integer(CelValue value) => value switch
    {
        IntValue number => number.Value,
        UintValue number => number.Value,
        _ => null,
    };

    private static string? Digits(CelValue value, int radix)
    {
        if (Integer(value) is not { } number)
            return null;
        if (number.IsZero)
            return "0";
        var digits = new StringBuilder();
        for (var rest = BigInteger.Abs(number); !rest.IsZero; rest /= radix)
            digits.Insert(0, "0123456789abcdef"[(int)(rest % radix)]);
        return number.Sign < 0 ? "-" + digits : digits.ToString();
    }

    private static string? Hex(CelValue value) => value switch
    {
        StringValue text => Convert.ToHexStringLower(Encoding.UTF8.GetBytes(text.Value)),
        BytesValue bytes => Convert.ToHexStringLower(bytes.Value.Span),
        _ => Digits(value, 16),
    };

    private static string StringError(string type) => $"string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given {type}";
    private static string DecimalError(string type) => $"decimal clause can only be used on integers, was given {type}";
    private static string FixedError(string type) => $"fixed-point clause can only be used on doubles, was given {type}";
    private static string ScientificError(string type) => $"scientific clause can only be used on doubles, was given {type}";
    private static string BinaryError(string type) => $"only integers and bools can be formatted as binary, was given {type}";
    private static string HexError(string type) => $"only integers, byte buffers, and strings can be formatted as hex, was given {type}";
    private static string OctalError(string type) => $"octal clause can only be used on integers, was given {type}";
}
