using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.Requests;

namespace Minke.Server.Tables;

/// <summary>The Table form of objects: what kubectl prints.</summary>
internal static class TableWriter
{
    public static void Write(Utf8JsonWriter writer, ApiRequest request, IEnumerable<IKubeObject> items, ListMeta metadata, bool withColumns)
    {
        var columns = request.Resource.Custom?.Columns ?? TableColumns.For(request.Resource.Kind);
        writer.WriteStartObject();
        writer.WriteString("kind"u8, "Table");
        writer.WriteString("apiVersion"u8, request.Media.MetaVersion);
        writer.WritePropertyName("metadata"u8);
        metadata.WriteJson(writer);
        if (withColumns)
        {
            writer.WriteStartArray("columnDefinitions"u8);
            foreach (var column in columns)
            {
                writer.WriteStartObject();
                writer.WriteString("name"u8, column.Name);
                writer.WriteString("type"u8, column.Type);
                writer.WriteString("format"u8, column.Format);
                writer.WriteString("description"u8, column.Description);
                writer.WriteNumber("priority"u8, column.Priority);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
        }
        else
        {
            writer.WriteNull("columnDefinitions"u8);
        }
        writer.WriteStartArray("rows"u8);
        foreach (var item in items)
            WriteRow(writer, columns, item, request);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    /// <exception cref="StatusException">400: rows can hold the object, its metadata or nothing.</exception>
    public static void Check(HttpContext http)
    {
        var asked = Responses.IncludeObject(http);
        if (asked is not ("" or IncludeObjectPolicy.None or IncludeObjectPolicy.Metadata or IncludeObjectPolicy.Object))
        {
            throw StatusException.BadRequest("Unable to convert to Table as requested: "
                + $"includeObject: Invalid value: {FieldErrors.Quote(asked)}: must be 'Metadata', 'Object', 'None', or empty");
        }
    }

    private static void WriteRow(Utf8JsonWriter writer, IReadOnlyList<TableColumn> columns, IKubeObject item, ApiRequest request)
    {
        var now = request.Clock.GetUtcNow();
        writer.WriteStartObject();
        writer.WriteStartArray("cells"u8);
        foreach (var column in columns)
        {
            switch (column.Cell(item, now))
            {
                case null:
                    writer.WriteNullValue();
                    break;
                case string text:
                    writer.WriteStringValue(text);
                    break;
                case bool flag:
                    writer.WriteBooleanValue(flag);
                    break;
                case long number:
                    writer.WriteNumberValue(number);
                    break;
                case int number:
                    writer.WriteNumberValue(number);
                    break;
                case double number:
                    writer.WriteNumberValue(number);
                    break;
                case var other:
                    writer.WriteStringValue(other.ToString());
                    break;
            }
        }
        writer.WriteEndArray();
        if (Conditions(item))
        {
            writer.WriteStartArray("conditions"u8);
            writer.WriteStartObject();
            writer.WriteString("type"u8, "Completed");
            writer.WriteString("status"u8, "True");
            var phase = ((Minke.Api.Core.V1.Pod)item).Status.Phase;
            writer.WriteString("reason"u8, phase);
            writer.WriteString("message"u8, phase == "Succeeded" ? "The pod has completed successfully." : "The pod failed.");
            writer.WriteEndObject();
            writer.WriteEndArray();
        }
        switch (Responses.IncludeObject(request.Http))
        {
            case IncludeObjectPolicy.None:
                break;
            case IncludeObjectPolicy.Object:
                writer.WritePropertyName("object"u8);
                item.WriteJson(writer);
                break;
            default:
                writer.WritePropertyName("object"u8);
                PartialMetadata.Write(writer, item, request.Media);
                break;
        }
        writer.WriteEndObject();
    }

    private static bool Conditions(IKubeObject item) => item is Minke.Api.Core.V1.Pod { Status.Phase: "Succeeded" or "Failed" };
}
