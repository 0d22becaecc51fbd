namespace Minke.Cel.Types;

/// <summary>What type parameters have been found to stand for, and whether one type may be used for another. Unification, as in cel-go.</summary>
internal sealed class TypeBindings
{
    private Dictionary<string, CelType> _bound = new(StringComparer.Ordinal);

    public bool IsAssignable(CelType from, CelType to) => AreAssignable([from], [to]);

    /// <summary>Bindings made on the way stay only if all fit.</summary>
    public bool AreAssignable(IReadOnlyList<CelType> from, IReadOnlyList<CelType> to)
    {
        var before = new Dictionary<string, CelType>(_bound, StringComparer.Ordinal);
        if (Fit(from, to))
            return true;
        _bound = before;
        return false;
    }

    public void Bind(string parameter, CelType type) => _bound[parameter] = type;

    /// <param name="unboundToDyn">What a parameter that stands for nothing becomes.</param>
    public CelType Substitute(CelType type, bool unboundToDyn)
    {
        if (type.Kind == CelTypeKind.TypeParameter)
        {
            if (_bound.TryGetValue(type.Name, out var bound))
                return Substitute(bound, unboundToDyn);
            return unboundToDyn ? CelType.Dyn : type;
        }
        switch (type.Kind)
        {
            case CelTypeKind.List: return Keep(type, CelType.List(Substitute(type.Parameters[0], unboundToDyn)));
            case CelTypeKind.Map:
                return Keep(type, CelType.Map(Substitute(type.Parameters[0], unboundToDyn), Substitute(type.Parameters[1], unboundToDyn)));
            case CelTypeKind.Type when type.Parameters.Count > 0: return CelType.TypeOf(Substitute(type.Parameters[0], unboundToDyn));
            case CelTypeKind.Opaque when type.IsOptional: return CelType.Optional(Substitute(type.Parameters[0], unboundToDyn));
            default: return type;
        }
    }

    // The instance with its size is kept where nothing changed.
    private static CelType Keep(CelType type, CelType substituted) => type.IsSame(substituted) ? type : substituted;

    /// <summary>The wider of two types known to fit.</summary>
    public static CelType MostGeneral(CelType a, CelType b) => IsEqualOrWider(a, b) ? a : b;

    private static bool IsEqualOrWider(CelType a, CelType b)
    {
        if (a.Kind is CelTypeKind.Dyn or CelTypeKind.TypeParameter)
            return true;
        if (b.Kind is CelTypeKind.Dyn or CelTypeKind.TypeParameter || a.Kind != b.Kind)
            return false;
        switch (a.Kind)
        {
            case CelTypeKind.Type:
                return true;
            case CelTypeKind.List or CelTypeKind.Map or CelTypeKind.Opaque:
                if (a.Name != b.Name || a.Parameters.Count != b.Parameters.Count)
                    return false;
                for (var i = 0; i < a.Parameters.Count; i++)
                {
                    if (!IsEqualOrWider(a.Parameters[i], b.Parameters[i]))
                        return false;
                }
                return true;
            default:
                return a.IsSame(b);
        }
    }

    private bool Fit(IReadOnlyList<CelType> from, IReadOnlyList<CelType> to)
    {
        if (from.Count != to.Count)
            return false;
        for (var i = 0; i < from.Count; i++)
        {
            if (!Fits(from[i], to[i]))
                return false;
        }
        return true;
    }

    private bool Fits(CelType from, CelType to)
    {
        if (to.Kind == CelTypeKind.TypeParameter)
        {
            var (fits, wasBound) = CanStandFor(from, to);
            if (fits)
                return true;
            if (wasBound)
                return false;
        }
        if (from.Kind == CelTypeKind.TypeParameter)
            return CanStandFor(to, from).Fits;
        if (from.IsDynamic || to.IsDynamic)
            return true;
        if (from.Kind == CelTypeKind.Null)
            return to.Kind is CelTypeKind.Null or CelTypeKind.Object or CelTypeKind.Opaque or CelTypeKind.Duration or CelTypeKind.Timestamp;
        if (from.Kind != to.Kind)
            return false;
        return from.Kind switch
        {
            CelTypeKind.Object => from.Name == to.Name,
            CelTypeKind.Opaque => from.Name == to.Name && Fit(from.Parameters, to.Parameters),
            CelTypeKind.List or CelTypeKind.Map => Fit(from.Parameters, to.Parameters),
            _ => true,
        };
    }

    private (bool Fits, bool WasBound) CanStandFor(CelType type, CelType parameter)
    {
        if (type.IsSame(parameter))
            return (true, true);
        if (_bound.TryGetValue(parameter.Name, out var bound))
        {
            if (type.IsSame(bound))
                return (true, true);
            if (!Fits(type, bound))
                return (false, true);
            var wider = MostGeneral(type, bound);
            if (!Occurs(parameter, wider))
                _bound[parameter.Name] = wider;
            return (true, true);
        }
        if (Occurs(parameter, type))
            return (false, false);
        _bound[parameter.Name] = type;
        return (true, false);
    }

    private bool Occurs(CelType parameter, CelType within)
    {
        if (parameter.IsSame(within))
            return true;
        if (within.Kind == CelTypeKind.TypeParameter)
            return _bound.TryGetValue(within.Name, out var bound) && Occurs(parameter, bound);
        return within.Parameters.Any(part => Occurs(parameter, part));
    }
}
