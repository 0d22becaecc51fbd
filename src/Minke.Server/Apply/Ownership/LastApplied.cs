using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;

namespace Minke.Server.Apply;

/// <summary>
/// The annotation of kubectl's client-side apply. When kubectl goes over to server-side apply, what it had applied before is its own
/// already, and the annotation is kept up to date, so that going back works too.
/// </summary>
internal static class LastApplied
{
    public const string Annotation = "kubectl.kubernetes.io/last-applied-configuration";

    /// <summary>The manager that this is for; others opt out by their name.</summary>
    public const string Kubectl = "kubectl";

    private const int MaxAnnotationsBytes = 256 * 1024;

    /// <summary>What the annotation says and the object still is; null when it says nothing that can be used.</summary>
    public static FieldSet? Owned(IKubeObject live, TypedObject typed)
    {
        if (!live.Metadata.Annotations.TryGetValue(Annotation, out var text) || text.Length == 0)
            return null;
        try
        {
            if (JsonNode.Parse(text) is not JsonObject applied || TextOf(applied["apiVersion"]) != typed.ApiVersion)
                return null;
            using var last = new TypedObject(Bytes(applied), typed.ApiVersion, typed.Shape);
            if (TypedValidation.Check(last.Root, last.Shape, allowDuplicates: false) is not null)
                return null;
            var comparison = last.CompareTo(typed);
            return last.Fields.Difference(comparison.Modified).Difference(comparison.Added).Difference(comparison.Removed);
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>The object with the annotation saying what has just been applied, if it had one.</summary>
    public static IKubeObject Refresh(IKubeObject value, JsonObject applied)
    {
        var metadata = value.Metadata;
        if (!metadata.Annotations.TryGetValue(Annotation, out var old) || old.Length == 0)
            return value;
        var config = (JsonObject)Sorted(applied)!;
        if ((config["metadata"] as JsonObject)?["annotations"] is JsonObject annotations)
            annotations.Remove(Annotation);
        var refreshed = metadata.Annotations.With(Annotation, Encoding.UTF8.GetString(Bytes(config)) + "\n");
        var size = refreshed.Sum(pair => Encoding.UTF8.GetByteCount(pair.Key) + Encoding.UTF8.GetByteCount(pair.Value));
        return value.WithMetadata(metadata with { Annotations = size > MaxAnnotationsBytes ? metadata.Annotations.Without(Annotation) : refreshed });
    }

    public static byte[] Bytes(JsonNode node)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
            node.WriteTo(writer);
        return buffer.WrittenSpan.ToArray();
    }

    private static string TextOf(JsonNode? node) => node is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : "";

    /// <summary>Go writes maps in the order of their keys.</summary>
    private static JsonNode? Sorted(JsonNode? node) => node switch
    {
        JsonObject map => new JsonObject(map.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => KeyValuePair.Create(pair.Key, Sorted(pair.Value)))),
        JsonArray list => new JsonArray([.. list.Select(Sorted)]),
        _ => node?.DeepClone(),
    };
}
