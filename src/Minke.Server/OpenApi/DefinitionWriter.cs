using System.Text.Json;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.CustomResources;
using Minke.Server.Registry;

namespace Minke.Server.OpenApi;

internal enum OpenApiVersion
{
    /// <summary>Swagger 2.0: one document of everything, without defaults (old clients stumble over those on references).</summary>
    V2,

    /// <summary>OpenAPI 3.0: a document a group-version.</summary>
    V3,
}

/// <summary>
/// The schemas a document refers to, with the extensions that say how lists and maps are merged. Asking for a reference adds the
/// type and everything below it; what nothing refers to is not written. The rules are those of <c>api/README.md</c>, section OpenAPI.
/// </summary>
internal sealed class DefinitionWriter(OpenApiVersion version, IReadOnlyList<string> apiVersions)
{
    private const string Meta = "io.k8s.apimachinery.pkg.apis.meta.v1.";
    private const string PatchName = Meta + "Patch";

    private readonly SortedDictionary<string, Action<Utf8JsonWriter>> _definitions = new(StringComparer.Ordinal);

    /// <summary>The object of a resource. A custom one is written as its definition has it, which says more than its table.</summary>
    public string Refer(Resource resource)
    {
        if (resource.Custom is not { } custom)
            return Refer(resource.Kind.Schema);
        var name = CustomTypes.NameOf(resource.Kind.Group, resource.Kind.Version, resource.Kind.Kind);
        if (_definitions.TryAdd(name, writer => new CustomSchemaWriter(writer, version).WriteRoot(custom, ObjectMeta.TypeSchema.Name)))
            Refer(ObjectMeta.TypeSchema);
        return name;
    }

    public string Refer(TypeSchema schema)
    {
        if (_definitions.TryAdd(schema.Name, writer => WriteStruct(writer, schema)))
        {
            foreach (var field in schema.Fields)
                ReferBelow(field.Type);
        }
        return schema.Name;
    }

    /// <summary>The list of a kind: implied, in no table.</summary>
    public string ReferList(Resource resource)
    {
        var kind = resource.Kind;
        var item = Refer(resource);
        var name = item[..^kind.Kind.Length] + kind.ListKind;
        if (_definitions.TryAdd(name, writer => WriteList(writer, kind, item)))
        {
            Refer(ListMeta.TypeSchema);
        }
        return name;
    }

    /// <summary>The body of a PATCH: no object, whatever its table says.</summary>
    public string ReferPatch()
    {
        _definitions.TryAdd(PatchName, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("description"u8, "The body of a PATCH request, in the form its content type names.");
            writer.WriteString("type"u8, "object");
            writer.WriteEndObject();
        });
        return PatchName;
    }

    public static void WriteReference(Utf8JsonWriter writer, OpenApiVersion version, string name) =>
        writer.WriteString("$ref"u8, (version == OpenApiVersion.V3 ? "#/components/schemas/" : "#/definitions/") + name);

    /// <summary>Into an object that is open.</summary>
    public void WriteAll(Utf8JsonWriter writer)
    {
        foreach (var (name, write) in _definitions)
        {
            writer.WritePropertyName(name);
            write(writer);
        }
    }

    private void ReferBelow(TypeRef type)
    {
        if (type.Element is not null)
            ReferBelow(type.Element);
        if (type.Struct is { } schema)
            Refer(schema);
        else if (type.DefinitionName.Length > 0)
            _definitions.TryAdd(type.DefinitionName, writer => WriteNative(writer, type));
    }

    private void WriteStruct(Utf8JsonWriter writer, TypeSchema schema)
    {
        writer.WriteStartObject();
        WriteText(writer, "description"u8, schema.Description);
        WriteArray(writer, "required"u8, schema.Fields.Where(field => field.IsRequired).Select(field => field.JsonName));
        writer.WriteString("type"u8, "object");
        if (schema.Fields.Count > 0 || schema.Kind.Length > 0)
        {
            writer.WriteStartObject("properties"u8);
            foreach (var name in Names(schema))
            {
                writer.WritePropertyName(name);
                if (schema.Field(name) is { } field)
                    WriteField(writer, schema, field);
                else
                    WriteTypeMeta(writer, name);
            }
            writer.WriteEndObject();
        }
        WriteKinds(writer, schema);
        if (schema.IsAtomic)
            writer.WriteString("x-kubernetes-map-type"u8, "atomic");
        if (schema.Fields.FirstOrDefault(field => field.IsDiscriminator) is { } discriminator)
            WriteUnion(writer, schema, discriminator);
        writer.WriteEndObject();
    }

    private static IEnumerable<string> Names(TypeSchema schema) => schema.Fields.Select(field => field.JsonName)
        .Concat(schema.Kind.Length > 0 ? ["apiVersion", "kind"] : Array.Empty<string>()).Distinct().Order(StringComparer.Ordinal);

    private void WriteList(Utf8JsonWriter writer, KindInfo kind, string item)
    {
        writer.WriteStartObject();
        writer.WriteString("description"u8, $"A list of {kind.Kind} objects.");
        WriteArray(writer, "required"u8, ["items"]);
        writer.WriteString("type"u8, "object");
        writer.WriteStartObject("properties"u8);
        writer.WritePropertyName("apiVersion"u8);
        WriteTypeMeta(writer, "apiVersion");
        writer.WriteStartObject("items"u8);
        writer.WriteString("description"u8, $"List of {kind.Plural}, ordered by namespace and name.");
        writer.WriteString("type"u8, "array");
        writer.WriteStartObject("items"u8);
        WriteReferenceMembers(writer, item, kind.IsDynamic ? null : "{}", hasSiblings: false);
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WritePropertyName("kind"u8);
        WriteTypeMeta(writer, "kind");
        writer.WriteStartObject("metadata"u8);
        writer.WriteString("description"u8, "Of the list as a whole: its revision, and where to go on.");
        WriteReferenceMembers(writer, ListMeta.TypeSchema.Name, "{}", hasSiblings: true);
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteStartArray("x-kubernetes-group-version-kind"u8);
        WriteKind(writer, kind.ApiVersion, kind.ListKind);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    public static void WriteTypeMeta(Utf8JsonWriter writer, string name)
    {
        writer.WriteStartObject();
        writer.WriteString("description"u8, name == "kind"
            ? "Which kind of object this is, in CamelCase. Taken from the address of the request when left out; it never changes."
            : "APIVersion defines the group and version this object is written in. Taken from the address of the request when left out.");
        writer.WriteString("type"u8, "string");
        writer.WriteEndObject();
    }

    private void WriteField(Utf8JsonWriter writer, TypeSchema owner, FieldSchema field)
    {
        writer.WriteStartObject();
        WriteText(writer, "description"u8, field.Description);
        var standard = field.Default ?? (field.IsNullable ? null : Zero(field.Type, field.IsKept));
        if (Definition(field.Type) is { } definition)
            WriteReferenceMembers(writer, definition, standard, field.Description.Length > 0 || HasExtensions(field));
        else
            WriteTypeMembers(writer, field.Type, standard);
        WriteExtensions(writer, owner, field);
        writer.WriteEndObject();
    }

    /// <summary>What stands for an absent value that cannot be told from zero; null where there is none to show.</summary>
    private static string? Zero(TypeRef type, bool isAlwaysThere) => type.Type switch
    {
        SchemaType.Struct => "{}",
        SchemaType.String when isAlwaysThere => "\"\"",
        SchemaType.Int32 or SchemaType.Int64 or SchemaType.Double when isAlwaysThere => "0",
        SchemaType.Boolean when isAlwaysThere => "false",
        _ => null,
    };

    private static string? Definition(TypeRef type) => type.Struct is { } schema ? schema.Name : type.DefinitionName.Length > 0 ? type.DefinitionName : null;

    private static bool HasExtensions(FieldSchema field) => field.ListType != ListType.None || field.IsMerged || field.RetainsKeys || field.IsReplaced;

    private static void WriteExtensions(Utf8JsonWriter writer, TypeSchema owner, FieldSchema field)
    {
        WriteArray(writer, "x-kubernetes-list-map-keys"u8, field.ListType == ListType.Map ? field.ListMapKeys : []);
        // Status.details is a struct, yet upstream gives it a list's word.
        var isList = field.Type.Type is SchemaType.List or SchemaType.Bytes || (owner == Status.TypeSchema && field.JsonName == "details");
        switch (field.ListType)
        {
            case ListType.Atomic or ListType.Granular:
                writer.WriteString(isList ? "x-kubernetes-list-type"u8 : "x-kubernetes-map-type"u8, field.ListType == ListType.Atomic ? "atomic" : "granular");
                break;
            case ListType.Set or ListType.Map:
                writer.WriteString("x-kubernetes-list-type"u8, field.ListType == ListType.Set ? "set" : "map");
                break;
            default:
                break;
        }
        WriteText(writer, "x-kubernetes-patch-merge-key"u8, field.MergeKey);
        WriteText(writer, "x-kubernetes-patch-strategy"u8, string.Join(',', Strategies(field)));
    }

    private static IEnumerable<string> Strategies(FieldSchema field)
    {
        if (field.IsMerged)
            yield return "merge";
        if (field.RetainsKeys)
            yield return "retainKeys";
        if (field.IsReplaced)
            yield return "replace";
    }

    private void WriteElement(Utf8JsonWriter writer, TypeRef type)
    {
        writer.WriteStartObject();
        var standard = Zero(type, isAlwaysThere: true);
        if (Definition(type) is { } definition)
            WriteReferenceMembers(writer, definition, standard, hasSiblings: false);
        else
            WriteTypeMembers(writer, type, standard);
        writer.WriteEndObject();
    }

    private void WriteTypeMembers(Utf8JsonWriter writer, TypeRef type, string? standard)
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
        WriteText(writer, "type"u8, name);
        WriteText(writer, "format"u8, format);
        WriteDefault(writer, standard);
        WriteArray(writer, "enum"u8, type.EnumValues);
        if (type.Element is null)
            return;
        writer.WritePropertyName(type.Type == SchemaType.List ? "items"u8 : "additionalProperties"u8);
        WriteElement(writer, type.Element);
    }

    /// <summary>OpenAPI 3.0 ignores whatever stands beside a <c>$ref</c>, so there a reference with siblings goes into an <c>allOf</c>.</summary>
    private void WriteReferenceMembers(Utf8JsonWriter writer, string name, string? standard, bool hasSiblings)
    {
        if (version == OpenApiVersion.V2 || (standard is null && !hasSiblings))
        {
            WriteReference(writer, version, name);
            return;
        }
        writer.WriteStartArray("allOf"u8);
        writer.WriteStartObject();
        WriteReference(writer, version, name);
        writer.WriteEndObject();
        writer.WriteEndArray();
        WriteDefault(writer, standard);
    }

    private void WriteDefault(Utf8JsonWriter writer, string? json)
    {
        if (json is null || version == OpenApiVersion.V2)
            return;
        writer.WritePropertyName("default"u8);
        writer.WriteRawValue(json);
    }

    private void WriteNative(Utf8JsonWriter writer, TypeRef type)
    {
        var (name, format, others, description) = type.Type switch
        {
            SchemaType.Time => ("string", "date-time", [], "A moment in whole seconds, written as RFC 3339 says; null when unknown."),
            SchemaType.MicroTime => ("string", "date-time", [], "A moment in microseconds, written as RFC 3339 says with six decimals."),
            SchemaType.Duration => ("string", "", [], "A length of time such as 1h30m or 250ms."),
            SchemaType.Quantity => ("string", "", (string[])["number"],
                "A decimal number with an optional suffix: binary (Ki, Mi, Gi, Ti, Pi, Ei), decimal (n, u, m, k, M, G, T, P, E) or an exponent (e3). "
                + "100m of cpu is a tenth of a core, 64Mi of memory 67108864 bytes. Answers carry the canonical form: no fraction, the largest suffix that fits."),
            SchemaType.IntOrString => ("string", "int-or-string", ["integer"], "A whole number, or a text such as the name of a port or a percentage."),
            SchemaType.Raw => Raw(type.DefinitionName),
            _ => ("", "", [], ""),
        };
        writer.WriteStartObject();
        WriteText(writer, "description"u8, description);
        if (version == OpenApiVersion.V3 && others.Length > 0)
        {
            // Upstream's order: the type that is not text first for IntOrString, last for Quantity.
            WriteText(writer, "format"u8, format);
            writer.WriteStartArray("oneOf"u8);
            foreach (var one in type.Type == SchemaType.Quantity ? [name, others[0]] : (ReadOnlySpan<string>)[others[0], name])
            {
                writer.WriteStartObject();
                writer.WriteString("type"u8, one);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
        }
        else
        {
            WriteText(writer, "type"u8, name);
            WriteText(writer, "format"u8, format);
        }
        writer.WriteEndObject();
    }

    private static (string Name, string Format, string[] Others, string Description) Raw(string definition) => definition[(definition.LastIndexOf('.') + 1)..] switch
    {
        "FieldsV1" => ("object", "", [], "The fields that a manager has set, as a tree: f:NAME for a field, k:{…} for an item found by its keys, v:… for a value, i:… for a position."),
        "RawExtension" => ("object", "", [], "Any object, carried as it is."),
        "JSON" => ("", "", [], "Any JSON value."),
        "JSONSchemaPropsOrArray" => ("", "", [], "A schema, or a list of schemas."),
        "JSONSchemaPropsOrBool" => ("", "", [], "A schema, or true or false."),
        "JSONSchemaPropsOrStringArray" => ("", "", [], "A schema, or a list of names."),
        _ => ("object", "", [], ""),
    };

    /// <summary>A union's discriminator names the member that is set: its JSON name, capitalised.</summary>
    private static void WriteUnion(Utf8JsonWriter writer, TypeSchema schema, FieldSchema discriminator)
    {
        writer.WriteStartArray("x-kubernetes-unions"u8);
        writer.WriteStartObject();
        writer.WriteString("discriminator"u8, discriminator.JsonName);
        writer.WriteStartObject("fields-to-discriminateBy"u8);
        foreach (var field in schema.Fields.Where(field => !field.IsDiscriminator).OrderBy(field => field.JsonName, StringComparer.Ordinal))
            writer.WriteString(field.JsonName, char.ToUpperInvariant(field.JsonName[0]) + field.JsonName[1..]);
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndArray();
    }

    private void WriteKinds(Utf8JsonWriter writer, TypeSchema schema)
    {
        // These two are read in every group-version, and say so.
        var isEverywhere = schema == DeleteOptions.TypeSchema || schema == WatchEvent.TypeSchema;
        if (schema.Kind.Length == 0 && !isEverywhere)
            return;
        writer.WriteStartArray("x-kubernetes-group-version-kind"u8);
        foreach (var apiVersion in isEverywhere ? apiVersions : [schema.ApiVersion])
            WriteKind(writer, apiVersion, schema.GoName);
        writer.WriteEndArray();
    }

    private static void WriteKind(Utf8JsonWriter writer, string apiVersion, string kind)
    {
        var slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
        writer.WriteStartObject();
        writer.WriteString("group"u8, slash < 0 ? "" : apiVersion[..slash]);
        writer.WriteString("kind"u8, kind);
        writer.WriteString("version"u8, apiVersion[(slash + 1)..]);
        writer.WriteEndObject();
    }

    private static void WriteText(Utf8JsonWriter writer, ReadOnlySpan<byte> name, string value)
    {
        if (value.Length > 0)
            writer.WriteString(name, value);
    }

    private static void WriteArray(Utf8JsonWriter writer, ReadOnlySpan<byte> name, IEnumerable<string> values)
    {
        var isOpen = false;
        foreach (var value in values)
        {
            if (!isOpen)
                writer.WriteStartArray(name);
            isOpen = true;
            writer.WriteStringValue(value);
        }
        if (isOpen)
            writer.WriteEndArray();
    }
}
