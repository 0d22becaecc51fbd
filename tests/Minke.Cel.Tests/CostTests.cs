using Minke.Cel.Costs;
using Minke.Cel.Types;

namespace Minke.Cel.Tests;

public class CostTests
{
    private static readonly (string, string)[] Variables =
    [
        ("text", $"\"{new string('x', 500)}\""), ("list", "[1,2,3,4,5]"), ("none", "[]"), ("map", """{"key":"value","inner":{"a":1}}"""), ("i", "1"), ("yes", "true"),
    ];

    /// <summary>The numbers of cel-go's tracker with the options Kubernetes sets: constants are folded and has() is free.</summary>
    [Theory]
    [InlineData("'hello'", 0)]
    [InlineData("text", 1)]
    [InlineData("map.key", 2)]
    [InlineData("map['key']", 2)]
    [InlineData("list[0]", 2)]
    [InlineData("list[i]", 2)]
    [InlineData("list[i + 1]", 4)]
    [InlineData("map.inner.a", 3)]
    [InlineData("has(map.key)", 1)]
    [InlineData("has(map.inner.a)", 2)]
    [InlineData("map.?key", 2)]
    [InlineData("true || false", 0)]
    [InlineData("yes && yes", 2)]
    [InlineData("yes || yes", 1)]
    [InlineData("true ? 1 : 2", 0)]
    [InlineData("yes ? i : 2", 1)]
    [InlineData("yes ? map.key : 'x'", 2)]
    [InlineData("yes ? i + 1 : 2", 3)]
    [InlineData("1 + 2", 1)]
    [InlineData("i == 1", 2)]
    [InlineData("i < 2", 2)]
    [InlineData("[1, 2, 3]", 0)]
    [InlineData("[i]", 11)]
    [InlineData("{'a': 1}", 0)]
    [InlineData("{'a': i}", 31)]
    [InlineData("i in [1, 2, 3]", 1)]
    [InlineData("i in list", 3)]
    [InlineData("none.all(x, true)", 2)]
    [InlineData("list.all(x, true)", 17)]
    [InlineData("list.all(x, x > 3)", 9)]
    [InlineData("list.exists(x, x == 1)", 11)]
    [InlineData("list.map(x, x)", 67)]
    [InlineData("text.matches('[0-9]')", 103)]
    [InlineData("text.contains('abc')", 51)]
    [InlineData("text.startsWith('abc')", 51)]
    [InlineData("text == text", 52)]
    [InlineData("text + text", 3)]
    [InlineData("text.size()", 2)]
    [InlineData("duration('1h')", 0)]
    [InlineData("int('1')", 0)]
    [InlineData("quantity('12Mi')", 1)]
    [InlineData("quantity('12Mi').isGreaterThan(quantity('1'))", 3)]
    [InlineData("ip('127.0.0.1').family()", 2)]
    [InlineData("cidr('10.0.0.0/8').containsIP('10.0.0.1')", 3)]
    [InlineData("url('https://a/')", 1)]
    [InlineData("['a', 'b'].join('-')", 1)]
    [InlineData("'abc'.lowerAscii()", 1)]
    [InlineData("sets.contains([1, 2], [1])", 3)]
    [InlineData("optional.of(1).orValue(2)", 1)]
    [InlineData("map.?nowhere", 1)]
    [InlineData("map.?nowhere.orValue('x')", 1)]
    [InlineData("strings.quote(text)", 51)]
    [InlineData("'%s'.format([text])", 12)]
    [InlineData("map.nowhere == 'x'", 3)]
    [InlineData("map.nowhere.startsWith('x')", 3)]
    [InlineData("map.nowhere.replace('x', 'y')", 2)]
    [InlineData("[map.nowhere]", 12)]
    [InlineData("{'a': map.nowhere}", 32)]
    [InlineData("list.exists(x, map.nowhere == x)", 42)]
    public void An_evaluation_costs_what_it_costs_upstream(string expression, int cost) => Assert.Equal((ulong)cost, Eval.Run(expression, Variables).Cost);

    [Fact]
    public void An_evaluation_ends_where_its_budget_ends()
    {
        var program = Eval.Environment(Variables).Compile("list.map(a, list.map(b, list.map(c, list.map(d, a + b + c + d))))").Program!;
        var result = program.Evaluate(Eval.Values(Variables), costLimit: 1000, TestContext.Current.CancellationToken);
        Assert.True(result.IsOverBudget);
        Assert.Equal("operation cancelled: actual cost limit exceeded", result.Error);
        Assert.False(program.Evaluate(Eval.Values(Variables), cancellationToken: TestContext.Current.CancellationToken).IsOverBudget);
    }

    [Fact]
    public void A_cancelled_evaluation_stops()
    {
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        var program = Eval.Environment(Variables).Compile("list.map(a, list.map(b, list.map(c, list.map(d, a + b + c + d))))").Program!;
        Assert.Throws<OperationCanceledException>(() => program.Evaluate(Eval.Values(Variables), cancellationToken: cancelled.Token));
    }

    [Theory]
    [InlineData("self.name", 2, 2)]
    [InlineData("self.name == 'abc'", 3, 3)]
    [InlineData("self.count == 1", 2, 2)]
    [InlineData("self.name.startsWith('abc')", 3, 3)]
    [InlineData("self.name.contains('a')", 2, 6)]
    [InlineData("self.name.matches('abc')", 3, 7)]
    [InlineData("self.items.all(x, x == 'a')", 3, 53)]
    [InlineData("self.items.exists(x, x == 'a')", 3, 63)]
    [InlineData("self.items.map(x, x)", 13, 143)]
    [InlineData("'a' in self.items", 2, 12)]
    [InlineData("has(self.name)", 1, 1)]
    [InlineData("self.open.all(x, true)", 3, 3_145_728)]
    [InlineData("self.any.startsWith('x')", 3, 3)]
    [InlineData("true || self.count == 1", 0, 2)]
    [InlineData("self.count > 1 ? self.name : 'x'", 3, 5)]
    [InlineData("self == self", 2, 2)]
    [InlineData("self.count == self.count", 4, 4)]
    [InlineData("strings.quote(self.name) == 'a'", 3, 7)]
    public void An_estimate_knows_how_long_values_can_be(string expression, long min, long max)
    {
        var self = new CelObjectType("self", new Dictionary<string, CelType>
        {
            ["name"] = CelType.String.WithMaxElements(40),
            ["count"] = CelType.Int,
            ["items"] = CelType.List(CelType.String.WithMaxElements(8)).WithMaxElements(10),
            ["open"] = CelType.List(CelType.Int).WithMaxElements(((3 * 1024 * 1024) - 2) / 3),
            ["any"] = CelType.Dyn.WithMaxElements(100),
        });
        var compilation = CelEnvironment.Create().With(("self", self)).Compile(expression);
        Assert.True(compilation.Program is not null, compilation.ErrorText);
        Assert.Equal(new CostEstimate((ulong)min, (ulong)max), compilation.Program.EstimatedCost);
    }

    [Fact]
    public void Without_a_length_an_estimate_is_boundless()
    {
        var program = CelEnvironment.Create().With(("list", CelType.List(CelType.Int))).Compile("list.all(a, list.all(b, a < b))").Program!;
        Assert.Equal(ulong.MaxValue, program.EstimatedCost.Max);
    }
}
