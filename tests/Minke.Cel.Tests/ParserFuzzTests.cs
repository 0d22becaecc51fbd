using Minke.Api;
using Minke.TestSupport.Fuzzing;

namespace Minke.Cel.Tests;

/// <summary>What others write of CEL: expressions, and the patterns in them. (Expressions made by rule are in <see cref="FuzzTests"/>.)</summary>
public sealed class ParserFuzzTests
{
    private const ulong Budget = 20_000;

    private static readonly (string, string)[] Variables = [("self", """{"a":1,"b":"text","l":[1,2,3]}""")];

    [Fact]
    public void Expressions()
    {
        var environment = Eval.Environment(Variables);
        var values = Eval.Values(Variables);
        Fuzz.RunText("cel", text =>
        {
            var compilation = environment.Compile(text);
            if (compilation.Program is not { } program)
            {
                Assert.NotEmpty(compilation.ErrorText);
                return;
            }
            Assert.True(program.Evaluate(values, Budget, CancellationToken.None) is { IsOverBudget: true } or { Cost: <= Budget });
        }, [], bytesPerByte: 20_000);
    }

    [Fact]
    public void Patterns() => Fuzz.RunText("regex", text =>
    {
        if (!GoRegex.TryGet(text, out var regex, out var error))
            Assert.NotEmpty(error);
        else
            regex.IsMatch("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n");
    }, [], bytesPerByte: 1_000_000);
}
