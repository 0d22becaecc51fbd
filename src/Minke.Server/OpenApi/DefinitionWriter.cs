using System.Text.Json;
using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Server.OpenApi;

/// <summary>Schemas of kinds and everything they refer to, with the extensions that say how lists and maps are merged.</summary>
internal sealed class DefinitionWriter(Utf8JsonWriter writer, string referencePrefix, bool isVersion3)
{
    private const string KindDescription = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint "
        + "the client submits requests to. Cannot be updated. In CamelCase.";
    private const string ApiVersionDescription = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized "
        + "schemas to the latest internal value, and may reject unrecognized values.";

    private readonly SortedDictionary<string, Action> _definitions = new(StringComparer.Ordinal);

    public void Write(IEnumerable<KindInfo> kinds)
    {
        foreach (var kind in kinds)
        {
            Add(kind.Schema);
            if (kind.Verbs.Contains("list"))
                AddList(kind);
            foreach (var sub in kind.Subresources.Where(sub => sub.BodyKind.Length > 0))
            {
                foreach (var schema in Kinds.SchemasByApiVersion.GetValueOrDefault(sub.BodyApiVersion) ?? [])
                {
                    if (schema().Kind == sub.BodyKind)
                        Add(schema());
                }
            }
        }
        Add(Status.TypeSchema);
        Add(DeleteOptions.TypeSchema);
        Add(WatchEvent.TypeSchema);
        Add("io.k8s.apimachinery.pkg.apis.meta.v1.Patch", () => WritePlain("object", "", "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body."));
        foreach (var (name, write) in _definitions)
        {
            writer.WritePropertyName(name);
            write();
        }
    }

    private void Add(string name, Action write) => _definitions.TryAdd(name, write);

    private void Add(TypeSchema schema)
    {
        if (!_definitions.TryAdd(schema.Name, () => WriteStruct(schema)))
            return;
        foreach (var field in schema.Fields)
            AddReferred(field.Type);
    }

    private void AddReferred(TypeRef type)
    {
        if (type.Element is not null)
            AddReferred(type.Element);
        if (type.Struct is { } schema)
            Add(schema);
        else if (type.DefinitionName.Length > 0)
            Add(type.DefinitionName, () => WriteNative(type));
    }

    private void AddList(KindInfo kind)
    {
        Add(ListMeta.TypeSchema);
        Add(kind.Schema.Name + "List", () =>
        {
            writer.WriteStartObject();
            writer.WriteString("description"u8, $"{kind.ListKind} is a list of {kind.Kind} objects.");
            writer.WriteString("type"u8, "object");
            Required(["items"]);
            writer.WriteStartObject("properties"u8);
            WriteTypeMeta();
            writer.WriteStartObject("items"u8);
            writer.WriteString("description"u8, "Items is the list of objects.");
            writer.WriteString("type"u8, "array");
            writer.WritePropertyName("items"u8);
            WriteReference(kind.Schema.Name, "", "{}");
            writer.WriteEndObject();
            writer.WritePropertyName("metadata"u8);
            WriteReference(ListMeta.TypeSchema.Name, "Standard list metadata.", "{}");
            writer.WriteEndObject();
            WriteKind(kind.ApiVersion, kind.ListKind);
            writer.WriteEndObject();
        });
    }

    private void WriteStruct(TypeSchema schema)
    {
        writer.WriteStartObject();
        if (schema.Description.Length > 0)
            writer.WriteString("description"u8, schema.Description);
        writer.WriteString("type"u8, "object");
        Required(schema.Fields.Where(field => field.IsRequired).Select(field => field.JsonName));
        if (schema.Fields.Count > 0 || schema.Kind.Length > 0)
        {
            writer.WriteStartObject("properties"u8);
            if (schema.Kind.Length > 0)
                WriteTypeMeta();
            foreach (var field in schema.Fields.OrderBy(field => field.JsonName, StringComparer.Ordinal))
            {
                writer.WritePropertyName(field.JsonName);
                WriteField(field);
            }
            writer.WriteEndObject();
        }
        if (schema.IsAtomic)
            writer.WriteString("x-kubernetes-map-type"u8, "atomic");
        if (schema.Kind.Length > 0)
            WriteKind(schema.ApiVersion, schema.Kind);
        writer.WriteEndObject();
    }

    private void WriteTypeMeta()
    {
        writer.WritePropertyName("apiVersion"u8);
        WritePlain("string", "", ApiVersionDescription);
        writer.WritePropertyName("kind"u8);
        WritePlain("string", "", KindDescription);
    }

    private void WriteKind(string apiVersion, string kind)
    {
        var slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
        writer.WriteStartArray("x-kubernetes-group-version-kind"u8);
        writer.WriteStartObject();
        writer.WriteString("group"u8, slash < 0 ? "" : apiVersion[..slash]);
        writer.WriteString("kind"u8, kind);
        writer.WriteString("version"u8, apiVersion[(slash + 1)..]);
        writer.WriteEndObject();
        writer.WriteEndArray();
    }

    private void WriteField(FieldSchema field)
    {
        var isReference = field.Type.Type == SchemaType.Struct || field.Type.DefinitionName.Length > 0;
        var standard = field.Default ?? (field.IsNullable ? null : field.Type.Type switch
        {
            SchemaType.Struct => "{}",
            SchemaType.String when field.IsKept => "\"\"",
            SchemaType.Int32 or SchemaType.Int64 when field.IsKept => "0",
            SchemaType.Boolean when field.IsKept => "false",
            _ => null,
        });
        if (isReference && HasNoExtensions(field))
        {
            WriteReference(field.Type.Struct?.Name ?? field.Type.DefinitionName, field.Description, standard);
            return;
        }
        writer.WriteStartObject();
        if (field.Description.Length > 0)
            writer.WriteString("description"u8, field.Description);
        if (isReference)
            WriteReferenceMembers(field.Type.Struct?.Name ?? field.Type.DefinitionName, alone: false);
        else
            WriteTypeMembers(field.Type);
        if (standard is not null)
            WriteDefault(standard);
        WriteExtensions(field);
        writer.WriteEndObject();
    }

    private static bool HasNoExtensions(FieldSchema field) => field.ListType == ListType.None && !field.IsMerged && !field.RetainsKeys && !field.IsReplaced;

    private void WriteExtensions(FieldSchema field)
    {
        var isList = field.Type.Type is SchemaType.List or SchemaType.Bytes;
        switch (field.ListType)
        {
            case ListType.Atomic:
                writer.WriteString(isList ? "x-kubernetes-list-type"u8 : "x-kubernetes-map-type"u8, "atomic");
                break;
            case ListType.Granular:
                writer.WriteString("x-kubernetes-map-type"u8, "granular");
                break;
            case ListType.Set:
                writer.WriteString("x-kubernetes-list-type"u8, "set");
                break;
            case ListType.Map:
                writer.WriteStartArray("x-kubernetes-list-map-keys"u8);
                foreach (var key in field.ListMapKeys)
                    writer.WriteStringValue(key);
                writer.WriteEndArray();
                writer.WriteString("x-kubernetes-list-type"u8, "map");
                break;
            default:
                break;
        }
        if (field.MergeKey.Length > 0)
            writer.WriteString("x-kubernetes-patch-merge-key"u8, field.MergeKey);
        var strategies = new List<string>();
        if (field.IsMerged)
            strategies.Add("merge");
        if (field.RetainsKeys)
            strategies.Add("retainKeys");
        if (field.IsReplaced)
            strategies.Add("replace");
        if (strategies.Count > 0)
            writer.WriteString("x-kubernetes-patch-strategy"u8, string.Join(',', strategies));
    }

    private void WriteType(TypeRef type)
    {
        if (type.Struct is { } schema)
        {
            WriteReference(schema.Name, "", "{}");
            return;
        }
        if (type.DefinitionName.Length > 0)
        {
            WriteReference(type.DefinitionName, "", null);
            return;
        }
        writer.WriteStartObject();
        WriteTypeMembers(type);
        if (type.Type == SchemaType.String)
            WriteDefault("\"\"");
        writer.WriteEndObject();
    }

    private void WriteTypeMembers(TypeRef type)
    {
        var (name, format) = type.Type switch
        {
            SchemaType.String => ("string", ""),
            SchemaType.Boolean => ("boolean", ""),
            SchemaType.Int32 => ("integer", "int32"),
            SchemaType.Int64 => ("integer", "int64"),
            SchemaType.Double => ("number", "double"),
            SchemaType.Bytes => ("string", "byte"),
            SchemaType.List => ("array", ""),
            SchemaType.Any => ("", ""),
            _ => ("object", ""),
        };
        if (name.Length > 0)
            writer.WriteString("type"u8, name);
        if (format.Length > 0)
            writer.WriteString("format"u8, format);
        if (type.EnumValues.Length > 0)
        {
            writer.WriteStartArray("enum"u8);
            foreach (var value in type.EnumValues)
                writer.WriteStringValue(value);
            writer.WriteEndArray();
        }
        if (type.Element is null)
            return;
        writer.WritePropertyName(type.Type == SchemaType.List ? "items"u8 : "additionalProperties"u8);
        WriteType(type.Element);
    }

    private void WriteNative(TypeRef type)
    {
        switch (type.Type)
        {
            case SchemaType.Time or SchemaType.MicroTime:
                WritePlain("string", "date-time", type.Type == SchemaType.Time ? "Time in whole seconds, RFC 3339." : "Time in microseconds, RFC 3339.");
                break;
            case SchemaType.Quantity when isVersion3:
                WriteOneOf("", "Quantity is a fixed-point number in one canonical text form: 100m, 64Mi, 1e3.", "string", "number");
                break;
            case SchemaType.IntOrString when isVersion3:
                WriteOneOf("int-or-string", "IntOrString holds an int32 or a string.", "integer", "string");
                break;
            case SchemaType.IntOrString:
                WritePlain("string", "int-or-string", "IntOrString holds an int32 or a string.");
                break;
            case SchemaType.Duration or SchemaType.Quantity or SchemaType.String:
                WritePlain("string", "", "");
                break;
            case SchemaType.Any:
                writer.WriteStartObject();
                writer.WriteEndObject();
                break;
            default:
                WritePlain("object", "", "");
                break;
        }
    }

    private void WriteOneOf(string format, string description, params string[] types)
    {
        writer.WriteStartObject();
        writer.WriteString("description"u8, description);
        if (format.Length > 0)
            writer.WriteString("format"u8, format);
        writer.WriteStartArray("oneOf"u8);
        foreach (var type in types)
        {
            writer.WriteStartObject();
            writer.WriteString("type"u8, type);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private void WritePlain(string type, string format, string description)
    {
        writer.WriteStartObject();
        if (description.Length > 0)
            writer.WriteString("description"u8, description);
        writer.WriteString("type"u8, type);
        if (format.Length > 0)
            writer.WriteString("format"u8, format);
        writer.WriteEndObject();
    }

    private void WriteReference(string name, string description, string? standard)
    {
        writer.WriteStartObject();
        var isAlone = description.Length == 0 && standard is null;
        if (description.Length > 0)
            writer.WriteString("description"u8, description);
        WriteReferenceMembers(name, isAlone);
        if (standard is not null && isVersion3)
            WriteDefault(standard);
        writer.WriteEndObject();
    }

    // OpenAPI 3.0 ignores whatever stands beside a $ref, so it goes into an allOf.
    private void WriteReferenceMembers(string name, bool alone)
    {
        if (alone || !isVersion3)
        {
            writer.WriteString("$ref"u8, referencePrefix + name);
            return;
        }
        writer.WriteStartArray("allOf"u8);
        writer.WriteStartObject();
        writer.WriteString("$ref"u8, referencePrefix + name);
        writer.WriteEndObject();
        writer.WriteEndArray();
    }

    private void WriteDefault(string json)
    {
        writer.WritePropertyName("default"u8);
        writer.WriteRawValue(json);
    }

    private void Required(IEnumerable<string> names)
    {
        var sorted = names.ToList();
        if (sorted.Count == 0)
            return;
        writer.WriteStartArray("required"u8);
        foreach (var name in sorted)
            writer.WriteStringValue(name);
        writer.WriteEndArray();
    }
}
