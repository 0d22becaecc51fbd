using System.Text.Json.Nodes;
using Minke.Api;

namespace Minke.Server.Apply;

/// <summary>What an applier wants: the fields it has an opinion on, with type, name and namespace.</summary>
internal sealed class ApplyConfiguration(JsonObject document, bool force)
{
    private byte[]? _json;

    public JsonObject Document => document;
    public bool Force => force;
    public byte[] Json => _json ??= LastApplied.Bytes(document);

    /// <exception cref="StatusException">400: of another kind or version than the path.</exception>
    public void CheckType(KindInfo kind)
    {
        if (Text("apiVersion") != kind.ApiVersion || Text("kind") != kind.Kind)
            throw StatusException.BadRequest($"invalid object type: {DescribeType()}");
    }

    /// <exception cref="StatusException">400: ownership is not applied.</exception>
    public void CheckNoManagedFields()
    {
        if (Metadata?["managedFields"] is JsonArray)
            throw StatusException.BadRequest("metadata.managedFields must be nil");
    }

    /// <summary>As errors name it: <c>shop/web; apps/v1, Kind=Deployment</c>.</summary>
    public string Describe() => $"{TextOf(Metadata?["namespace"])}/{TextOf(Metadata?["name"])}; {DescribeType()}";

    public static string Describe(KindInfo kind) => $"{kind.Group}/{kind.Version}, Kind={kind.Kind}";

    private JsonObject? Metadata => document["metadata"] as JsonObject;

    private string DescribeType()
    {
        var parts = Text("apiVersion").Split('/');
        return parts.Length switch
        {
            1 => $"/{parts[0]}, Kind={Text("kind")}",
            2 => $"{parts[0]}/{parts[1]}, Kind={Text("kind")}",
            _ => "/, Kind=",
        };
    }

    private string Text(string name) => TextOf(document[name]);

    private static string TextOf(JsonNode? node) =>
        node is JsonValue value && value.GetValueKind() == System.Text.Json.JsonValueKind.String ? value.GetValue<string>() : "";
}
