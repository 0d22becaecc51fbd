using System.Text.Json;
using Minke.Cel.Schemas;

namespace Minke.Cel.Tests;

/// <summary>A structural schema as JSON writes it.</summary>
internal sealed class JsonSchema(JsonElement source) : ICelSchema
{
    public string Type => Text("type");
    public string Format => Text("format");
    public bool IsNullable => Flag("nullable");
    public bool IsIntOrString => Flag("x-kubernetes-int-or-string");
    public bool IsEmbeddedResource => Flag("x-kubernetes-embedded-resource");
    public bool PreservesUnknownFields => Flag("x-kubernetes-preserve-unknown-fields");
    public ICelSchema? Items => Schema("items");
    public ICelSchema? AdditionalProperties => Schema("additionalProperties");
    public bool HasDefault => source.TryGetProperty("default", out _);
    public long? MaxLength => Number("maxLength");
    public long? MaxItems => Number("maxItems");
    public long? MaxProperties => Number("maxProperties");
    public string ListType => Text("x-kubernetes-list-type");
    public IReadOnlyList<string> ListMapKeys => Texts("x-kubernetes-list-map-keys");
    public IReadOnlyList<string> Required => Texts("required");
    public IReadOnlyList<string> EnumStrings => Texts("enum");

    public IReadOnlyDictionary<string, ICelSchema>? Properties => source.TryGetProperty("properties", out var properties)
        ? properties.EnumerateObject().ToDictionary(property => property.Name, ICelSchema (property) => new JsonSchema(property.Value), StringComparer.Ordinal)
        : null;

    private string Text(string name) => source.TryGetProperty(name, out var value) ? value.GetString()! : "";
    private bool Flag(string name) => source.TryGetProperty(name, out var value) && value.GetBoolean();
    private long? Number(string name) => source.TryGetProperty(name, out var value) ? value.GetInt64() : null;
    private JsonSchema? Schema(string name) => source.TryGetProperty(name, out var value) ? new JsonSchema(value) : null;
    private List<string> Texts(string name) => source.TryGetProperty(name, out var value) ? [.. value.EnumerateArray().Select(item => item.GetString()!)] : [];
}
