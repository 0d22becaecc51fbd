using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Client;

namespace Minke.Server.Requests;

/// <summary>A patch as it is written: of a field that stands in it twice the last holds, and whoever wants to know is told.</summary>
internal sealed class PatchText
{
    // sigs.k8s.io/json stops listing at 100 errors.
    private const int MaxProblems = 100;

    private static readonly string[] OperationFields = ["op", "path", "from", "value"];
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 128 };

    private readonly PatchKind _kind;
    private readonly List<string> _problems = [];

    private PatchText(JsonElement patch, PatchKind kind)
    {
        _kind = kind;
        Patch = kind == PatchKind.Json ? CopyOperations(patch)
            : patch.ValueKind is JsonValueKind.Object or JsonValueKind.Null ? Copy(patch, "")
            : throw Mismatch(patch, "map[string]interface {}");
    }

    /// <summary>Nobody else's: it may be changed.</summary>
    public JsonNode? Patch { get; }

    /// <summary>Fields that stand twice, or that an operation does not have: parts of upstream's <c>strict decoding error</c>.</summary>
    public IReadOnlyList<string> Problems => _problems;

    /// <exception cref="StatusException">400: not JSON, or no patch of its kind.</exception>
    public static PatchText Read(byte[] text, PatchKind kind)
    {
        try
        {
            return new(JsonElement.Parse(text, Options), kind);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second is what is said to text that is no UTF-8.
            throw Undecodable(kind, GoJsonError.Of(text));
        }
    }

    private JsonArray CopyOperations(JsonElement patch)
    {
        if (patch.ValueKind != JsonValueKind.Array)
            throw Mismatch(patch, "[]handlers.jsonPatchOp");
        var operations = new JsonArray();
        foreach (var operation in patch.EnumerateArray())
        {
            if (operation.ValueKind != JsonValueKind.Object)
                throw Mismatch(operation, "handlers.jsonPatchOp");
            operations.Add((JsonNode)CopyMembers(operation, $"[{operations.Count}]", OperationFields));
        }
        return operations;
    }

    private JsonNode? Copy(JsonElement element, string path)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                return CopyMembers(element, path, known: null);
            case JsonValueKind.Array:
                var items = new JsonArray();
                foreach (var item in element.EnumerateArray())
                    items.Add(Copy(item, $"{path}[{items.Count}]"));
                return items;
            case JsonValueKind.Null:
                return null;
            default:
                return JsonValue.Create(element);
        }
    }

    private JsonObject CopyMembers(JsonElement element, string path, string[]? known)
    {
        var members = new JsonObject();
        foreach (var member in element.EnumerateObject())
        {
            var field = path.Length == 0 ? member.Name : $"{path}.{member.Name}";
            if (known?.Contains(member.Name) == false)
            {
                Report($"unknown field \"{field}\"");
                continue;
            }
            if (members.ContainsKey(member.Name))
                Report($"duplicate field \"{field}\"");
            members[member.Name] = Copy(member.Value, field);
        }
        return members;
    }

    private void Report(string problem)
    {
        if (_kind == PatchKind.Json)
            problem = "json patch " + problem;
        if (_problems.Count < MaxProblems && !_problems.Contains(problem))
            _problems.Add(problem);
    }

    private StatusException Mismatch(JsonElement element, string type) => Undecodable(_kind,
        $"json: cannot unmarshal {(element.ValueKind is JsonValueKind.True or JsonValueKind.False ? "bool" : element.ValueKind.ToString().ToLowerInvariant())} into Go value of type {type}");

    private static StatusException Undecodable(PatchKind kind, string why) =>
        StatusException.BadRequest(kind == PatchKind.StrategicMerge ? why : "error decoding patch: " + why);
}
