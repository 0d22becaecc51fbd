namespace Minke.Cel.Schemas;

/// <summary>What every embedded resource has, whatever its schema says: its kind, its version and its name.</summary>
internal sealed class EmbeddedResource : ICelSchema
{
    private static readonly EmbeddedResource Text = new("string", null);
    private static readonly EmbeddedResource Metadata = new("object", new Dictionary<string, ICelSchema> { ["name"] = Text, ["generateName"] = Text });

    private EmbeddedResource(string type, IReadOnlyDictionary<string, ICelSchema>? properties) => (Type, Properties) = (type, properties);

    public string Type { get; }
    public IReadOnlyDictionary<string, ICelSchema>? Properties { get; }
    public string Format => "";
    public bool IsNullable => false;
    public bool IsIntOrString => false;
    public bool IsEmbeddedResource => false;
    public bool PreservesUnknownFields => false;
    public ICelSchema? Items => null;
    public ICelSchema? AdditionalProperties => null;
    public IReadOnlyList<string> Required => [];
    public IReadOnlyList<string> EnumStrings => [];
    public bool HasDefault => false;
    public long? MaxLength => null;
    public long? MaxItems => null;
    public long? MaxProperties => null;
    public string ListType => "";
    public IReadOnlyList<string> ListMapKeys => [];

    /// <summary>Null for all other properties.</summary>
    public static ICelSchema? Property(string name) => name switch
    {
        "kind" or "apiVersion" => Text,
        "metadata" => Metadata,
        _ => null,
    };
}
