using System.Text.Json;
using Minke.Api;

namespace Minke.Server.OpenApi;

/// <summary>
/// The Swagger 2.0 document as protobuf, which client-go's discovery client asks for and nothing else: message Document of
/// gnostic's openapiv2/OpenAPIv2.proto, as far as our document goes. A value of free form is carried as its YAML, which JSON is.
/// </summary>
/// <remarks><see cref="ProtoWriter"/> writes backwards, so each message's fields stand here from the last to the first.</remarks>
internal sealed class SwaggerProtobuf
{
    private readonly ProtoWriter _writer = new();

    public static byte[] FromJson(byte[] swagger)
    {
        using var document = JsonDocument.Parse(swagger);
        var protobuf = new SwaggerProtobuf();
        protobuf.WriteDocument(document.RootElement);
        return protobuf._writer.Written.ToArray();
    }

    private void WriteDocument(JsonElement document)
    {
        Named(13, document, "securityDefinitions", 1, one => Message(2, () => // ApiKeySecurity
        {
            Text(4, one, "description");
            Text(3, one, "in");
            Text(2, one, "name");
            Text(1, one, "type");
        }));
        Each(12, document, "security", requirement => Entries(1, requirement, names => Texts(1, names)));
        Named(9, document, "definitions", 1, WriteSchema);
        Message(8, () => Entries(2, document.GetProperty("paths"), WritePath));
        if (document.TryGetProperty("info", out var info))
        {
            Message(2, () =>
            {
                Text(2, info, "version");
                Text(1, info, "title");
            });
        }
        Text(1, document, "swagger");
    }

    private void WritePath(JsonElement path)
    {
        Each(9, path, "parameters", WriteParameter);
        foreach (var (method, field) in (ReadOnlySpan<(string, int)>)[("patch", 8), ("head", 7), ("options", 6), ("delete", 5), ("post", 4), ("put", 3), ("get", 2)])
        {
            if (path.TryGetProperty(method, out var operation))
                Message(field, () => WriteOperation(operation));
        }
    }

    private void WriteOperation(JsonElement operation)
    {
        Extensions(13, operation);
        Texts(10, operation, "schemes");
        Named(9, operation, "responses", 1, response => Message(1, () =>
        {
            if (response.TryGetProperty("schema", out var schema))
                Message(2, () => Message(1, () => WriteSchema(schema)));
            Text(1, response, "description");
        }));
        Each(8, operation, "parameters", WriteParameter);
        Texts(7, operation, "consumes");
        Texts(6, operation, "produces");
        Text(5, operation, "operationId");
        Text(3, operation, "description");
        Texts(1, operation, "tags");
    }

    private void WriteParameter(JsonElement parameter) => Message(1, () =>
    {
        if (parameter.GetProperty("in").ValueEquals("body"))
        {
            Message(1, () =>
            {
                Message(5, () => WriteSchema(parameter.GetProperty("schema")));
                Flag(4, parameter, "required");
                Text(3, parameter, "in");
                Text(2, parameter, "name");
                Text(1, parameter, "description");
            });
            return;
        }
        // Alike, but for a field of queries (allow_empty_value) that moves the numbers behind it.
        var isInPath = parameter.GetProperty("in").ValueEquals("path");
        Message(2, () => Message(isInPath ? 4 : 3, () =>
        {
            Flag(isInPath ? 19 : 20, parameter, "uniqueItems");
            Text(isInPath ? 5 : 6, parameter, "type");
            Text(4, parameter, "name");
            Text(3, parameter, "description");
            Text(2, parameter, "in");
            Flag(1, parameter, "required");
        }));
    });

    private void WriteSchema(JsonElement schema)
    {
        Extensions(31, schema);
        if (schema.TryGetProperty("properties", out var properties))
            Message(25, () => Entries(1, properties, WriteSchema));
        if (schema.TryGetProperty("items", out var items))
            Message(23, () => Message(1, () => WriteSchema(items)));
        if (schema.TryGetProperty("type", out var type))
            Message(22, () => _writer.String(1, type.GetString()!));
        if (schema.TryGetProperty("additionalProperties", out var additional))
            Message(21, () => Message(1, () => WriteSchema(additional)));
        Each(20, schema, "enum", Any);
        Texts(19, schema, "required");
        Text(4, schema, "description");
        Text(2, schema, "format");
        Text(1, schema, "$ref");
    }

    private void Extensions(int field, JsonElement owner)
    {
        foreach (var member in owner.EnumerateObject().Reverse())
        {
            if (!member.Name.StartsWith("x-", StringComparison.Ordinal))
                continue;
            Message(field, () =>
            {
                Message(2, () => Any(member.Value));
                _writer.String(1, member.Name);
            });
        }
    }

    private void Any(JsonElement value) => _writer.String(2, value.GetRawText() + "\n");

    /// <summary>A message that holds nothing but a map, kept as pairs of name and value.</summary>
    private void Named(int field, JsonElement owner, string name, int entryField, Action<JsonElement> write)
    {
        if (owner.TryGetProperty(name, out var map))
            Message(field, () => Entries(entryField, map, write));
    }

    private void Entries(int field, JsonElement map, Action<JsonElement> write)
    {
        foreach (var entry in map.EnumerateObject().Reverse())
        {
            Message(field, () =>
            {
                Message(2, () => write(entry.Value));
                _writer.String(1, entry.Name);
            });
        }
    }

    private void Each(int field, JsonElement owner, string name, Action<JsonElement> write)
    {
        if (!owner.TryGetProperty(name, out var list))
            return;
        foreach (var item in list.EnumerateArray().Reverse())
            Message(field, () => write(item));
    }

    private void Texts(int field, JsonElement owner, string name)
    {
        if (owner.TryGetProperty(name, out var list))
            Texts(field, list);
    }

    private void Texts(int field, JsonElement list)
    {
        foreach (var item in list.EnumerateArray().Reverse())
            _writer.String(field, item.GetString()!);
    }

    private void Text(int field, JsonElement owner, string name)
    {
        if (owner.TryGetProperty(name, out var value))
            _writer.String(field, value.GetString()!);
    }

    private void Flag(int field, JsonElement owner, string name)
    {
        if (owner.TryGetProperty(name, out var value) && value.GetBoolean())
            _writer.Bool(field, true);
    }

    private void Message(int field, Action write)
    {
        var mark = _writer.Length;
        write();
        _writer.EndMessage(field, mark);
    }
}
