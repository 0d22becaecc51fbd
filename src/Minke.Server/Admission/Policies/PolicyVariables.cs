using Minke.Api.Admissionregistration.V1;
using Minke.Cel;
using Minke.Cel.Types;

namespace Minke.Server.Admission.Policies;

/// <summary>A policy's own variables: each may use those before it, and has the type of its expression where that is a plain one.</summary>
internal static class PolicyVariables
{
    /// <param name="spec">The policy.</param>
    /// <param name="languageOf">Which language each variable may use.</param>
    /// <param name="compiled">Told of every variable.</param>
    /// <param name="objectType">Of <c>object</c>; null when it can be anything.</param>
    /// <returns>What the policy's expressions are compiled against, in either language.</returns>
    public static Func<CelLanguage, CelEnvironment> Compile(
        ValidatingAdmissionPolicySpec spec, Func<Variable, CelLanguage> languageOf, Action<Variable, CompiledExpression> compiled, CelType? objectType = null)
    {
        var fields = new Dictionary<string, CelType>(StringComparer.Ordinal);
        CelEnvironment In(CelLanguage language) => AdmissionEnvironment.Create(language, spec.ParamKind is not null, objectType)
            .With((AdmissionEnvironment.Variables, new CelObjectType("kubernetes.variables", new Dictionary<string, CelType>(fields, StringComparer.Ordinal))));

        foreach (var variable in spec.Variables)
        {
            var expression = CompiledExpression.Compile(In(languageOf(variable)), variable.Expression);
            fields[variable.Name] = Declared(expression.Program?.OutputType ?? CelType.Dyn);
            compiled(variable, expression);
        }
        return In;
    }

    private static CelType Declared(CelType type) => type.Kind switch
    {
        CelTypeKind.Bool or CelTypeKind.Bytes or CelTypeKind.Double or CelTypeKind.Duration or CelTypeKind.Int or CelTypeKind.Null or CelTypeKind.String
            or CelTypeKind.Timestamp or CelTypeKind.Uint => type,
        CelTypeKind.List => CelType.List(Declared(type.Parameters[0])),
        CelTypeKind.Map => CelType.Map(Declared(type.Parameters[0]), Declared(type.Parameters[1])),
        _ => CelType.Dyn,
    };
}
