using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Server.Registry;

namespace Minke.Server.Requests;

internal enum FieldValidation { Ignore, Warn, Strict }

/// <summary>A request's body as an object of the kind the path names, with upstream's errors.</summary>
internal static class ObjectDecoder
{
    private const int SummaryLength = 30;
    private const string NoProtobuf = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml";

    /// <summary>Decoded and with its defaults.</summary>
    /// <exception cref="StatusException">400: not JSON, another kind, a wrong type, or under Strict a field that is unknown.</exception>
    public static IKubeObject Decode(Resource resource, byte[] body, BodyFormat format, FieldValidation validation, WriteContext context)
    {
        var kind = resource.Kind;
        if (format == BodyFormat.Protobuf)
            return resource.Custom is null ? WithDefaults(resource, DecodeProto(kind, body)) : throw StatusException.UnsupportedMediaType(NoProtobuf);
        var duplicates = new List<string>();
        var json = format == BodyFormat.Yaml ? FromYaml(kind, body, duplicates) : body;
        var (apiVersion, kindName) = ReadType(kind, json, body);
        return WithDefaults(resource, ReadJson(kind, json, body, duplicates, apiVersion, kindName, validation, context));
    }

    public static IKubeObject WithDefaults(Resource resource, IKubeObject value) => resource.Behavior.Default(value.WithConstantDefaults());

    /// <summary>A body of a type that is no kind of its own, such as DeleteOptions.</summary>
    public static T Decode<T>(string typeName, byte[] body, BodyFormat format, JsonRead<T> read, ProtoRead<T> readProto)
    {
        try
        {
            if (format == BodyFormat.Protobuf)
                return readProto(ProtoEnvelope.Open(body).Raw.Span);
            return Json.Read(format == BodyFormat.Yaml ? YamlToJson(body, []) : body, read);
        }
        catch (Exception e) when (e is JsonReadException or ProtoReadException or FormatException)
        {
            throw StatusException.BadRequest($"the object provided is unrecognized (must be of type {typeName}): {e.Message} ({Summary(body)})");
        }
    }

    private static IKubeObject ReadJson(
        KindInfo kind, byte[] json, byte[] body, List<string> duplicates, string apiVersion, string kindName, FieldValidation validation, WriteContext context)
    {
        var strict = new JsonReadContext();
        IKubeObject value;
        try
        {
            value = kind.ReadJson(json, strict);
        }
        catch (JsonReadException e)
        {
            throw e.IsMalformed ? Unparsed(kind, e.Message, body) : CannotBeHandled(kind, apiVersion, kindName, e.Message);
        }
        if ((strict.StrictErrors.Count == 0 && duplicates.Count == 0) || validation == FieldValidation.Ignore)
            return value;
        if (validation == FieldValidation.Strict)
        {
            string[] problems = duplicates.Count == 0 ? [.. strict.StrictErrors] : [YamlProblem(duplicates), .. strict.StrictErrors];
            throw CannotBeHandled(kind, apiVersion, kindName, "strict decoding error: " + string.Join(", ", problems));
        }
        context.Warnings.AddRange([.. duplicates, .. strict.StrictErrors]);
        return value;
    }

    private static IKubeObject DecodeProto(KindInfo kind, byte[] body)
    {
        try
        {
            var (apiVersion, kindName, raw) = ProtoEnvelope.Open(body);
            CheckType(kind, apiVersion.Length == 0 ? kind.ApiVersion : apiVersion, kindName.Length == 0 ? kind.Kind : kindName);
            return kind.ReadProto(raw.Span);
        }
        catch (ProtoReadException e)
        {
            throw StatusException.BadRequest($"the object provided is unrecognized (must be of type {kind.Kind}): {e.Message} ({Summary(body)})");
        }
    }

    /// <summary>Of keys that stand twice in a YAML document, as its decoder says it.</summary>
    public static string YamlProblem(IReadOnlyList<string> duplicates) => "yaml: unmarshal errors:\n  " + string.Join("\n  ", duplicates);

    private static byte[] FromYaml(KindInfo kind, byte[] body, List<string> duplicates)
    {
        try
        {
            return YamlToJson(body, duplicates);
        }
        catch (FormatException e)
        {
            throw Unparsed(kind, "error converting YAML to JSON: yaml: " + e.Message, body);
        }
    }

    /// <param name="body">Its first document counts.</param>
    /// <param name="duplicates">Is told of keys that stand twice, of which the last holds.</param>
    /// <exception cref="FormatException">Not YAML.</exception>
    public static byte[] YamlToJson(byte[] body, ICollection<string> duplicates)
    {
        var documents = YamlReader.Read(Encoding.UTF8.GetString(body), duplicates);
        if (documents.Count == 0)
            return "{}"u8.ToArray();
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
            WriteSorted(writer, documents[0].Document);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>As Go writes a map: what is wrong with its members is told in this order.</summary>
    private static void WriteSorted(Utf8JsonWriter writer, JsonNode? node)
    {
        switch (node)
        {
            case JsonObject members:
                writer.WriteStartObject();
                foreach (var (name, value) in members.OrderBy(member => member.Key, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(name);
                    WriteSorted(writer, value);
                }
                writer.WriteEndObject();
                break;
            case JsonArray items:
                writer.WriteStartArray();
                foreach (var item in items)
                    WriteSorted(writer, item);
                writer.WriteEndArray();
                break;
            case null:
                writer.WriteNullValue();
                break;
            default:
                node.WriteTo(writer);
                break;
        }
    }

    /// <summary>The type the body claims; what it leaves out is what the path says.</summary>
    private static (string ApiVersion, string Kind) ReadType(KindInfo kind, byte[] json, byte[] body)
    {
        string apiVersion = "", kindName = "";
        try
        {
            var reader = new Utf8JsonReader(json, Json.ReaderOptions);
            reader.Read();
            if (reader.TokenType == JsonTokenType.StartObject)
            {
                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    var isVersion = reader.ValueTextEquals("apiVersion"u8);
                    var isKind = reader.ValueTextEquals("kind"u8);
                    reader.Read();
                    if (isVersion && reader.TokenType == JsonTokenType.String)
                        apiVersion = reader.GetString()!;
                    else if (isKind && reader.TokenType == JsonTokenType.String)
                        kindName = reader.GetString()!;
                    else
                        reader.Skip();
                    // Both usually come first; a broken rest is found when the object is read.
                    if (apiVersion.Length > 0 && kindName.Length > 0)
                        break;
                }
            }
            else
            {
                throw Unparsed(kind, GoTypeMeta.NotIn(Describe(reader.TokenType)), body);
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second is what the reader says to text that is no UTF-8.
            throw Unparsed(kind, GoJsonError.Of(json), body);
        }
        if (kind.IsDynamic && kindName.Length == 0)
            throw Unrecognized(kind, $"Object 'Kind' is missing in '{Encoding.UTF8.GetString(body)}'", body);
        if (apiVersion.Length == 0)
            apiVersion = kind.ApiVersion;
        if (kindName.Length == 0)
            kindName = kind.Kind;
        CheckType(kind, apiVersion, kindName);
        return (apiVersion, kindName);
    }

    private static void CheckType(KindInfo kind, string apiVersion, string kindName)
    {
        if (apiVersion == kind.ApiVersion && kindName == kind.Kind)
            return;
        if (kind.IsDynamic)
            throw WrongType(kind, apiVersion, kindName);
        if (Kinds.Find(apiVersion, kindName) is not { } other)
            throw CannotBeHandled(kind, apiVersion, kindName, NotRegistered(apiVersion, kindName));
        if (other.Kind == kind.Kind && other.Group == kind.Group)
        {
            throw StatusException.BadRequest(
                $"the API version in the data ({apiVersion}) does not match the expected API version ({kind.ApiVersion})");
        }
        throw CannotBeHandled(kind, apiVersion, kindName, NotConverted(other, kind));
    }

    /// <summary>Custom objects of another version are refused when read, those of another kind when validated.</summary>
    private static StatusException WrongType(KindInfo kind, string apiVersion, string kindName)
    {
        if (apiVersion != kind.ApiVersion)
            return StatusException.BadRequest($"the API version in the data ({apiVersion}) does not match the expected API version ({kind.ApiVersion})");
        var errors = new FieldErrors();
        errors.Invalid("kind", kindName, $"must be {kind.Kind}");
        return StatusException.Invalid(kind, "", errors);
    }

    private static StatusException CannotBeHandled(KindInfo kind, string apiVersion, string kindName, string why) =>
        StatusException.BadRequest($"{kindName} in version \"{apiVersion[(apiVersion.IndexOf('/', StringComparison.Ordinal) + 1)..]}\" cannot be handled as a {kind.Kind}: {why}");

    private static StatusException Unrecognized(KindInfo kind, string why, byte[] body) =>
        StatusException.BadRequest($"the object provided is unrecognized (must be of type {kind.Kind}): {why} ({Summary(body)})");

    private static StatusException Unparsed(KindInfo kind, string why, byte[] body) => Unrecognized(kind, GoTypeMeta.Unreadable + why, body);

    /// <summary>A kind that nobody knows.</summary>
    public static string NotRegistered(string apiVersion, string kind) =>
        $"no kind \"{kind}\" is registered for version \"{apiVersion}\" in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"";

    /// <summary>A kind that is another.</summary>
    public static string NotConverted(KindInfo from, KindInfo to) => $"converting ({from.Version}.{from.Kind}) to ({GoInternalName(to)}): unknown conversion";

    public static string GoInternalName(KindInfo kind) => (kind.Group.Length == 0 ? "core" : kind.Group.Split('.')[0]) + "." + kind.Kind;

    private static string Describe(JsonTokenType type) => type switch
    {
        JsonTokenType.StartArray => "array",
        JsonTokenType.String => "string",
        JsonTokenType.Number => "number",
        JsonTokenType.True or JsonTokenType.False => "bool",
        _ => "null",
    };

    private static string Summary(byte[] body)
    {
        if (body.Length == 0)
            return "<empty>";
        var part = body.AsSpan(0, Math.Min(body.Length, SummaryLength));
        var text = body[0] == '{' ? Encoding.UTF8.GetString(part) : Convert.ToHexStringLower(part);
        return body.Length > SummaryLength ? text + " ..." : text;
    }
}
