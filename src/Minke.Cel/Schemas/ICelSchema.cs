namespace Minke.Cel.Schemas;

/// <summary>A structural schema as expressions see it; the host's own schema is read through it.</summary>
public interface ICelSchema
{
    /// <summary><c>object</c>, <c>array</c>, <c>string</c>, <c>integer</c>, <c>number</c>, <c>boolean</c> or empty.</summary>
    string Type { get; }

    string Format { get; }
    bool IsNullable { get; }
    bool IsIntOrString { get; }
    bool IsEmbeddedResource { get; }
    bool PreservesUnknownFields { get; }

    /// <summary>Of arrays.</summary>
    ICelSchema? Items { get; }

    /// <summary>By their names in JSON; null when there are none.</summary>
    IReadOnlyDictionary<string, ICelSchema>? Properties { get; }

    /// <summary>Of maps, the schema of every value; null for <c>true</c> and <c>false</c>.</summary>
    ICelSchema? AdditionalProperties { get; }

    IReadOnlyList<string> Required { get; }

    /// <summary>Strings among the allowed values; empty when any value is.</summary>
    IReadOnlyList<string> EnumStrings { get; }

    bool HasDefault { get; }
    long? MaxLength { get; }
    long? MaxItems { get; }
    long? MaxProperties { get; }

    /// <summary><c>atomic</c>, <c>set</c>, <c>map</c> or empty.</summary>
    string ListType { get; }

    IReadOnlyList<string> ListMapKeys { get; }
}
