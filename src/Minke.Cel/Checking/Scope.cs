using Minke.Cel.Types;

namespace Minke.Cel.Checking;

/// <summary>The variables of the loops around a place, the innermost first.</summary>
internal sealed record Scope(Scope? Outer, string Name, CelType Type)
{
    public static CelType? Find(Scope? scope, string name)
    {
        for (; scope is not null; scope = scope.Outer)
        {
            if (scope.Name == name)
                return scope.Type;
        }
        return null;
    }
}
