using Minke.Cel.Values;

namespace Minke.Cel.Types;

/// <summary>What a function does with values, all of them free of errors.</summary>
internal delegate CelValue Implementation(CelValue[] arguments);

/// <summary>One way to call a function.</summary>
/// <param name="Id">As in cel-go: costs go by it.</param>
/// <param name="Parameters">Of a method, the target first.</param>
internal sealed record Overload(string Id, bool IsMember, IReadOnlyList<CelType> Parameters, CelType Result, Implementation Implementation)
{
    public IReadOnlyList<string> TypeParameters { get; } = TypeParametersOf([.. Parameters, Result]);

    /// <summary>Can these values be passed? Items of lists and maps are not looked at.</summary>
    public bool Accepts(CelValue[] arguments)
    {
        if (arguments.Length != Parameters.Count)
            return false;
        for (var i = 0; i < arguments.Length; i++)
        {
            var parameter = Parameters[i];
            var fits = parameter.Kind switch
            {
                CelTypeKind.Dyn or CelTypeKind.TypeParameter => true,
                CelTypeKind.Opaque or CelTypeKind.Object => arguments[i].Type.Name == parameter.Name,
                _ => arguments[i].Type.Kind == parameter.Kind,
            };
            if (!fits)
                return false;
        }
        return true;
    }

    private static List<string> TypeParametersOf(IEnumerable<CelType> types)
    {
        var names = new List<string>();
        foreach (var type in types)
        {
            var found = type.Kind == CelTypeKind.TypeParameter ? [type.Name] : TypeParametersOf(type.Parameters);
            names.AddRange(found.Where(name => !names.Contains(name)));
        }
        return names;
    }
}

/// <summary>A function by its name, with all its overloads.</summary>
/// <param name="IsStandard">Of the language itself: what fits no overload is told in other words than a library's.</param>
internal sealed record Function(string Name, IReadOnlyList<Overload> Overloads, bool IsStandard);
