using Minke.Cel;
using Minke.Cel.Types;

namespace Minke.Server.Admission.Policies;

/// <summary>An expression of a policy or a webhook: a program, or why there is none.</summary>
internal sealed record CompiledExpression(string Text, CelProgram? Program, string? Error, bool IsInternalError = false)
{
    /// <param name="environment">What it may refer to.</param>
    /// <param name="text">As written.</param>
    /// <param name="results">The types it may have; none for any.</param>
    public static CompiledExpression Compile(CelEnvironment environment, string text, params ReadOnlySpan<CelType> results)
    {
        var compilation = environment.Compile(text);
        if (compilation.Program is not { } program)
            return new CompiledExpression(text, null, compilation.Failure, compilation.IsInstantiationFailure);
        if (results.Length == 0)
            return new CompiledExpression(text, program, null);
        foreach (var type in results)
        {
            if (program.OutputType.IsSame(type))
                return new CompiledExpression(text, program, null);
        }
        return new CompiledExpression(text, null, results.Length == 1
            ? $"must evaluate to {results[0].Name}"
            : $"must evaluate to one of [{string.Join(' ', results.ToArray().Select(type => type.Name))}]");
    }
}
