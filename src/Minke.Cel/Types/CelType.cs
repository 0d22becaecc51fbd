using Minke.Cel.Schemas;

namespace Minke.Cel.Types;

public enum CelTypeKind { Dyn, Error, Null, Bool, Int, Uint, Double, String, Bytes, Duration, Timestamp, List, Map, Type, TypeParameter, Object, Opaque }

/// <summary>A type as the checker knows it. Printed as error messages show it: <c>map(string, list(int))</c>.</summary>
public class CelType
{
    private protected CelType(CelTypeKind kind, string name, params CelType[] parameters) => (Kind, Name, Parameters) = (kind, name, parameters);

    public static readonly CelType Dyn = new(CelTypeKind.Dyn, "dyn");
    public static readonly CelType Null = new(CelTypeKind.Null, "null_type");
    public static readonly CelType Bool = new(CelTypeKind.Bool, "bool");
    public static readonly CelType Int = new(CelTypeKind.Int, "int");
    public static readonly CelType Uint = new(CelTypeKind.Uint, "uint");
    public static readonly CelType Double = new(CelTypeKind.Double, "double");
    public static readonly CelType String = new(CelTypeKind.String, "string");
    public static readonly CelType Bytes = new(CelTypeKind.Bytes, "bytes");
    public static readonly CelType Duration = new(CelTypeKind.Duration, "google.protobuf.Duration");
    public static readonly CelType Timestamp = new(CelTypeKind.Timestamp, "google.protobuf.Timestamp");
    public static readonly CelType Type = new(CelTypeKind.Type, "type");

    /// <summary>What has an error: fits everywhere, so that one mistake is told once.</summary>
    internal static readonly CelType Error = new(CelTypeKind.Error, "!error!");

    public CelTypeKind Kind { get; }

    /// <summary>What <c>type(x)</c> is called at run time.</summary>
    public string Name { get; }

    /// <summary>Of lists the item, of maps key and value.</summary>
    public IReadOnlyList<CelType> Parameters { get; }

    /// <summary>How long strings, lists and maps of this type can be, for estimates of cost. Null: nothing is known, or it has no size.</summary>
    public long? MaxElements { get; private init; }

    public static CelType List(CelType element) => new(CelTypeKind.List, "list", element);
    public static CelType Map(CelType key, CelType value) => new(CelTypeKind.Map, "map", key, value);
    public static CelType Optional(CelType value) => new(CelTypeKind.Opaque, "optional_type", value);

    /// <summary>A type with functions and nothing to look into: <c>kubernetes.Quantity</c>.</summary>
    public static CelType Opaque(string name) => new(CelTypeKind.Opaque, name);

    internal static CelType TypeOf(CelType type) => new(CelTypeKind.Type, "type", type);
    internal static CelType Parameter(string name) => new(CelTypeKind.TypeParameter, name);

    public CelType WithMaxElements(long maxElements) => new(Kind, Name, [.. Parameters]) { MaxElements = maxElements };

    internal bool IsDynamic => Kind is CelTypeKind.Dyn or CelTypeKind.Error;
    internal bool IsOptional => Kind == CelTypeKind.Opaque && Name == "optional_type";

    /// <summary>Of a size known without looking: one.</summary>
    internal bool IsScalar => Kind switch
    {
        CelTypeKind.Bool or CelTypeKind.Int or CelTypeKind.Uint or CelTypeKind.Double or CelTypeKind.Duration or CelTypeKind.Timestamp => true,
        CelTypeKind.Opaque => IsOptional && Parameters[0].IsScalar,
        _ => false,
    };

    /// <summary>The same type, parameters and all.</summary>
    public bool IsSame(CelType other)
    {
        if (ReferenceEquals(this, other))
            return true;
        if (Kind != other.Kind || Parameters.Count != other.Parameters.Count || Name != other.Name)
            return false;
        for (var i = 0; i < Parameters.Count; i++)
        {
            if (!Parameters[i].IsSame(other.Parameters[i]))
                return false;
        }
        return true;
    }

    public override string ToString() => Kind switch
    {
        CelTypeKind.Null => "null",
        CelTypeKind.Duration => "duration",
        CelTypeKind.Timestamp => "timestamp",
        _ when Parameters.Count > 0 => $"{Name}({string.Join(", ", Parameters)})",
        _ => Name,
    };
}

/// <summary>A type with fields. Fields are looked up by the name they have in expressions (<see cref="PropertyNames"/>).</summary>
public sealed class CelObjectType : CelType
{
    private readonly Func<CelObjectType, IReadOnlyDictionary<string, CelType>> _read;
    private IReadOnlyDictionary<string, CelType>? _fields;

    public CelObjectType(string name, IReadOnlyDictionary<string, CelType> fields)
        : this(name, _ => fields)
    {
    }

    /// <param name="read">Asked once, when the first field is looked up: types may refer to themselves.</param>
    public CelObjectType(string name, Func<CelObjectType, IReadOnlyDictionary<string, CelType>> read)
        : base(CelTypeKind.Object, name) => _read = read;

    public IReadOnlyDictionary<string, CelType> Fields => _fields ??= _read(this);
}
