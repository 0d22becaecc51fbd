using Minke.Api;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary>Kubernetes' quantities: <c>quantity("1.5Gi")</c>.</summary>
internal static class QuantityLibrary
{
    public static CelType Type { get; } = CelType.Opaque("kubernetes.Quantity");

    public static void AddTo(FunctionTable table)
    {
        var library = table.Extension;
        library.Global("quantity", "string_to_quantity", [CelType.String], Type, a => Parse(a[0].Text));
        library.Global("isQuantity", "is_quantity_string", [CelType.String], CelType.Bool, a => BoolValue.Of(Quantity.TryParse(a[0].Text, out _)));
        library.Global("sign", "quantity_sign", [Type], CelType.Int, a => new IntValue(Math.Sign(Of(a[0]).Value)));
        library.Member("isGreaterThan", "quantity_is_greater_than", [Type, Type], CelType.Bool, a => BoolValue.Of(Of(a[0]) > Of(a[1])));
        library.Member("isLessThan", "quantity_is_less_than", [Type, Type], CelType.Bool, a => BoolValue.Of(Of(a[0]) < Of(a[1])));
        library.Member("compareTo", "quantity_compare_to", [Type, Type], CelType.Int, a => new IntValue(Of(a[0]).CompareTo(Of(a[1]))));
        library.Member("asApproximateFloat", "quantity_get_float", [Type], CelType.Double, a => new DoubleValue((double)Of(a[0]).Value));
        library.Member("asInteger", "quantity_get_int", [Type], CelType.Int,
            a => IsInteger(Of(a[0])) ? new IntValue((long)Of(a[0]).Value) : new ErrorValue("cannot convert value to integer"));
        library.Member("isInteger", "quantity_is_integer", [Type], CelType.Bool, a => BoolValue.Of(IsInteger(Of(a[0]))));
        library.Member("add", "quantity_add", [Type, Type], Type, a => new QuantityValue(Of(a[0]) + Of(a[1])));
        library.Member("add", "quantity_add_int", [Type, CelType.Int], Type, a => new QuantityValue(Of(a[0]) + new Quantity(a[1].Int)));
        library.Member("sub", "quantity_sub", [Type, Type], Type, a => new QuantityValue(Of(a[0]) - Of(a[1])));
        library.Member("sub", "quantity_sub_int", [Type, CelType.Int], Type, a => new QuantityValue(Of(a[0]) - new Quantity(a[1].Int)));
    }

    private static Quantity Of(CelValue value) => ((QuantityValue)value).Value;

    /// <summary>What is capped at the greatest integer is none.</summary>
    private static bool IsInteger(Quantity quantity) =>
        decimal.IsInteger(quantity.Value) && quantity.Value is > long.MinValue and < long.MaxValue;

    private static CelValue Parse(string text)
    {
        try
        {
            return new QuantityValue(Quantity.Parse(text));
        }
        catch (FormatException error)
        {
            return new ErrorValue(error.Message);
        }
    }
}

/// <summary>Equal when they are the same amount.</summary>
internal sealed class QuantityValue(Quantity value) : OpaqueValue
{
    public Quantity Value { get; } = value;
    public override CelType Type => QuantityLibrary.Type;

    internal override bool IsEqualTo(OpaqueValue other) => other is QuantityValue quantity && quantity.Value == Value;
}
