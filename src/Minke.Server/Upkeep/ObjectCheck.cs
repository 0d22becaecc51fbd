using System.Text.Json;
using Minke.Api;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Upkeep;

/// <summary>Whether what a state holds are objects, each under its own name.</summary>
public static class ObjectCheck
{
    /// <summary>What is wrong, in words. Objects of custom kinds are looked at as JSON: their definitions may be what is damaged.</summary>
    public static IEnumerable<string> Problems(IEnumerable<Entry> entries)
    {
        var kinds = new ResourceCatalog(ServedKinds.Default).All.Where(resource => resource.Conversion is null)
            .ToDictionary(resource => resource.Prefix, resource => resource.StorageKind, StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            if (ProblemOf(entry, kinds) is { } problem)
                yield return $"{entry.Key} {problem}";
        }
    }

    private static string? ProblemOf(Entry entry, Dictionary<string, KindInfo> kinds)
    {
        // The prefix ends at the second slash; then a namespace, for kinds that have one, and the name.
        var end = entry.Key.IndexOf('/', 1) + 1;
        if (end <= 1)
            return "is no key of an object";
        try
        {
            if (!StoredObject.IsWellFormed(entry))
                return "is cut off, or not an object";
            var (@namespace, name) = kinds.TryGetValue(entry.Key[..end], out var kind) ? NameOf(StoredObject.Decode(kind, entry).Metadata) : NameIn(entry);
            var own = @namespace.Length > 0 ? $"{@namespace}/{name}" : name;
            return own == entry.Key[end..] ? null : $"holds an object of another name, {FieldErrors.Quote(own)}";
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // Whatever a decoder says of it: an object that cannot be read.
            return $"does not decode: {exception.Message}";
        }
    }

    private static (string Namespace, string Name) NameOf(Minke.Api.Meta.V1.ObjectMeta metadata) => (metadata.Namespace, metadata.Name);

    private static (string Namespace, string Name) NameIn(Entry entry)
    {
        using var json = JsonDocument.Parse(StoredObject.JsonOf(entry));
        var metadata = json.RootElement.GetProperty("metadata");
        return (metadata.TryGetProperty("namespace", out var value) ? value.GetString()! : "", metadata.GetProperty("name").GetString()!);
    }
}
