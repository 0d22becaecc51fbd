using System.Text.Json;
using System.Text.Json.Nodes;

namespace Minke.Server.Patching;

/// <summary>JSON as Go prints the maps and slices it decodes to: <c>map[name:web ports:[80 443]]</c>.</summary>
internal static class GoMapText
{
    public static string Of(JsonNode? node) => node switch
    {
        null => "<nil>",
        JsonObject map => "map[" + string.Join(' ', map.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}:{Of(pair.Value)}")) + "]",
        JsonArray list => "[" + string.Join(' ', list.Select(Of)) + "]",
        JsonValue value when value.GetValueKind() == JsonValueKind.String => value.GetValue<string>(),
        _ => node.ToJsonString(),
    };
}
