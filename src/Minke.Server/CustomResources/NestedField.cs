using System.Text.Json.Nodes;
using Minke.Server.CustomResources.Schemas;

namespace Minke.Server.CustomResources;

/// <summary>The fields that a scale subresource reads and writes, by dotted path.</summary>
internal static class NestedField
{
    /// <summary>The number there (zero for none), what is wrong with it, and whether there is one.</summary>
    public static (long Value, string Error, bool IsFound) Count(JsonObject tree, string path)
    {
        var (node, error, isFound) = Find(tree, path);
        if (error.Length > 0 || !isFound)
            return (0, error, false);
        return node is not null && JsonTree.IsWhole(node, out var whole) ? (whole, "", true) : (0, WrongType(path, node, "int64"), false);
    }

    public static (string Value, string Error) Text(JsonObject tree, string path)
    {
        var (node, error, isFound) = Find(tree, path);
        if (error.Length > 0 || !isFound)
            return ("", error);
        return JsonTree.IsText(node, out var text) ? (text, "") : ("", WrongType(path, node, "string"));
    }

    /// <summary>Makes the objects on the way where there are none. False when something else is in the way.</summary>
    public static bool Set(JsonObject tree, string path, long value)
    {
        var names = path.TrimStart('.').Split('.');
        foreach (var name in names.AsSpan(0, names.Length - 1))
        {
            if (tree[name] is null)
                tree[name] = new JsonObject();
            if (tree[name] is not JsonObject next)
                return false;
            tree = next;
        }
        tree[names[^1]] = value;
        return true;
    }

    private static (JsonNode? Node, string Error, bool IsFound) Find(JsonObject tree, string path)
    {
        JsonNode? node = tree;
        foreach (var name in path.TrimStart('.').Split('.'))
        {
            if (node is null)
                return (null, "", false);
            if (node is not JsonObject members)
                return (null, WrongType(path, node, "map[string]interface{}"), false);
            if (!members.TryGetPropertyValue(name, out node))
                return (null, "", false);
        }
        return (node, "", true);
    }

    private static string WrongType(string path, JsonNode? value, string expected) =>
        $".{path.TrimStart('.')} accessor error: {(value is null ? "<nil>" : SimplePath.Text(value))} is of the type {JsonTree.GoType(value)}, expected {expected}";
}
