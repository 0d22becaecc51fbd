using System.Text.Json.Nodes;

namespace Minke.Server.Patching;

/// <summary>JSON merge patch. (RFC 7386)</summary>
public static class MergePatch
{
    /// <summary>The patched value; <paramref name="target"/> is changed and may be returned. <paramref name="patch"/> is left alone.</summary>
    public static JsonNode? Apply(JsonNode? target, JsonNode? patch)
    {
        if (patch is not JsonObject changes)
            return patch?.DeepClone();

        var result = target as JsonObject ?? [];
        foreach (var (name, change) in changes)
        {
            if (change is null)
            {
                result.Remove(name);
                continue;
            }
            result.TryGetPropertyValue(name, out var current);
            var next = Apply(current, change);
            if (!ReferenceEquals(next, current))
                result[name] = next;
        }
        return result;
    }
}
