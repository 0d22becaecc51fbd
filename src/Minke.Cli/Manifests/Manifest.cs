using System.Text.Json.Nodes;

namespace Minke.Cli.Manifests;

/// <summary>One object somebody wrote down, and where.</summary>
/// <param name="Source">File and line, as messages name it.</param>
/// <param name="Object">As written.</param>
internal sealed record Manifest(string Source, JsonObject Object)
{
    public string ApiVersion { get; } = Text(Object, "apiVersion");
    public string Kind { get; } = Text(Object, "kind");
    public string Name { get; } = Text(Object["metadata"] as JsonObject, "name");

    /// <summary>Empty when not said.</summary>
    public string Namespace { get; } = Text(Object["metadata"] as JsonObject, "namespace");

    /// <summary>What tells the object from others, as written: it must be text.</summary>
    public IEnumerable<(string Path, JsonNode? Value)> Names
    {
        get
        {
            var metadata = Object["metadata"] as JsonObject;
            return [("apiVersion", Object["apiVersion"]), ("kind", Object["kind"]), ("metadata.name", metadata?["name"]), ("metadata.namespace", metadata?["namespace"])];
        }
    }

    private static string Text(JsonObject? holder, string key) =>
        holder?[key] is JsonValue value && value.TryGetValue<string>(out var text) ? text : "";
}
