using System.Globalization;
using System.Text.Json;

namespace Minke.Server.OpenApi;

/// <summary>Writes paths and their operations. Parameters that all operations of a path share stand once, at the path, as upstream has them.</summary>
internal sealed class PathWriter(Utf8JsonWriter writer, OpenApiVersion version)
{
    /// <summary>Into an object that is open.</summary>
    public void Write(string path, List<Operation> operations)
    {
        var shared = operations[0].Parameters.Where(parameter => operations.TrueForAll(operation => operation.Parameters.Contains(parameter))).ToList();
        writer.WriteStartObject(path);
        foreach (var operation in operations.OrderBy(operation => operation.Method, StringComparer.Ordinal))
        {
            writer.WritePropertyName(operation.Method);
            Write(operation, [.. operation.Parameters.Where(parameter => !shared.Contains(parameter))]);
        }
        WriteParameters(shared, null);
        writer.WriteEndObject();
    }

    private void Write(Operation operation, List<Parameter> parameters)
    {
        writer.WriteStartObject();
        writer.WriteString("description"u8, operation.Description);
        if (version == OpenApiVersion.V2)
        {
            WriteArray("consumes"u8, operation.Consumes);
            WriteArray("produces"u8, operation.Produces);
            WriteArray("schemes"u8, ["https"]);
        }
        WriteArray("tags"u8, [operation.Tag]);
        writer.WriteString("operationId"u8, operation.Id);
        WriteParameters(parameters, operation);
        if (version == OpenApiVersion.V3 && operation.Body.Length > 0)
        {
            writer.WriteStartObject("requestBody"u8);
            WriteContent(operation.Consumes, operation.Body);
            if (operation.IsBodyRequired)
                writer.WriteBoolean("required"u8, true);
            writer.WriteEndObject();
        }
        WriteResponses(operation);
        if (operation.Action.Length > 0)
            writer.WriteString("x-kubernetes-action"u8, operation.Action);
        if (operation.Kind is var (group, groupVersion, kind))
        {
            writer.WriteStartObject("x-kubernetes-group-version-kind"u8);
            writer.WriteString("group"u8, group);
            writer.WriteString("kind"u8, kind);
            writer.WriteString("version"u8, groupVersion);
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
    }

    private void WriteParameters(List<Parameter> parameters, Operation? operation)
    {
        var hasBody = version == OpenApiVersion.V2 && operation is { Body.Length: > 0 };
        if (parameters.Count == 0 && !hasBody)
            return;
        writer.WriteStartArray("parameters"u8);
        if (hasBody)
        {
            writer.WriteStartObject();
            writer.WriteString("name"u8, "body");
            writer.WriteString("in"u8, "body");
            if (operation!.IsBodyRequired)
                writer.WriteBoolean("required"u8, true);
            WriteSchema(operation.Body);
            writer.WriteEndObject();
        }
        foreach (var parameter in parameters.OrderBy(parameter => parameter.Name, StringComparer.Ordinal))
            Write(parameter);
        writer.WriteEndArray();
    }

    private void Write(Parameter parameter)
    {
        writer.WriteStartObject();
        writer.WriteString("name"u8, parameter.Name);
        writer.WriteString("in"u8, parameter.IsInPath ? "path" : "query");
        if (parameter.Description.Length > 0)
            writer.WriteString("description"u8, parameter.Description);
        if (parameter.IsRequired)
            writer.WriteBoolean("required"u8, true);
        if (version == OpenApiVersion.V3)
            writer.WriteStartObject("schema"u8);
        writer.WriteString("type"u8, parameter.Type);
        writer.WriteBoolean("uniqueItems"u8, true);
        if (version == OpenApiVersion.V3)
            writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private void WriteResponses(Operation operation)
    {
        writer.WriteStartObject("responses"u8);
        foreach (var code in operation.Codes)
        {
            writer.WriteStartObject(code.ToString(CultureInfo.InvariantCulture));
            writer.WriteString("description"u8, code switch { 201 => "Created", 202 => "Accepted", _ => "OK" });
            if (version == OpenApiVersion.V3)
                WriteContent(operation.Produces, operation.Result);
            else
                WriteSchema(operation.Result);
            writer.WriteEndObject();
        }
        writer.WriteStartObject("401"u8);
        writer.WriteString("description"u8, "Unauthorized");
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private void WriteContent(IReadOnlyList<string> types, string definition)
    {
        writer.WriteStartObject("content"u8);
        foreach (var type in types.Order(StringComparer.Ordinal))
        {
            writer.WriteStartObject(type);
            WriteSchema(definition);
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
    }

    private void WriteSchema(string definition)
    {
        writer.WriteStartObject("schema"u8);
        if (definition.Length > 0)
            DefinitionWriter.WriteReference(writer, version, definition);
        else
            writer.WriteString("type"u8, "string");
        writer.WriteEndObject();
    }

    private void WriteArray(ReadOnlySpan<byte> name, IReadOnlyList<string> values)
    {
        writer.WriteStartArray(name);
        foreach (var value in values)
            writer.WriteStringValue(value);
        writer.WriteEndArray();
    }
}
