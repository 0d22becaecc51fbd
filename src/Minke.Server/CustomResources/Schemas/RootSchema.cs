using Minke.Cel.Schemas;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>The schema of a whole object as expressions see it: apiVersion, kind and metadata are there, whatever it says.</summary>
internal sealed class RootSchema(ICelSchema schema) : ICelSchema
{
    public string Type => schema.Type;
    public string Format => schema.Format;
    public bool IsNullable => schema.IsNullable;
    public bool IsIntOrString => schema.IsIntOrString;
    public bool IsEmbeddedResource => true;
    public bool PreservesUnknownFields => schema.PreservesUnknownFields;
    public ICelSchema? Items => schema.Items;
    public IReadOnlyDictionary<string, ICelSchema>? Properties => schema.Properties;
    public ICelSchema? AdditionalProperties => schema.AdditionalProperties;
    public IReadOnlyList<string> Required => schema.Required;
    public IReadOnlyList<string> EnumStrings => schema.EnumStrings;
    public bool HasDefault => schema.HasDefault;
    public long? MaxLength => schema.MaxLength;
    public long? MaxItems => schema.MaxItems;
    public long? MaxProperties => schema.MaxProperties;
    public string ListType => schema.ListType;
    public IReadOnlyList<string> ListMapKeys => schema.ListMapKeys;
}
