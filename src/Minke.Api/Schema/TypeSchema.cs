namespace Minke.Api;

/// <summary>The shape of one type, as patching, server-side apply, pruning, OpenAPI and explain read it. Built on first use.</summary>
public sealed class TypeSchema(string name, string goName, string description, bool isAtomic, string apiVersion, string kind, FieldSchema[] fields)
{
    private Dictionary<string, FieldSchema>? _byName;

    /// <summary>OpenAPI definition name, e.g. <c>io.k8s.api.core.v1.PodSpec</c>.</summary>
    public string Name { get; } = name;

    /// <summary>Name within its Go package, e.g. <c>PodSpec</c>.</summary>
    public string GoName { get; } = goName;
    public string Description { get; } = description;

    /// <summary>Owned as a whole wherever it is used.</summary>
    public bool IsAtomic { get; } = isAtomic;

    /// <summary>Of a kind or object with type information of its own; else empty.</summary>
    public string ApiVersion { get; } = apiVersion;
    public string Kind { get; } = kind;

    /// <summary>Takes fields that are not listed, of any type. Without a single field listed nothing is known of the type at all.</summary>
    public bool PreservesUnknownFields { get; init; }

    /// <summary>In JSON order, inlined structs flattened; kind and apiVersion, where the type has them, are not listed.</summary>
    public IReadOnlyList<FieldSchema> Fields { get; } = fields;

    /// <summary>Null when there is no such field.</summary>
    public FieldSchema? Field(string jsonName) =>
        (_byName ??= Fields.ToDictionary(field => field.JsonName, StringComparer.Ordinal)).GetValueOrDefault(jsonName);
}

/// <summary>What a value is on the wire. Enums and open texts are <see cref="String"/>, boxes <see cref="List"/>.</summary>
public enum SchemaType { String, Boolean, Int32, Int64, Double, Bytes, Any, Time, MicroTime, Duration, Quantity, IntOrString, Raw, Struct, List, Map }

/// <summary>A type expression: scalar, native, struct, or a list or map of one.</summary>
public sealed class TypeRef
{
    public required SchemaType Type { get; init; }

    /// <summary>Of lists and maps.</summary>
    public TypeRef? Element { get; init; }
    public Func<TypeSchema>? StructFactory { get; init; }

    /// <summary>Of structs.</summary>
    public TypeSchema? Struct => StructFactory?.Invoke();

    /// <summary>Of enums: the values allowed, sorted. Empty for open text.</summary>
    public string[] EnumValues { get; init; } = [];

    /// <summary>Definition name of a native or named struct; empty for scalars.</summary>
    public string DefinitionName { get; init; } = "";
}

/// <summary>Who owns what under server-side apply: nothing said, the whole, each value, each item by its keys, each field.</summary>
public enum ListType { None, Atomic, Set, Map, Granular }

/// <summary>One field. Attributes are those of <c>api/README.md</c>.</summary>
public sealed class FieldSchema
{
    public required string JsonName { get; init; }
    public required TypeRef Type { get; init; }

    /// <summary>True for "?": absent differs from zero.</summary>
    public bool IsNullable { get; init; }

    /// <summary>In OpenAPI's <c>required</c>.</summary>
    public bool IsRequired { get; init; }

    /// <summary>Never left out of JSON.</summary>
    public bool IsKept { get; init; }

    /// <summary>Ownership of the list, map or struct under server-side apply.</summary>
    public ListType ListType { get; init; }
    public string[] ListMapKeys { get; init; } = [];

    /// <summary>Strategic merge: <c>merge</c>, with <see cref="MergeKey"/> empty for lists of values.</summary>
    public bool IsMerged { get; init; }
    public string MergeKey { get; init; } = "";
    public bool RetainsKeys { get; init; }
    public bool IsReplaced { get; init; }
    public string Gate { get; init; } = "";
    public bool IsDiscriminator { get; init; }
    public string OneOf { get; init; } = "";

    /// <summary>JSON of the constant default, or null.</summary>
    public string? Default { get; init; }
    public string Description { get; init; } = "";
}
