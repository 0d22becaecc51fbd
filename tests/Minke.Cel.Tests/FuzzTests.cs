using System.Text;

namespace Minke.Cel.Tests;

/// <summary>Whatever is written, compiling ends and evaluating stays within its budget.</summary>
public class FuzzTests
{
    private const ulong Budget = 20_000;

    private static readonly (string, string)[] Variables =
    [
        ("o", """{"a":1,"b":"text","c":[1,2,3],"d":{"e":null,"f":1.5},"g":true}"""), ("n", "3"), ("s", "\"hello\""), ("l", "[1,\"a\",null,{\"a\":1}]"),
    ];

    private static readonly string[] Words =
    [
        "o", "n", "s", "l", "1", "2u", "1.5", "'a'", "\"b\"", "b'c'", "true", "null", "[", "]", "{", "}", "(", ")", ".", ",", ":", "?", "+", "-", "*", "/", "%", "!",
        "&&", "||", "==", "!=", "<", "<=", ">", ">=", "in", "has", "all", "map", "filter", "exists", "x", "size", "matches", "format", "optMap", "orValue", "optional.of",
        ".?a", "[?0]", "quantity", "ip", "cidr", "duration", "timestamp", "'''", "r'", "\\", "\n", "@", "é", "🐱", "0x", "1e", "9223372036854775807", "transformMap", "cel.bind",
    ];

    [Fact]
    public void Soups_of_words_compile_or_do_not()
    {
        var environment = Eval.Environment(Variables);
        var values = Eval.Values(Variables);
        var random = new Random(1);
        for (var i = 0; i < 20_000; i++)
        {
            var text = new StringBuilder();
            for (var words = random.Next(1, 14); words > 0; words--)
                text.Append(Words[random.Next(Words.Length)]).Append(random.Next(4) == 0 ? " " : "");
            Judge(environment, values, text.ToString());
        }
    }

    [Fact]
    public void Random_characters_compile_or_do_not()
    {
        var environment = Eval.Environment(Variables);
        var values = Eval.Values(Variables);
        var random = new Random(2);
        for (var i = 0; i < 20_000; i++)
        {
            var text = new char[random.Next(1, 40)];
            for (var c = 0; c < text.Length; c++)
                text[c] = random.Next(8) == 0 ? (char)random.Next(0x10000) : (char)random.Next(32, 127);
            Judge(environment, values, new string(text));
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public void Well_formed_expressions_end_within_their_budget(int seed)
    {
        var environment = Eval.Environment(Variables);
        var values = Eval.Values(Variables);
        var made = new Maker(new Random(seed));
        var evaluated = 0;
        for (var i = 0; i < 10_000; i++)
            evaluated += Judge(environment, values, made.Expression(5)) ? 1 : 0;
        Assert.True(evaluated > 500, $"only {evaluated} compiled");
    }

    [Fact]
    public void Depth_is_limited()
    {
        var environment = Eval.Environment(Variables);
        foreach (var (open, close) in new[] { ("(", ")"), ("[", "]"), ("!", ""), ("-", ""), ("{1:", "}"), ("[1].map(x,", ")"), ("true?", ":1") })
        {
            var text = string.Concat(Enumerable.Repeat(open, 20_000 / open.Length)) + "true" + string.Concat(Enumerable.Repeat(close, 20_000 / open.Length));
            environment.Compile(text);
        }
        Assert.Equal("ERROR: <input>:-1:0: expression recursion limit exceeded: 250", environment.Compile(new string('(', 300) + "1" + new string(')', 300)).ErrorText);
        Assert.NotNull(environment.Compile(new string('(', 200) + "1" + new string(')', 200)).Program);
        Assert.NotNull(environment.Compile(string.Join('+', Enumerable.Repeat("1", 251))).Program);
        foreach (var tooDeep in new[]
        {
            string.Join('+', Enumerable.Repeat("1", 252)),
            "[1]" + string.Concat(Enumerable.Repeat(".map(i, i)", 251)),
            "o" + string.Concat(Enumerable.Repeat(".a", 251)),
            // Neither the chains nor the nesting are too deep, but both together.
            new string('(', 120) + "1" + string.Concat(Enumerable.Repeat(string.Concat(Enumerable.Repeat("+1", 240)) + ")", 120)),
        })
            Assert.Equal("ERROR: <input>:-1:0: max recursion depth exceeded", environment.Compile(tooDeep).ErrorText);
        Assert.NotNull(environment.Compile(string.Join("&&", Enumerable.Repeat("true", 5000))).Program);
        Assert.StartsWith("ERROR: <input>:-1:0: expression code point size exceeds limit: size: 100001", environment.Compile(new string('1', 100_001)).ErrorText, StringComparison.Ordinal);
    }

    /// <summary>Each step doubles what the step before made: small to write, endless to walk.</summary>
    [Theory]
    [InlineData("optional.of([1])", ".optMap(v, v + v)", ".value().size() > 0")]
    [InlineData("optional.of(dyn([1]))", ".optMap(v, dyn([v, v]))", " == optional.of(dyn(1))")]
    [InlineData("optional.of('0123456789')", ".optMap(v, v + v)", ".value().size() > 0")]
    [InlineData("optional.of(dyn([1]))", ".optMap(v, dyn([v, v]))", ".optMap(v, '%s'.format([v]))")]
    public void What_doubles_with_every_step_ends_as_well(string seed, string step, string end)
    {
        var environment = Eval.Environment(Variables);
        Judge(environment, Eval.Values(Variables), seed + string.Concat(Enumerable.Repeat(step, 60)) + end, CelProgram.PerCallLimit);
        var chain = "optional.of(1)" + string.Concat(Enumerable.Range(0, 40).Select(i => $".optMap(v{i}, v{i})"));
        Judge(environment, Eval.Values(Variables), chain);
    }

    [Fact]
    public void Equality_of_endless_values_ends()
    {
        var nested = string.Concat(Enumerable.Range(0, 40).Select(i => $"cel.bind(v{i + 1}, dyn([v{i}, v{i}]), "));
        var text = $"cel.bind(v0, dyn([1]), {nested}v40 == cel.bind(w, v40, w){new string(')', 41)}";
        var result = Eval.Run(text);
        Assert.True(result.IsOverBudget || result.Error is null);
    }

    private static bool Judge(CelEnvironment environment, Activation values, string text, ulong budget = Budget)
    {
        var compilation = environment.Compile(text);
        if (compilation.Program is not { } program)
        {
            Assert.NotEmpty(compilation.Issues);
            Assert.NotEmpty(compilation.ErrorText);
            return false;
        }
        _ = program.EstimatedCost;
        var result = program.Evaluate(values, budget, TestContext.Current.CancellationToken);
        Assert.True(result.IsOverBudget || result.Cost <= budget);
        return true;
    }

    private sealed class Maker(Random random)
    {
        private static readonly string[] Leaves = ["1", "0", "-7", "2u", "1.5", "'a'", "''", "true", "false", "null", "o", "n", "s", "l", "o.c", "o.b", "o.d", "[]", "{}", "b'x'",
            "duration('1m')", "timestamp('2024-01-01T00:00:00Z')", "quantity('1Ki')", "ip('::1')", "optional.none()", "int", "dyn(1)", "x"];

        private static readonly string[] Operators = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"];
        private static readonly string[] Methods = ["size()", "sum()", "min()", "isSorted()", "startsWith('a')", "matches('[a-z]+')", "split('')", "join('-')", "getHours()",
            "hasValue()", "value()", "lowerAscii()", "substring(1)", "indexOf('l')", "findAll('l')", "family()", "asInteger()", "trim()", "reverse()"];

        private static readonly string[] Functions = ["size", "int", "uint", "double", "string", "bytes", "bool", "dyn", "type", "has", "optional.of", "duration", "quantity", "isIP"];
        private static readonly string[] Macros = ["all", "exists", "exists_one", "map", "filter"];

        public string Expression(int depth)
        {
            if (depth == 0 || random.Next(6) == 0)
                return Leaves[random.Next(Leaves.Length)];
            string Sub() => Expression(depth - 1);
            return random.Next(12) switch
            {
                0 => $"({Sub()} {Pick(Operators)} {Sub()})",
                1 => $"dyn({Sub()}) {Pick(Operators)} dyn({Sub()})",
                2 => $"({Sub()} ? {Sub()} : {Sub()})",
                3 => $"{Sub()}.{Pick(Methods)}",
                4 => $"{Pick(Functions)}({Sub()})",
                5 => $"[{Sub()}, {Sub()}]",
                6 => $"{{{Sub()}: {Sub()}}}",
                7 => $"dyn({Sub()}).{Pick(Macros)}(x, {Sub()})",
                8 => $"o.c.{Pick(Macros)}(x, {Sub()})",
                9 => $"{Sub()}[{Sub()}]",
                10 => $"dyn({Sub()}).?a",
                _ => $"!({Sub()})",
            };
        }

        private string Pick(string[] among) => among[random.Next(among.Length)];
    }
}
