using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace Minke.Api.Tests.Validation;

/// <summary>Input/expected pairs of <c>testdata</c>: one YAML document each, with a <c>name</c>.</summary>
internal static class Cases
{
    public static IEnumerable<(string Name, JsonObject Case)> Of(string pattern)
    {
        foreach (var file in Directory.EnumerateFiles(Root(), pattern, SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            foreach (var (_, document) in YamlReader.Read(File.ReadAllText(file)))
                yield return ($"{Path.GetFileNameWithoutExtension(file)}: {document["name"]}", document.AsObject());
        }
    }

    /// <summary>Names for a theory; the case itself is found again by name.</summary>
    public static TheoryData<string> Names(string pattern) => [.. Of(pattern).Select(one => one.Name)];

    public static JsonObject Find(string pattern, string name) => Of(pattern).Single(one => one.Name == name).Case;

    /// <summary>As the server reads an object: decoded, then defaults.</summary>
    public static IKubeObject Decode(KindInfo kind, JsonNode json, JsonReadContext? context = null) =>
        KindBehaviors.For(kind).Default(kind.ReadJson(System.Text.Encoding.UTF8.GetBytes(json.ToJsonString()), context).WithConstantDefaults());

    /// <summary>As the server creates it: prepared, then judged.</summary>
    public static (IKubeObject Value, FieldErrors Errors) Create(KindInfo kind, JsonNode json)
    {
        var behavior = KindBehaviors.For(kind);
        var value = behavior.CompleteCreate(behavior.PrepareForCreate(Decode(kind, json)));
        var errors = new FieldErrors();
        behavior.Validate(value, null, errors);
        return (value, errors);
    }

    /// <summary>
    /// The whole message that refuses what a case gives, empty when nothing does: its object, or what its <c>update</c> or <c>status</c>
    /// makes of that.
    /// </summary>
    public static string Judge(JsonObject one)
    {
        var kind = Kinds.Find(one["apiVersion"]?.GetValue<string>() ?? "v1", one["kind"]!.GetValue<string>())!;
        var behavior = KindBehaviors.For(kind);
        var (value, errors) = Create(kind, one["given"]!);
        if ((one["update"] ?? one["status"]) is { } change)
        {
            Assert.Empty(errors);
            var old = value.WithMetadata(value.Metadata with { ResourceVersion = "1" });
            value = Decode(kind, change);
            value = value.WithMetadata(value.Metadata with { ResourceVersion = "1" });
            if (one["update"] is not null)
                behavior.Validate(value = behavior.PrepareForUpdate(value, old), old, errors);
            else
                behavior.ValidateStatus(value = behavior.PrepareForStatusUpdate(value, old), old, errors);
        }
        return Message(kind, value, errors);
    }

    public static string Message(KindInfo kind, IKubeObject value, FieldErrors errors) =>
        errors.Count == 0 ? "" : StatusException.Invalid(kind, value.Metadata.Name, errors).Message;

    /// <summary>Members of <paramref name="changes"/> in place of, or merged into, those of the same name.</summary>
    public static JsonObject Merge(JsonObject into, JsonNode? changes)
    {
        foreach (var (key, value) in changes?.AsObject() ?? [])
        {
            if (value is JsonObject inner && into[key] is JsonObject own)
                Merge(own, inner);
            else
                into[key] = value?.DeepClone();
        }
        return into;
    }

    public static JsonObject Yaml(string text) => YamlReader.Read(text).Single().Document.AsObject();

    private static string Root([CallerFilePath] string file = "") => Path.Combine(Path.GetDirectoryName(file)!, "..", "testdata");
}
