using System.Text.Json;
using Minke.Cel.Schemas;

namespace Minke.Cel.Tests;

/// <summary>
/// Rules of custom resources, one a line in testdata/rules.txt: a rule that holds and what it costs, or what it gives. <c>schema</c> and
/// <c>object</c> hold for the rules below them, until the next.
/// </summary>
public class RuleTests
{
    [Fact]
    public void Rules_hold_and_cost_what_they_cost_upstream()
    {
        var wrong = new List<string>();
        var (schema, value) = (new JsonSchema(default), default(JsonElement));
        foreach (var (line, expected) in TableTests.Read("rules"))
        {
            switch (line)
            {
                case "schema":
                    schema = new JsonSchema(Parse(expected));
                    continue;
                case "object":
                    value = Parse(expected);
                    continue;
            }
            var actual = Judge(line, schema, value);
            if (actual != expected)
                wrong.Add($"{line}\n    expected {expected}\n    but was  {actual}");
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    private static string Judge(string rule, JsonSchema schema, JsonElement value)
    {
        var compilation = CelEnvironment.Create().With(("self", SchemaTypes.Of(schema, "selfType", schema.IsEmbeddedResource)!)).Compile(rule);
        if (compilation.Program is null)
            return compilation.Issues[0].Message;
        var result = compilation.Program.Evaluate(Activation.Of(("self", SchemaValues.Read(value, schema))));
        var shown = Eval.Show(result.Value);
        return shown == "true" ? result.Cost.ToString(System.Globalization.CultureInfo.InvariantCulture) : shown;
    }

    private static JsonElement Parse(string json) => JsonDocument.Parse(json).RootElement;
}
