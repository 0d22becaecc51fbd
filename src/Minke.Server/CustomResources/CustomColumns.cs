using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Server.CustomResources.Schemas;
using Minke.Server.Tables;

namespace Minke.Server.CustomResources;

/// <summary>What <c>kubectl get</c> shows of a custom kind: the name and the definition's printer columns, or its age when it names none.</summary>
internal static class CustomColumns
{
    private static readonly CustomResourceColumnDefinition Age = new()
    {
        Name = "Age",
        Type = "date",
        Description = TableColumns.AgeDescription,
        JsonPath = ".metadata.creationTimestamp",
    };

    public static IReadOnlyList<TableColumn> Of(CustomVersion version)
    {
        var columns = version.Spec.AdditionalPrinterColumns;
        return [TableColumns.Name, .. (columns.IsEmpty ? [Age] : columns).Select(Column)];
    }

    private static TableColumn Column(CustomResourceColumnDefinition column)
    {
        var path = SimplePath.Parse(column.JsonPath);
        return new(column.Name, column.Type, column.Format, column.Priority, (value, now) => path.Find((CustomObject)value) is { } found ? Cell(column.Type, found, now) : null)
        {
            Description = column.Description.Length > 0 ? column.Description : $"Custom resource definition column (in JSONPath format): {column.JsonPath}",
        };
    }

    /// <summary>Null for a value of another type than the column's.</summary>
    private static object? Cell(string type, JsonNode value, DateTimeOffset now)
    {
        switch (type)
        {
            case "string":
                return SimplePath.Text(value);
            case "integer" when JsonTree.IsNumber(value, out var number):
                return JsonTree.IsWhole(value, out var whole) ? whole : (long)number;
            case "number" when JsonTree.IsNumber(value, out var number):
                return number;
            case "boolean" when value is JsonValue flag && flag.TryGetValue(out bool isSet):
                return isSet;
            case "date" when JsonTree.IsText(value, out var text):
                try
                {
                    return Ages.Since(Time.Parse(text), now);
                }
                catch (FormatException)
                {
                    return "<invalid>";
                }
            default:
                return null;
        }
    }
}
