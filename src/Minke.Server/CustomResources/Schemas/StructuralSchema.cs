using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Cel.Schemas;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>
/// One node of a structural schema, ready to prune, default and validate with. Children are made with their parent; a schema has no
/// references, so the tree is finite.
/// </summary>
internal sealed class StructuralSchema : ICelSchema
{
    private static readonly Dictionary<string, StructuralSchema> NoProperties = [];

    private StructuralSchema(JSONSchemaProps source, bool preservesEverything)
    {
        Source = source;
        IsIntOrString = source.XKubernetesIntOrString;
        Types = IsIntOrString ? ["integer", "string"] : source.Type.Length > 0 ? [source.Type] : [];
        PreservesUnknown = source.XKubernetesPreserveUnknownFields == true || preservesEverything;
        Format = TextFormats.IsKnown(source.Type, source.Format) && !IsIntOrString ? source.Format : "";
        Properties = source.Properties.IsEmpty ? NoProperties
            : source.Properties.ToDictionary(one => one.Key, one => new StructuralSchema(one.Value, preservesEverything), StringComparer.Ordinal);
        Additional = source.AdditionalProperties?.Schema is { } additional ? new(additional, preservesEverything) : null;
        Items = source.Items?.Schema is { } items ? new(items, preservesEverything) : null;
        AllOf = Many(source.AllOf);
        AnyOf = Many(source.AnyOf);
        OneOf = Many(source.OneOf);
        Not = source.Not is { } not ? new(not, preservesEverything: false) : null;
        Enum = source.Enum.IsEmpty ? [] : [.. source.Enum.Select(one => JsonTree.Parse(one.Utf8.IsEmpty ? "null"u8 : one.Utf8))];
        Pattern = source.Pattern.Length > 0 ? new SchemaPattern(source.Pattern) : null;
        HasDefaults = source.Default is { IsNull: false } || Properties.Values.Any(property => property.HasDefaults)
            || Additional is { HasDefaults: true } || Items is { HasDefaults: true };
        ListMapKeys = [.. source.XKubernetesListMapKeys];
        if (source.Default is { IsNull: false } standard)
        {
            Default = JsonTree.Parse(standard.Utf8);
            Pruning.Prune(Default, this);
        }
    }

    public JSONSchemaProps Source { get; }
    public string[] Types { get; }

    /// <summary>Empty where upstream knows no such format for the type.</summary>
    public string Format { get; }
    public bool IsNullable => Source.Nullable;
    public bool IsIntOrString { get; }
    public bool PreservesUnknown { get; }
    public bool IsEmbedded => Source.XKubernetesEmbeddedResource;
    public IReadOnlyDictionary<string, StructuralSchema> Properties { get; }

    /// <summary>Of properties that are not listed.</summary>
    public StructuralSchema? Additional { get; }

    /// <summary><c>additionalProperties</c> is there at all: a map, of anything when <see cref="Additional"/> is null.</summary>
    public bool HasAdditional => Source.AdditionalProperties is { } additional && (additional.Allows || additional.Schema is not null);
    public StructuralSchema? Items { get; }
    public StructuralSchema[] AllOf { get; }
    public StructuralSchema[] AnyOf { get; }
    public StructuralSchema[] OneOf { get; }
    public StructuralSchema? Not { get; }
    public JsonNode?[] Enum { get; }
    public SchemaPattern? Pattern { get; }

    /// <summary>Null for none; to be cloned before it is used.</summary>
    public JsonNode? Default { get; }
    /// <summary>Here or below.</summary>
    public bool HasDefaults { get; }
    public string[] ListMapKeys { get; }
    public string ListType => Source.XKubernetesListType ?? "";
    public string MapType => Source.XKubernetesMapType ?? "";

    /// <param name="schema">Of the root object; null for a version without one.</param>
    /// <param name="preservesEverything">The definition's own <c>preserveUnknownFields</c>.</param>
    public static StructuralSchema Of(JSONSchemaProps? schema, bool preservesEverything = false) =>
        new(schema ?? new JSONSchemaProps { Type = "object", XKubernetesPreserveUnknownFields = true }, preservesEverything);

    // As expressions see it.
    private IReadOnlyDictionary<string, ICelSchema>? _celProperties;
    string ICelSchema.Type => Source.Type;
    string ICelSchema.Format => Source.Format;
    bool ICelSchema.IsEmbeddedResource => IsEmbedded;
    bool ICelSchema.PreservesUnknownFields => PreservesUnknown;
    ICelSchema? ICelSchema.Items => Items;
    ICelSchema? ICelSchema.AdditionalProperties => Additional;
    IReadOnlyList<string> ICelSchema.Required => [.. Source.Required];
    IReadOnlyList<string> ICelSchema.EnumStrings => [.. Enum.Select(one => JsonTree.IsText(one, out var text) ? text : "").Where(text => text.Length > 0)];
    bool ICelSchema.HasDefault => Default is not null;
    long? ICelSchema.MaxLength => Source.MaxLength;
    long? ICelSchema.MaxItems => Source.MaxItems;
    long? ICelSchema.MaxProperties => Source.MaxProperties;
    IReadOnlyList<string> ICelSchema.ListMapKeys => ListMapKeys;

    IReadOnlyDictionary<string, ICelSchema>? ICelSchema.Properties => Properties.Count == 0 ? null
        : _celProperties ??= Properties.ToDictionary(one => one.Key, one => (ICelSchema)one.Value, StringComparer.Ordinal);

    private static StructuralSchema[] Many(ApiList<JSONSchemaProps> schemas) =>
        schemas.IsEmpty ? [] : [.. schemas.Select(one => new StructuralSchema(one, preservesEverything: false))];
}
