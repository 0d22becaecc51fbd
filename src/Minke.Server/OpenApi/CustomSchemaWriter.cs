using System.Text.Json;
using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Server.CustomResources;

namespace Minke.Server.OpenApi;

/// <summary>
/// The schema of a CustomResourceDefinition as a document shows it. Version 2 shows what Swagger 2.0 can say, and nothing at all of
/// values that older clients would refuse although the server takes them: nullable ones, and those with unknown fields.
/// </summary>
internal sealed class CustomSchemaWriter(Utf8JsonWriter writer, OpenApiVersion version)
{
    private bool IsOld => version == OpenApiVersion.V2;

    /// <param name="custom">Whose objects are described.</param>
    /// <param name="metadata">Definition of their metadata.</param>
    public void WriteRoot(CustomVersion custom, string metadata)
    {
        var schema = custom.Published;
        writer.WriteStartObject();
        if (schema is null || (IsOld && (schema.XKubernetesPreserveUnknownFields == true || custom.Definition.Source.Spec.PreserveUnknownFields)))
            writer.WriteString("type"u8, "object");
        else
            WriteMembers(schema, metadata);
        writer.WriteStartArray("x-kubernetes-group-version-kind"u8);
        writer.WriteStartObject();
        writer.WriteString("group"u8, custom.Kind.Group);
        writer.WriteString("kind"u8, custom.Kind.Kind);
        writer.WriteString("version"u8, custom.Kind.Version);
        writer.WriteEndObject();
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private void Write(JSONSchemaProps schema)
    {
        writer.WriteStartObject();
        WriteMembers(schema, "");
        writer.WriteEndObject();
    }

    /// <param name="metadata">Set for the root, whose metadata is what all objects have.</param>
    private void WriteMembers(JSONSchemaProps schema, string metadata)
    {
        Text("description"u8, schema.Description);
        Text("title"u8, schema.Title);
        if (IsOld && metadata.Length == 0 && (schema.XKubernetesPreserveUnknownFields == true || schema.Nullable || schema.XKubernetesIntOrString || schema.XKubernetesEmbeddedResource))
        {
            Extensions(schema);
            return;
        }
        Text("type"u8, schema.XKubernetesIntOrString ? "" : schema.Type);
        Text("format"u8, schema.Format);
        if (!IsOld)
        {
            Json("default"u8, schema.Default);
            if (schema.Nullable)
                writer.WriteBoolean("nullable"u8, true);
            Many("allOf"u8, schema.AllOf);
            if (schema.XKubernetesIntOrString && schema.AnyOf.IsEmpty)
                IntegerOrText();
            Many("anyOf"u8, schema.AnyOf);
            Many("oneOf"u8, schema.OneOf);
            if (schema.Not is { } not)
            {
                writer.WritePropertyName("not"u8);
                Write(not);
            }
        }
        Limits(schema);
        if (!schema.Enum.IsEmpty)
        {
            writer.WriteStartArray("enum"u8);
            foreach (var one in schema.Enum)
                writer.WriteRawValue(one.Utf8.IsEmpty ? "null"u8 : one.Utf8);
            writer.WriteEndArray();
        }
        if (!schema.Required.IsEmpty)
        {
            writer.WriteStartArray("required"u8);
            foreach (var name in schema.Required)
                writer.WriteStringValue(name);
            writer.WriteEndArray();
        }
        if (schema.Items?.Schema is { } items)
        {
            writer.WritePropertyName("items"u8);
            Write(items);
        }
        else if (schema.Type == "array")
        {
            writer.WriteStartObject("items"u8);
            writer.WriteEndObject();
        }
        Properties(schema, metadata);
        if (schema.AdditionalProperties is { } additional)
        {
            writer.WritePropertyName("additionalProperties"u8);
            if (additional.Schema is not null)
                Write(additional.Schema);
            else
                writer.WriteBooleanValue(additional.Allows);
        }
        Extensions(schema);
    }

    private void Properties(JSONSchemaProps schema, string metadata)
    {
        var hasMeta = metadata.Length > 0 || schema.XKubernetesEmbeddedResource;
        if (schema.Properties.IsEmpty && !hasMeta)
            return;
        writer.WriteStartObject("properties"u8);
        var names = hasMeta ? schema.Properties.Keys.Concat(["apiVersion", "kind", "metadata"]).Distinct().Order(StringComparer.Ordinal) : schema.Properties.Keys;
        foreach (var name in names)
        {
            writer.WritePropertyName(name);
            if (hasMeta && name is ("apiVersion" or "kind"))
                DefinitionWriter.WriteTypeMeta(writer, name);
            else if (metadata.Length > 0 && name == "metadata")
                Metadata(metadata);
            else if (schema.Properties.TryGetValue(name, out var property))
                Write(property);
            else
                Write(new JSONSchemaProps { Type = "object", XKubernetesPreserveUnknownFields = true });
        }
        writer.WriteEndObject();
    }

    private void Metadata(string definition)
    {
        writer.WriteStartObject();
        writer.WriteString("description"u8, "Standard object's metadata: name, namespace, labels and everything else that all objects have.");
        if (IsOld)
        {
            DefinitionWriter.WriteReference(writer, version, definition);
        }
        else
        {
            writer.WriteStartArray("allOf"u8);
            writer.WriteStartObject();
            DefinitionWriter.WriteReference(writer, version, definition);
            writer.WriteEndObject();
            writer.WriteEndArray();
        }
        writer.WriteEndObject();
    }

    private void IntegerOrText()
    {
        writer.WriteStartArray("anyOf"u8);
        foreach (var type in (ReadOnlySpan<string>)["integer", "string"])
        {
            writer.WriteStartObject();
            writer.WriteString("type"u8, type);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private void Limits(JSONSchemaProps schema)
    {
        Number("maximum"u8, schema.Maximum);
        Flag("exclusiveMaximum"u8, schema.ExclusiveMaximum);
        Number("minimum"u8, schema.Minimum);
        Flag("exclusiveMinimum"u8, schema.ExclusiveMinimum);
        Number("maxLength"u8, schema.MaxLength);
        Number("minLength"u8, schema.MinLength);
        Text("pattern"u8, schema.Pattern);
        Number("maxItems"u8, schema.MaxItems);
        Number("minItems"u8, schema.MinItems);
        Flag("uniqueItems"u8, schema.UniqueItems);
        Number("multipleOf"u8, schema.MultipleOf);
        Number("maxProperties"u8, schema.MaxProperties);
        Number("minProperties"u8, schema.MinProperties);
    }

    private void Extensions(JSONSchemaProps schema)
    {
        Flag("x-kubernetes-preserve-unknown-fields"u8, schema.XKubernetesPreserveUnknownFields == true);
        Flag("x-kubernetes-embedded-resource"u8, schema.XKubernetesEmbeddedResource);
        Flag("x-kubernetes-int-or-string"u8, schema.XKubernetesIntOrString);
        if (!schema.XKubernetesListMapKeys.IsEmpty)
        {
            writer.WriteStartArray("x-kubernetes-list-map-keys"u8);
            foreach (var key in schema.XKubernetesListMapKeys)
                writer.WriteStringValue(key);
            writer.WriteEndArray();
        }
        Text("x-kubernetes-list-type"u8, schema.XKubernetesListType ?? "");
        Text("x-kubernetes-map-type"u8, schema.XKubernetesMapType ?? "");
        if (schema.XKubernetesValidations.IsEmpty)
            return;
        writer.WriteStartArray("x-kubernetes-validations"u8);
        foreach (var rule in schema.XKubernetesValidations)
            rule.WriteJson(writer);
        writer.WriteEndArray();
    }

    private void Many(ReadOnlySpan<byte> name, ApiList<JSONSchemaProps> schemas)
    {
        if (schemas.IsEmpty)
            return;
        writer.WriteStartArray(name);
        foreach (var schema in schemas)
            Write(schema);
        writer.WriteEndArray();
    }

    private void Json(ReadOnlySpan<byte> name, RawJson? value)
    {
        if (value is not { IsNull: false } json)
            return;
        writer.WritePropertyName(name);
        writer.WriteRawValue(json.Utf8);
    }

    private void Number(ReadOnlySpan<byte> name, double? value)
    {
        if (value is { } number)
            writer.WriteNumber(name, number);
    }

    private void Flag(ReadOnlySpan<byte> name, bool value)
    {
        if (value)
            writer.WriteBoolean(name, true);
    }

    private void Text(ReadOnlySpan<byte> name, string value)
    {
        if (value.Length > 0)
            writer.WriteString(name, value);
    }
}
