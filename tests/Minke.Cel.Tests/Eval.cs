using System.Text.Json;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Tests;

/// <summary>Expressions in, what they give out as text: a value, <c>error: …</c> or what the compiler says.</summary>
internal static class Eval
{
    public static string Show(string expression, params (string Name, string Json)[] variables)
    {
        var compilation = Environment(variables).Compile(expression);
        if (compilation.Program is null)
            return compilation.ErrorText;
        return Show(compilation.Program.Evaluate(Values(variables)).Value);
    }

    public static CelResult Run(string expression, params (string Name, string Json)[] variables)
    {
        var compilation = Environment(variables).Compile(expression);
        Assert.True(compilation.Program is not null, compilation.ErrorText);
        return compilation.Program.Evaluate(Values(variables));
    }

    public static CelEnvironment Environment(params (string Name, string Json)[] variables) =>
        CelEnvironment.Create(CelLanguage.Everything).With([.. variables.Select(variable => (variable.Name, CelType.Dyn))]);

    public static Activation Values(params (string Name, string Json)[] variables) =>
        Activation.Of([.. variables.Select(variable => (variable.Name, JsonValues.Read(JsonDocument.Parse(variable.Json).RootElement)))]);

    public static string Show(CelValue value) => value switch
    {
        ErrorValue error => "error: " + error.Message,
        StringValue text => "\"" + text.Value + "\"",
        UintValue number => number.Value + "u",
        DoubleValue number => Number.FormatGeneral(number.Value) is var text && text.AsSpan().IndexOfAny(".eNI") < 0 ? text + ".0" : Number.FormatGeneral(number.Value),
        BytesValue bytes => "b" + Convert.ToHexStringLower(bytes.Value.Span),
        OptionalValue optional => optional.Value is null ? "none" : $"some({Show(optional.Value)})",
        ListValue list => $"[{string.Join(", ", list.Items.Select(Show))}]",
        MapValue map => $"{{{string.Join(", ", map.Keys.Select(key => $"{Show(key)}: {Show(map.Find(key)!)}"))}}}",
        _ => Display.Of(value),
    };
}
