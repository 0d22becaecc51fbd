using System.Net;
using System.Text.Json.Nodes;

namespace Minke.Cli.Api;

/// <summary>Where the objects of a kind live, as the server's discovery says; asked once for each group-version.</summary>
internal sealed class ResourceMap(ApiConnection api)
{
    private readonly Dictionary<string, IReadOnlyDictionary<string, Resource>> _known = new(StringComparer.Ordinal);

    /// <summary>Null when the server has no such kind.</summary>
    public async Task<Resource?> FindAsync(string apiVersion, string kind, CancellationToken cancellationToken)
    {
        if (!_known.TryGetValue(apiVersion, out var resources))
            _known[apiVersion] = resources = await DiscoverAsync(apiVersion, cancellationToken);
        return resources.GetValueOrDefault(kind);
    }

    private async Task<IReadOnlyDictionary<string, Resource>> DiscoverAsync(string apiVersion, CancellationToken cancellationToken)
    {
        var root = apiVersion.Contains('/', StringComparison.Ordinal) ? "/apis/" + apiVersion : "/api/" + apiVersion;
        var found = new Dictionary<string, Resource>(StringComparer.Ordinal);
        var list = await api.TryGetAsync(root, cancellationToken);
        foreach (var resource in (list?["resources"] as JsonArray ?? []).OfType<JsonObject>())
        {
            var plural = resource["name"]!.GetValue<string>();
            if (!plural.Contains('/', StringComparison.Ordinal)) // subresources have a slash
                found.TryAdd(resource["kind"]!.GetValue<string>(), new Resource(root, plural, resource["namespaced"]!.GetValue<bool>()));
        }
        return found;
    }
}

/// <param name="Root"><c>/api/v1</c>, <c>/apis/apps/v1</c>.</param>
/// <param name="Plural"><c>pods</c>.</param>
/// <param name="IsNamespaced">Whether its objects live in namespaces.</param>
internal sealed record Resource(string Root, string Plural, bool IsNamespaced)
{
    public string Collection(string @namespace) =>
        IsNamespaced ? $"{Root}/namespaces/{WebUtility.UrlEncode(@namespace)}/{Plural}" : $"{Root}/{Plural}";

    public string Path(string @namespace, string name) => $"{Collection(@namespace)}/{WebUtility.UrlEncode(name)}";
}
