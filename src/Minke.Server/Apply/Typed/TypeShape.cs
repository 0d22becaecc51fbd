using System.Text;

namespace Minke.Server.Apply;

/// <summary>What texts, numbers and booleans a type takes; <see cref="Untyped"/> takes all.</summary>
internal enum ScalarShape { None, Text, Number, Boolean, Untyped }

/// <summary>
/// What server-side apply needs to know of a type. A type of the schema has one of the three forms; an untyped value may have any, and
/// then what is found decides.
/// </summary>
internal sealed class TypeShape
{
    public ScalarShape Scalar { get; init; }
    public ListShape? List { get; init; }
    public MapShape? Map { get; init; }

    public static TypeShape Text { get; } = new() { Scalar = ScalarShape.Text };
    public static TypeShape Number { get; } = new() { Scalar = ScalarShape.Number };
    public static TypeShape Boolean { get; } = new() { Scalar = ScalarShape.Boolean };

    /// <summary>Times, quantities, and numbers that may be texts.</summary>
    public static TypeShape AnyScalar { get; } = new() { Scalar = ScalarShape.Untyped };

    /// <summary>Any value, owned as a whole.</summary>
    public static TypeShape UntypedAtomic { get; } = new()
    {
        Scalar = ScalarShape.Untyped,
        List = new(isAssociative: false, [], () => UntypedAtomic!),
        Map = new(isAtomic: true, FieldTable.Empty, () => UntypedAtomic!),
    };

    /// <summary>Any value without a schema: maps are owned field by field, lists as a whole.</summary>
    public static TypeShape Deduced { get; } = new()
    {
        Scalar = ScalarShape.Untyped,
        List = new(isAssociative: false, [], () => UntypedAtomic!),
        Map = new(isAtomic: false, FieldTable.Empty, () => Deduced!),
    };

    /// <summary>The form that a value has, or where it has none of the type's forms, the one it should have.</summary>
    public ShapeForm FormOf(Value value)
    {
        if (Scalar != ScalarShape.None && (value.IsString || value.IsNumber || value.IsBool))
            return ShapeForm.Scalar;
        if (List is not null && value.IsArray)
            return ShapeForm.List;
        return Map is not null ? ShapeForm.Map : Scalar != ScalarShape.None ? ShapeForm.Scalar : ShapeForm.List;
    }
}

internal enum ShapeForm { Map, Scalar, List }

/// <summary>A list: owned as a whole, or by its items, which are known by some of their fields or (without any) by their value.</summary>
internal sealed class ListShape(bool isAssociative, string[] keys, Func<TypeShape> element)
{
    private KeyField[]? _keys;

    public bool IsAssociative => isAssociative;
    public TypeShape Element => element();

    /// <summary>Sorted by name.</summary>
    public ReadOnlySpan<KeyField> Keys => _keys ??= FindKeys();

    private KeyField[] FindKeys()
    {
        var found = new KeyField[keys.Length];
        for (var i = 0; i < keys.Length; i++)
        {
            var field = Element.Map?.Fields.Find(keys[i]);
            found[i] = new(keys[i], Encoding.UTF8.GetBytes(keys[i]), field?.Default);
        }
        return found;
    }
}

/// <param name="Default">Of an item that leaves the field out; null when it may not.</param>
internal sealed record KeyField(string Name, byte[] Utf8Name, Scalar? Default);

/// <summary>A struct or a map: owned as a whole, or member by member.</summary>
internal sealed class MapShape(bool isAtomic, FieldTable fields, Func<TypeShape>? element)
{
    public bool IsAtomic => isAtomic;

    /// <summary>Named by the type; empty for maps.</summary>
    public FieldTable Fields => fields;

    /// <summary>Of members that the type does not name; null where there may be none.</summary>
    public TypeShape? Element => element?.Invoke();
}

/// <summary>The fields of a struct, found by name; those of a document mostly come in the table's order, which is tried first.</summary>
internal sealed class FieldTable(FieldShape[] fields)
{
    private readonly Dictionary<string, FieldShape> _byName = fields.ToDictionary(field => field.Name, StringComparer.Ordinal);

    public static FieldTable Empty { get; } = new([]);

    public FieldShape? Find(string name) => _byName.GetValueOrDefault(name);

    /// <param name="rawName">UTF-8. Names of fields have nothing to escape.</param>
    /// <param name="cursor">Where the last search of this object ended; begins at 0.</param>
    public FieldShape? Find(ReadOnlySpan<byte> rawName, ref int cursor)
    {
        for (var i = 0; i < fields.Length; i++)
        {
            var at = cursor + i;
            if (at >= fields.Length)
                at -= fields.Length;
            if (fields[at].Utf8Name.AsSpan().SequenceEqual(rawName))
            {
                cursor = at + 1 == fields.Length ? 0 : at + 1;
                return fields[at];
            }
        }
        return null;
    }
}

internal sealed class FieldShape(string name, Scalar? @default, Func<TypeShape> shape)
{
    private TypeShape? _shape;

    public string Name => name;
    public byte[] Utf8Name { get; } = Encoding.UTF8.GetBytes(name);
    public PathElement Element { get; } = PathElement.Field(name);

    /// <summary>What an item has that leaves this key out. Only for scalars.</summary>
    public Scalar? Default => @default;
    public TypeShape Shape => _shape ??= shape();
}
