using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Minke.Server.Patching;

/// <summary>JSON patch (RFC 6902), with the limits and words of the library upstream uses (evanphx/json-patch v4).</summary>
public static class JsonPatch
{
    private const int MaxOperations = 10_000;
    private const long MaxCopiedBytes = 3 * 1024 * 1024;

    /// <summary>The patched document; <paramref name="document"/> is changed.</summary>
    /// <exception cref="PatchException">Malformed, or an operation does not fit the document.</exception>
    public static JsonNode? Apply(JsonNode? document, JsonNode? patch)
    {
        if (patch is not JsonArray operations)
            throw new PatchException("json: cannot unmarshal object into Go value of type jsonpatch.Patch");
        if (operations.Count > MaxOperations)
            throw new PatchException($"The allowed maximum operations in a JSON patch is {MaxOperations}, got {operations.Count}", PatchFailure.TooLarge);

        long copied = 0;
        foreach (var node in operations)
        {
            if (node is not JsonObject operation)
                throw new PatchException("json: cannot unmarshal into Go value of type jsonpatch.Operation");
            var path = Pointer.Parse(Text(operation, "path") ?? throw new PatchException("operation has no path", PatchFailure.Unprocessable));
            document = Text(operation, "op") switch
            {
                "add" => Add(document, path, Value(operation)),
                "remove" => Remove(document, path),
                "replace" => Replace(document, path, Value(operation)),
                "move" => Move(document, Source(operation), path),
                "copy" => Copy(document, Source(operation), path, ref copied),
                "test" => Test(document, path, operation["value"]),
                var other => throw new PatchException($"Unexpected kind: {other ?? "unknown"}", PatchFailure.Unprocessable),
            };
        }
        return document;
    }

    private static JsonNode? Add(JsonNode? document, Pointer path, JsonNode? value)
    {
        if (path.IsRoot)
            return value;
        switch (Parent(document, path, "add"))
        {
            case JsonObject members:
                members[path.Last] = value;
                break;
            case JsonArray items:
                items.Insert(path.Last == "-" ? items.Count : Index(path.Last, items.Count, "add", path), value);
                break;
        }
        return document;
    }

    private static JsonNode? Remove(JsonNode? document, Pointer path)
    {
        if (path.IsRoot)
            throw new PatchException("remove operation does not apply: doc is missing path: \"\": missing value", PatchFailure.Unprocessable);
        switch (Parent(document, path, "remove"))
        {
            case JsonObject members when !members.Remove(path.Last):
                throw new PatchException($"remove operation does not apply: doc is missing key: {path.Text}: missing value", PatchFailure.Unprocessable);
            case JsonArray items:
                items.RemoveAt(Index(path.Last, items.Count - 1, "remove", path));
                break;
        }
        return document;
    }

    private static JsonNode? Replace(JsonNode? document, Pointer path, JsonNode? value)
    {
        if (path.IsRoot)
            return value;
        switch (Parent(document, path, "replace"))
        {
            case JsonObject members:
                if (!members.ContainsKey(path.Last))
                    throw new PatchException($"replace operation does not apply: doc is missing key: {path.Text}: missing value", PatchFailure.Unprocessable);
                members[path.Last] = value;
                break;
            case JsonArray items:
                items[Index(path.Last, items.Count - 1, "replace", path)] = value;
                break;
        }
        return document;
    }

    private static JsonNode? Move(JsonNode? document, Pointer from, Pointer path)
    {
        if (path.IsBelow(from))
            throw new PatchException($"move operation does not apply: {path.Text} is inside {from.Text}", PatchFailure.Unprocessable);
        var value = Find(document, from, "move")?.DeepClone();
        return Add(Remove(document, from), path, value);
    }

    private static JsonNode? Copy(JsonNode? document, Pointer from, Pointer path, ref long copied)
    {
        var value = Find(document, from, "copy")?.DeepClone();
        copied += value?.ToJsonString().Length ?? 4;
        if (copied > MaxCopiedBytes)
            throw new PatchException($"Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the limit {MaxCopiedBytes}", PatchFailure.TooLarge);
        return Add(document, path, value);
    }

    private static JsonNode? Test(JsonNode? document, Pointer path, JsonNode? expected)
    {
        JsonNode? actual;
        try
        {
            actual = Find(document, path, "test");
        }
        catch (PatchException) when (expected is null)
        {
            // A value that is not there equals null.
            return document;
        }
        return JsonNode.DeepEquals(actual, expected) ? document : throw new PatchException($"testing value {path.Text} failed: test failed", PatchFailure.Unprocessable);
    }

    private static JsonNode? Find(JsonNode? document, Pointer path, string operation)
    {
        if (path.IsRoot)
            return document;
        return Parent(document, path, operation) switch
        {
            JsonObject members => members.TryGetPropertyValue(path.Last, out var value)
                ? value : throw new PatchException($"{operation} operation does not apply: doc is missing key: {path.Text}: missing value", PatchFailure.Unprocessable),
            JsonArray items => items[Index(path.Last, items.Count - 1, operation, path)],
            _ => null,
        };
    }

    /// <summary>The object or array that holds the last step.</summary>
    private static JsonNode Parent(JsonNode? document, Pointer path, string operation)
    {
        var node = document;
        foreach (var step in path.Steps.SkipLast(1))
        {
            node = node switch
            {
                JsonObject members => members[step],
                JsonArray items => items[Index(step, items.Count - 1, operation, path)],
                _ => null,
            };
        }
        return node is JsonObject or JsonArray
            ? node : throw new PatchException($"{operation} operation does not apply: doc is missing path: \"{path.Text}\": missing value", PatchFailure.Unprocessable);
    }

    private static int Index(string step, int last, string operation, Pointer path)
    {
        if (!int.TryParse(step, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var index))
            throw new PatchException($"{operation} operation does not apply: doc is missing path: {path.Text}: strconv.Atoi: parsing \"{step}\": invalid syntax", PatchFailure.Unprocessable);
        // The library counts negative indexes from the end.
        if (index < 0)
            index += last + (operation is "add" ? 0 : 1);
        return index >= 0 && index <= last
            ? index : throw new PatchException($"{operation} operation does not apply: doc is missing path: {path.Text}: Unable to access invalid index: {step}: invalid index referenced", PatchFailure.Unprocessable);
    }

    private static JsonNode? Value(JsonObject operation) => operation.TryGetPropertyValue("value", out var value)
        ? value?.DeepClone() : throw new PatchException("operation has no value", PatchFailure.Unprocessable);

    private static Pointer Source(JsonObject operation) =>
        Pointer.Parse(Text(operation, "from") ?? throw new PatchException("operation has no from", PatchFailure.Unprocessable));

    private static string? Text(JsonObject operation, string name) =>
        operation[name] is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;

    /// <summary>A JSON pointer. (RFC 6901)</summary>
    private sealed record Pointer(string Text, string[] Steps)
    {
        public bool IsRoot => Steps.Length == 0;
        public string Last => Steps[^1];

        public bool IsBelow(Pointer other) => Text.StartsWith(other.Text + "/", StringComparison.Ordinal);

        public static Pointer Parse(string text)
        {
            if (text.Length == 0)
                return new(text, []);
            if (text[0] != '/')
                throw new PatchException($"doc is missing path: \"{text}\": missing value", PatchFailure.Unprocessable);
            return new(text, [.. text[1..].Split('/').Select(step => step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))]);
        }
    }
}
