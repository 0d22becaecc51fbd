using System.Text.Json;
using Minke.Api;

namespace Minke.Server.OpenApi;

/// <summary>The paths of one kind: enough for clients to find kinds, verbs and the parameters a server understands.</summary>
internal static class PathWriter
{
    private const string Reference = "#/components/schemas/";
    private const string Meta = "io.k8s.apimachinery.pkg.apis.meta.v1.";

    private static readonly (string Name, string Type)[] ListParameters =
    [
        ("allowWatchBookmarks", "boolean"), ("continue", "string"), ("fieldSelector", "string"), ("labelSelector", "string"), ("limit", "integer"),
        ("resourceVersion", "string"), ("resourceVersionMatch", "string"), ("sendInitialEvents", "boolean"), ("timeoutSeconds", "integer"), ("watch", "boolean"),
    ];

    private static readonly (string Name, string Type)[] WriteParameters = [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];

    private static readonly (string Name, string Type)[] DeleteParameters =
        [("dryRun", "string"), ("gracePeriodSeconds", "integer"), ("orphanDependents", "boolean"), ("propagationPolicy", "string")];

    public static void Write(Utf8JsonWriter writer, KindInfo kind)
    {
        var root = kind.Group.Length == 0 ? $"/api/{kind.Version}" : $"/apis/{kind.Group}/{kind.Version}";
        var collection = kind.IsNamespaced ? $"{root}/namespaces/{{namespace}}/{kind.Plural}" : $"{root}/{kind.Plural}";
        if (kind.IsNamespaced && kind.Verbs.Contains("list"))
            WritePath(writer, kind, $"{root}/{kind.Plural}", ["list"], "");
        WritePath(writer, kind, collection, kind.Verbs.Where(verb => verb is "list" or "create" or "deletecollection"), "");
        WritePath(writer, kind, collection + "/{name}", kind.Verbs.Where(verb => verb is "get" or "update" or "patch" or "delete"), "");
        foreach (var sub in kind.Subresources.Where(sub => sub is { Gate.Length: 0, IsConnect: false, BodyKind.Length: 0 } && sub.Name != "log"))
            WritePath(writer, kind, $"{collection}/{{name}}/{sub.Name}", sub.Verbs, sub.Name);
    }

    private static void WritePath(Utf8JsonWriter writer, KindInfo kind, string path, IEnumerable<string> verbs, string subresource)
    {
        var all = verbs.ToList();
        if (all.Count == 0)
            return;
        writer.WriteStartObject(path);
        foreach (var verb in all)
            WriteOperation(writer, kind, path, verb, subresource);
        writer.WriteStartArray("parameters"u8);
        foreach (var name in (ReadOnlySpan<string>)["name", "namespace"])
        {
            if (path.Contains($"{{{name}}}", StringComparison.Ordinal))
                WriteParameter(writer, name, "string", "path");
        }
        WriteParameter(writer, "pretty", "string", "query");
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteOperation(Utf8JsonWriter writer, KindInfo kind, string path, string verb, string subresource)
    {
        var (method, action, parameters) = verb switch
        {
            "list" => ("get", "list", ListParameters),
            "get" => ("get", "get", []),
            "create" => ("post", "post", WriteParameters),
            "update" => ("put", "put", WriteParameters),
            "patch" => ("patch", "patch", [.. WriteParameters, ("force", "boolean")]),
            "deletecollection" => ("delete", "deletecollection", DeleteParameters),
            _ => ("delete", "delete", DeleteParameters),
        };
        var result = verb is "list" ? kind.Schema.Name + "List" : verb is "delete" or "deletecollection" ? Meta + "Status" : kind.Schema.Name;
        writer.WriteStartObject(method);
        writer.WriteString("description"u8, $"{verb} {kind.Kind}{(subresource.Length > 0 ? " " + subresource : "")}");
        writer.WriteString("operationId"u8, Id(kind, path, verb, subresource));
        writer.WriteStartArray("parameters"u8);
        foreach (var (name, type) in parameters)
            WriteParameter(writer, name, type, "query");
        writer.WriteEndArray();
        if (verb is "create" or "update" or "patch" or "delete" or "deletecollection")
        {
            var body = verb switch { "patch" => Meta + "Patch", "create" or "update" => kind.Schema.Name, _ => Meta + "DeleteOptions" };
            writer.WriteStartObject("requestBody"u8);
            WriteContent(writer, body, verb == "patch"
                ? ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"] : ["*/*"]);
            writer.WriteEndObject();
        }
        writer.WriteStartObject("responses"u8);
        writer.WriteStartObject(verb == "create" ? "201"u8 : "200"u8);
        writer.WriteString("description"u8, verb == "create" ? "Created" : "OK");
        WriteContent(writer, result, ["application/json", "application/vnd.kubernetes.protobuf", "application/yaml"]);
        writer.WriteEndObject();
        writer.WriteStartObject("401"u8);
        writer.WriteString("description"u8, "Unauthorized");
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteStartArray("tags"u8);
        writer.WriteStringValue((kind.Group.Length == 0 ? "core" : kind.Group.Split('.')[0]) + "_" + kind.Version);
        writer.WriteEndArray();
        writer.WriteString("x-kubernetes-action"u8, action);
        writer.WriteStartObject("x-kubernetes-group-version-kind"u8);
        writer.WriteString("group"u8, kind.Group);
        writer.WriteString("kind"u8, kind.Kind);
        writer.WriteString("version"u8, kind.Version);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    /// <summary>As upstream's: <c>listCoreV1NamespacedPod</c>, <c>replaceCoreV1NamespacedPodStatus</c>.</summary>
    private static string Id(KindInfo kind, string path, string verb, string subresource)
    {
        var name = verb switch { "get" => "read", "update" => "replace", "deletecollection" => "delete", _ => verb };
        var group = kind.Group.Length == 0 ? "Core" : Capitalized(kind.Group.Split('.')[0]);
        var scope = (verb == "deletecollection" ? "Collection" : "") + (path.Contains("{namespace}", StringComparison.Ordinal) ? "Namespaced" : "");
        var suffix = verb == "list" && kind.IsNamespaced && scope.Length == 0 ? "ForAllNamespaces" : "";
        return name + group + Capitalized(kind.Version) + scope + kind.Kind + (subresource.Length > 0 ? Capitalized(subresource) : "") + suffix;
    }

    private static string Capitalized(string word) => char.ToUpperInvariant(word[0]) + word[1..];

    private static void WriteParameter(Utf8JsonWriter writer, string name, string type, string place)
    {
        writer.WriteStartObject();
        writer.WriteString("name"u8, name);
        writer.WriteString("in"u8, place);
        if (place == "path")
            writer.WriteBoolean("required"u8, true);
        writer.WriteStartObject("schema"u8);
        writer.WriteString("type"u8, type);
        writer.WriteBoolean("uniqueItems"u8, true);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteContent(Utf8JsonWriter writer, string definition, ReadOnlySpan<string> types)
    {
        writer.WriteStartObject("content"u8);
        foreach (var type in types)
        {
            writer.WriteStartObject(type);
            writer.WriteStartObject("schema"u8);
            writer.WriteString("$ref"u8, Reference + definition);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
    }
}
