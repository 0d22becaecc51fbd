using System.Globalization;
using System.Text;
using Minke.Cel.Syntax;
using Minke.Cel.Types;
using Minke.Cel.Values;
using static Minke.Cel.Types.CelType;

namespace Minke.Cel.Libraries;

/// <summary>Operators, conversions and functions of the language definition, with the overload names of cel-go.</summary>
internal static class StandardLibrary
{
    private static readonly CelType A = Parameter("A"), B = Parameter("B");

    public static void AddTo(FunctionTable table)
    {
        var library = table.Standard;
        AddLogic(library);
        AddArithmetic(library);
        AddComparisons(library);
        AddContainers(library);
        AddConversions(library);
        AddStrings(library);
        TimeFunctions.AddTo(library);
    }

    private static void AddLogic(FunctionTable.Library library)
    {
        // These are evaluated by the plan itself, since not all of their arguments are.
        library.Global(Operators.Conditional, "conditional", [CelType.Bool, A, A], A, NotCalled);
        library.Global(Operators.And, "logical_and", [CelType.Bool, CelType.Bool], CelType.Bool, NotCalled);
        library.Global(Operators.Or, "logical_or", [CelType.Bool, CelType.Bool], CelType.Bool, NotCalled);
        library.Global(Operators.NotStrictlyFalse, "not_strictly_false", [CelType.Bool], CelType.Bool, NotCalled);
        library.Global(Operators.Not, "logical_not", [CelType.Bool], CelType.Bool, a => BoolValue.Of(!a[0].Bool));
        library.Global(Operators.Equal, "equals", [A, A], CelType.Bool, a => BoolValue.Of(CelEquality.AreEqual(a[0], a[1])));
        library.Global(Operators.NotEqual, "not_equals", [A, A], CelType.Bool, a => BoolValue.Of(!CelEquality.AreEqual(a[0], a[1])));
    }

    private static CelValue NotCalled(CelValue[] arguments) => throw new System.Diagnostics.UnreachableException();

    private static void AddArithmetic(FunctionTable.Library library)
    {
        library.Global(Operators.Add, "add_bytes", [Bytes, Bytes], Bytes,
            a => new BytesValue([.. ((BytesValue)a[0]).Value.Span, .. ((BytesValue)a[1]).Value.Span]));
        library.Global(Operators.Add, "add_double", [CelType.Double, CelType.Double], CelType.Double, a => new DoubleValue(a[0].Double + a[1].Double));
        library.Global(Operators.Add, "add_duration_duration", [Duration, Duration], Duration, a => Durations.Add(a[0], a[1]));
        library.Global(Operators.Add, "add_duration_timestamp", [Duration, Timestamp], Timestamp, a => Durations.Shift(a[1], a[0], isBack: false));
        library.Global(Operators.Add, "add_timestamp_duration", [Timestamp, Duration], Timestamp, a => Durations.Shift(a[0], a[1], isBack: false));
        library.Global(Operators.Add, "add_int64", [CelType.Int, CelType.Int], CelType.Int, a => Integers.Add(a[0].Int, a[1].Int));
        library.Global(Operators.Add, "add_list", [CelType.List(A), CelType.List(A)], CelType.List(A), a => a[0].List.Plus(a[1].List));
        library.Global(Operators.Add, "add_string", [CelType.String, CelType.String], CelType.String, a => new StringValue(a[0].Text + a[1].Text));
        library.Global(Operators.Add, "add_uint64", [CelType.Uint, CelType.Uint], CelType.Uint, a => Integers.Add(a[0].Uint, a[1].Uint));

        library.Global(Operators.Subtract, "subtract_double", [CelType.Double, CelType.Double], CelType.Double, a => new DoubleValue(a[0].Double - a[1].Double));
        library.Global(Operators.Subtract, "subtract_duration_duration", [Duration, Duration], Duration, a => Durations.Subtract(a[0], a[1]));
        library.Global(Operators.Subtract, "subtract_int64", [CelType.Int, CelType.Int], CelType.Int, a => Integers.Subtract(a[0].Int, a[1].Int));
        library.Global(Operators.Subtract, "subtract_timestamp_duration", [Timestamp, Duration], Timestamp, a => Durations.Shift(a[0], a[1], isBack: true));
        library.Global(Operators.Subtract, "subtract_timestamp_timestamp", [Timestamp, Timestamp], Duration, a => Durations.Between(a[0], a[1]));
        library.Global(Operators.Subtract, "subtract_uint64", [CelType.Uint, CelType.Uint], CelType.Uint, a => Integers.Subtract(a[0].Uint, a[1].Uint));

        library.Global(Operators.Multiply, "multiply_double", [CelType.Double, CelType.Double], CelType.Double, a => new DoubleValue(a[0].Double * a[1].Double));
        library.Global(Operators.Multiply, "multiply_int64", [CelType.Int, CelType.Int], CelType.Int, a => Integers.Multiply(a[0].Int, a[1].Int));
        library.Global(Operators.Multiply, "multiply_uint64", [CelType.Uint, CelType.Uint], CelType.Uint, a => Integers.Multiply(a[0].Uint, a[1].Uint));
        library.Global(Operators.Divide, "divide_double", [CelType.Double, CelType.Double], CelType.Double, a => new DoubleValue(a[0].Double / a[1].Double));
        library.Global(Operators.Divide, "divide_int64", [CelType.Int, CelType.Int], CelType.Int, a => Integers.Divide(a[0].Int, a[1].Int));
        library.Global(Operators.Divide, "divide_uint64", [CelType.Uint, CelType.Uint], CelType.Uint, a => Integers.Divide(a[0].Uint, a[1].Uint));
        library.Global(Operators.Modulo, "modulo_int64", [CelType.Int, CelType.Int], CelType.Int, a => Integers.Modulo(a[0].Int, a[1].Int));
        library.Global(Operators.Modulo, "modulo_uint64", [CelType.Uint, CelType.Uint], CelType.Uint, a => Integers.Modulo(a[0].Uint, a[1].Uint));
        library.Global(Operators.Negate, "negate_double", [CelType.Double], CelType.Double, a => new DoubleValue(-a[0].Double));
        library.Global(Operators.Negate, "negate_int64", [CelType.Int], CelType.Int, a => Integers.Subtract(0, a[0].Int));
    }

    private static void AddComparisons(FunctionTable.Library library)
    {
        (CelType Type, string Name)[] types =
        [
            (CelType.Bool, "bool"), (CelType.Int, "int64"), (CelType.Uint, "uint64"), (CelType.Double, "double"), (CelType.String, "string"),
            (Bytes, "bytes"), (Timestamp, "timestamp"), (Duration, "duration"),
        ];
        (CelType Left, CelType Right, string Name)[] mixed =
        [
            (CelType.Int, CelType.Double, "int64_double"), (CelType.Int, CelType.Uint, "int64_uint64"), (CelType.Uint, CelType.Double, "uint64_double"),
            (CelType.Uint, CelType.Int, "uint64_int64"), (CelType.Double, CelType.Int, "double_int64"), (CelType.Double, CelType.Uint, "double_uint64"),
        ];
        Add(Operators.Less, "less_", order => order < 0);
        Add(Operators.LessEqual, "less_equals_", order => order <= 0);
        Add(Operators.Greater, "greater_", order => order > 0);
        Add(Operators.GreaterEqual, "greater_equals_", order => order >= 0);

        void Add(string function, string prefix, Func<int, bool> holds)
        {
            foreach (var (type, name) in types)
                library.Global(function, prefix + name, [type, type], CelType.Bool, Compare);
            foreach (var (left, right, name) in mixed)
                library.Global(function, prefix + name, [left, right], CelType.Bool, Compare);

            CelValue Compare(CelValue[] a) => CelOrder.Compare(a[0], a[1]) is { } order ? BoolValue.Of(holds(order)) : new ErrorValue("NaN values cannot be ordered");
        }
    }

    private static void AddContainers(FunctionTable.Library library)
    {
        library.Global(Operators.In, "in_list", [A, CelType.List(A)], CelType.Bool, a => BoolValue.Of(a[1].List.Items.Any(item => CelEquality.AreEqual(item, a[0]))));
        library.Global(Operators.In, "in_map", [A, CelType.Map(A, B)], CelType.Bool, a => BoolValue.Of(((MapValue)a[1]).Find(a[0]) is not null));
        // Indexing is evaluated by the plan, together with selection.
        library.Global(Operators.Index, "index_list", [CelType.List(A), CelType.Int], A, NotCalled);
        library.Global(Operators.Index, "index_map", [CelType.Map(A, B), A], B, NotCalled);

        (CelType Type, string Name)[] sized = [(Bytes, "bytes"), (CelType.List(A), "list"), (CelType.Map(A, B), "map"), (CelType.String, "string")];
        foreach (var (type, name) in sized)
        {
            library.Global("size", "size_" + name, [type], CelType.Int, a => new IntValue(a[0].Size!.Value));
            library.Member("size", name + "_size", [type], CelType.Int, a => new IntValue(a[0].Size!.Value));
        }
    }

    private static void AddConversions(FunctionTable.Library library)
    {
        library.Global("type", "type", [A], TypeOf(A), a => new TypeValue(a[0].Type));
        library.Global("dyn", "to_dyn", [A], Dyn, a => a[0]);

        library.Global("bool", "bool_to_bool", [CelType.Bool], CelType.Bool, a => a[0]);
        library.Global("bool", "string_to_bool", [CelType.String], CelType.Bool, a => a[0].Text switch
        {
            "1" or "t" or "T" or "TRUE" or "true" or "True" => BoolValue.True,
            "0" or "f" or "F" or "FALSE" or "false" or "False" => BoolValue.False,
            _ => ErrorValue.Conversion(CelType.String, CelType.Bool),
        });

        library.Global("bytes", "bytes_to_bytes", [Bytes], Bytes, a => a[0]);
        library.Global("bytes", "string_to_bytes", [CelType.String], Bytes, a => new BytesValue(Encoding.UTF8.GetBytes(a[0].Text)));

        library.Global("double", "double_to_double", [CelType.Double], CelType.Double, a => a[0]);
        library.Global("double", "int64_to_double", [CelType.Int], CelType.Double, a => new DoubleValue(a[0].Int));
        library.Global("double", "string_to_double", [CelType.String], CelType.Double,
            a => Numbers.TryParse(a[0].Text, out var number) ? new DoubleValue(number) : ErrorValue.Conversion(CelType.String, CelType.Double));
        library.Global("double", "uint64_to_double", [CelType.Uint], CelType.Double, a => new DoubleValue(a[0].Uint));

        library.Global("int", "int64_to_int64", [CelType.Int], CelType.Int, a => a[0]);
        library.Global("int", "double_to_int64", [CelType.Double], CelType.Int, a =>
            a[0].Double is > -9223372036854775808.0 and < 9223372036854775807.0 ? new IntValue((long)a[0].Double) : ErrorValue.IntegerOverflow);
        library.Global("int", "duration_to_int64", [Duration], CelType.Int, a => new IntValue(((DurationValue)a[0]).Nanoseconds));
        library.Global("int", "string_to_int64", [CelType.String], CelType.Int, a =>
            long.TryParse(a[0].Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
                ? new IntValue(number) : ErrorValue.Conversion(CelType.String, CelType.Int));
        library.Global("int", "timestamp_to_int64", [Timestamp], CelType.Int, a => new IntValue(((TimestampValue)a[0]).Seconds));
        library.Global("int", "uint64_to_int64", [CelType.Uint], CelType.Int, a =>
            a[0].Uint <= long.MaxValue ? new IntValue((long)a[0].Uint) : ErrorValue.IntegerOverflow);

        library.Global("uint", "uint64_to_uint64", [CelType.Uint], CelType.Uint, a => a[0]);
        library.Global("uint", "double_to_uint64", [CelType.Double], CelType.Uint, a =>
            a[0].Double is >= 0 and < 18446744073709551616.0 ? new UintValue((ulong)a[0].Double) : ErrorValue.UnsignedOverflow);
        library.Global("uint", "int64_to_uint64", [CelType.Int], CelType.Uint, a => a[0].Int >= 0 ? new UintValue((ulong)a[0].Int) : ErrorValue.UnsignedOverflow);
        library.Global("uint", "string_to_uint64", [CelType.String], CelType.Uint, a =>
            ulong.TryParse(a[0].Text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                ? new UintValue(number) : ErrorValue.Conversion(CelType.String, CelType.Uint));

        library.Global("string", "string_to_string", [CelType.String], CelType.String, a => a[0]);
        library.Global("string", "bool_to_string", [CelType.Bool], CelType.String, a => new StringValue(a[0].Bool ? "true" : "false"));
        library.Global("string", "bytes_to_string", [Bytes], CelType.String, a => Texts.Decode(((BytesValue)a[0]).Value.Span));
        library.Global("string", "double_to_string", [CelType.Double], CelType.String, a => new StringValue(Number.FormatGeneral(a[0].Double)));
        library.Global("string", "duration_to_string", [Duration], CelType.String, a => new StringValue(GoDuration.Format(((DurationValue)a[0]).Nanoseconds)));
        library.Global("string", "int64_to_string", [CelType.Int], CelType.String, a => new StringValue(a[0].Int.ToString(CultureInfo.InvariantCulture)));
        library.Global("string", "timestamp_to_string", [Timestamp], CelType.String, a => new StringValue(((TimestampValue)a[0]).Format()));
        library.Global("string", "uint64_to_string", [CelType.Uint], CelType.String, a => new StringValue(a[0].Uint.ToString(CultureInfo.InvariantCulture)));

        library.Global("duration", "duration_to_duration", [Duration], Duration, a => a[0]);
        library.Global("duration", "int64_to_duration", [CelType.Int], Duration, a => new DurationValue(a[0].Int));
        library.Global("duration", "string_to_duration", [CelType.String], Duration, a =>
            GoDuration.TryParse(a[0].Text, out var nanoseconds) ? new DurationValue(nanoseconds) : ErrorValue.Conversion(CelType.String, Duration));
        library.Global("timestamp", "timestamp_to_timestamp", [Timestamp], Timestamp, a => a[0]);
        library.Global("timestamp", "int64_to_timestamp", [CelType.Int], Timestamp, a => Durations.At(a[0].Int));
        library.Global("timestamp", "string_to_timestamp", [CelType.String], Timestamp, a =>
            Rfc3339.TryParse(a[0].Text, out var timestamp) ? timestamp : ErrorValue.Conversion(CelType.String, Timestamp));
    }

    private static void AddStrings(FunctionTable.Library library)
    {
        library.Member("contains", "contains_string", [CelType.String, CelType.String], CelType.Bool,
            a => BoolValue.Of(a[0].Text.Contains(a[1].Text, StringComparison.Ordinal)));
        library.Member("startsWith", "starts_with_string", [CelType.String, CelType.String], CelType.Bool,
            a => BoolValue.Of(a[0].Text.StartsWith(a[1].Text, StringComparison.Ordinal)));
        library.Member("endsWith", "ends_with_string", [CelType.String, CelType.String], CelType.Bool,
            a => BoolValue.Of(a[0].Text.EndsWith(a[1].Text, StringComparison.Ordinal)));
        library.Global("matches", "matches", [CelType.String, CelType.String], CelType.Bool, Matches);
        library.Member("matches", "matches_string", [CelType.String, CelType.String], CelType.Bool, Matches);
    }

    private static CelValue Matches(CelValue[] a) =>
        Api.GoRegex.TryGet(a[1].Text, out var regex, out var error) ? BoolValue.Of(regex.IsMatch(a[0].Text)) : new ErrorValue(error);
}

internal static class Texts
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static CelValue Decode(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return new StringValue(Strict.GetString(bytes));
        }
        catch (DecoderFallbackException)
        {
            return new ErrorValue("invalid UTF-8 in bytes, cannot convert to string");
        }
    }
}

internal static class Numbers
{
    /// <summary>As Go's ParseFloat: also <c>Infinity</c>, <c>inf</c> and <c>NaN</c> in any case.</summary>
    public static bool TryParse(string text, out double number)
    {
        var unsigned = text.StartsWith('-') || text.StartsWith('+') ? text[1..] : text;
        if (unsigned.Equals("inf", StringComparison.OrdinalIgnoreCase) || unsigned.Equals("infinity", StringComparison.OrdinalIgnoreCase))
        {
            number = text.StartsWith('-') ? double.NegativeInfinity : double.PositiveInfinity;
            return true;
        }
        if (text.Equals("nan", StringComparison.OrdinalIgnoreCase))
        {
            number = double.NaN;
            return true;
        }
        number = 0;
        return unsigned.Length > 0 && (char.IsAsciiDigit(unsigned[0]) || unsigned[0] == '.')
            && double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out number)
            && double.IsFinite(number);
    }
}

/// <summary>Arithmetic that tells of overflow.</summary>
internal static class Integers
{
    private static readonly ErrorValue DivisionByZero = new("division by zero"), ModulusByZero = new("modulus by zero");

    public static CelValue Add(long a, long b) => Narrow((Int128)a + b);
    public static CelValue Subtract(long a, long b) => Narrow((Int128)a - b);
    public static CelValue Multiply(long a, long b) => Narrow((Int128)a * b);
    public static CelValue Divide(long a, long b) => b == 0 ? DivisionByZero : Narrow((Int128)a / b);
    public static CelValue Modulo(long a, long b) => b == 0 ? ModulusByZero : a == long.MinValue && b == -1 ? ErrorValue.IntegerOverflow : new IntValue(a % b);

    public static CelValue Add(ulong a, ulong b) => NarrowUnsigned((Int128)a + b);
    public static CelValue Subtract(ulong a, ulong b) => NarrowUnsigned((Int128)a - b);
    public static CelValue Multiply(ulong a, ulong b) => (UInt128)a * b is var product && product <= ulong.MaxValue ? new UintValue((ulong)product) : ErrorValue.UnsignedOverflow;
    public static CelValue Divide(ulong a, ulong b) => b == 0 ? DivisionByZero : new UintValue(a / b);
    public static CelValue Modulo(ulong a, ulong b) => b == 0 ? ModulusByZero : new UintValue(a % b);

    private static CelValue Narrow(Int128 value) => value >= long.MinValue && value <= long.MaxValue ? new IntValue((long)value) : ErrorValue.IntegerOverflow;
    private static CelValue NarrowUnsigned(Int128 value) => value >= 0 && value <= ulong.MaxValue ? new UintValue((ulong)value) : ErrorValue.UnsignedOverflow;
}
