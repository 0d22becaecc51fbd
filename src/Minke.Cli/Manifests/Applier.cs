using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Minke.Api;
using Minke.Cli.Api;

namespace Minke.Cli.Manifests;

/// <summary>What applying one manifest did, in kubectl's words.</summary>
internal enum Applied { Created, Configured, Unchanged }

/// <summary>An applied object as the server has it now.</summary>
internal sealed record AppliedObject(Manifest Manifest, Resource Resource, string Namespace, JsonObject Object, Applied What)
{
    /// <summary>As kubectl prints it: <c>pod/web</c>, <c>deployment.apps/web</c>.</summary>
    public string DisplayName
    {
        get
        {
            var group = Manifest.ApiVersion.Contains('/', StringComparison.Ordinal) ? "." + Manifest.ApiVersion.Split('/')[0] : "";
            return Manifest.Kind.ToLowerInvariant() + group + "/" + Manifest.Name;
        }
    }
}

/// <summary>
/// Applies manifests with the semantics of <c>kubectl apply</c>, client side: what is not there is created; what is there gets a
/// three-way patch against the manifest of last time, which is kept in the same annotation kubectl keeps it in, so both tools can be
/// used on the same objects.
/// </summary>
/// <remarks>
/// Not server-side apply: objects people made with plain <c>kubectl apply</c> have no field managers for it to go by, and its
/// conflicts would need an answer that <c>up</c> has nobody to ask for.
/// </remarks>
internal sealed partial class Applier(ApiConnection api, TimeProvider clock)
{
    private const string LastApplied = "kubectl.kubernetes.io/last-applied-configuration";

    /// <summary>As kubectl: a misspelt field is refused, not dropped.</summary>
    private const string Strictly = "?fieldValidation=Strict";

    /// <summary>A new namespace gets its service account a moment later; until then its pods are refused.</summary>
    private static readonly TimeSpan ServiceAccountPatience = TimeSpan.FromSeconds(10);

    private readonly ResourceMap _resources = new(api);

    /// <exception cref="CliException">The server has no such kind, or refused the object; the message is kubectl's.</exception>
    public async Task<AppliedObject> ApplyAsync(Manifest manifest, CancellationToken cancellationToken)
    {
        var resource = await _resources.FindAsync(manifest.ApiVersion, manifest.Kind, cancellationToken) ?? throw new CliException(
            $"{manifest.Source}: resource mapping not found for name: \"{manifest.Name}\": no matches for kind \"{manifest.Kind}\" in version \"{manifest.ApiVersion}\"");
        var @namespace = resource.IsNamespaced ? manifest.Namespace is { Length: > 0 } said ? said : "default" : "";
        var written = Annotated(manifest.Object, resource.IsNamespaced ? @namespace : null);
        try
        {
            var (result, what) = await PatchOrCreateAsync(manifest, resource, @namespace, written, cancellationToken);
            return new AppliedObject(manifest, resource, @namespace, result, what);
        }
        catch (ApiException exception)
        {
            // Most of the server's messages name the object.
            var what = exception.Message.Contains($"\"{manifest.Name}\"", StringComparison.Ordinal) ? "" : $"{manifest.Kind} \"{manifest.Name}\": ";
            // The server has seen JSON and cannot know what was not quoted.
            var isUnquoted = UnquotedText().IsMatch(exception.Message);
            throw new CliException($"{manifest.Source}: {what}{exception.Message}{(isUnquoted ? "." + ManifestReader.Unquoted : "")}", exception);
        }
    }

    private async Task<(JsonObject, Applied)> PatchOrCreateAsync(
        Manifest manifest, Resource resource, string @namespace, JsonObject written, CancellationToken cancellationToken)
    {
        var path = resource.Path(@namespace, manifest.Name);
        while (true)
        {
            var live = await api.TryGetAsync(path, cancellationToken);
            try
            {
                if (live is null)
                    return (await CreateAsync(resource.Collection(@namespace) + Strictly, written, cancellationToken), Applied.Created);

                var schema = BuiltIn(manifest);
                var patch = ThreeWayPatch.Make(LastManifest(live), written, schema);
                var result = await api.PatchAsync(
                    path + Strictly, patch, schema is null ? "application/merge-patch+json" : "application/strategic-merge-patch+json", cancellationToken);
                return (result, Revision(result) == Revision(live) ? Applied.Unchanged : Applied.Configured);
            }
            // Somebody else was first: look again. Each round means that another writer got through, so this ends.
            catch (ApiException exception) when (exception.Reason == "AlreadyExists" || live is not null && exception.Code == HttpStatusCode.NotFound)
            {
                continue;
            }
        }
    }

    private async Task<JsonObject> CreateAsync(string collection, JsonObject written, CancellationToken cancellationToken)
    {
        var pause = TimeSpan.FromMilliseconds(20);
        for (var waited = TimeSpan.Zero; ; waited += pause, pause = TimeSpan.FromMilliseconds(Math.Min(pause.TotalMilliseconds * 2, 500)))
        {
            try
            {
                return await api.PostAsync(collection, written, cancellationToken);
            }
            catch (ApiException exception) when (waited < ServiceAccountPatience && exception.Code == HttpStatusCode.Forbidden
                && exception.Message.Contains("serviceaccount \"default\" not found", StringComparison.Ordinal))
            {
                await Task.Delay(pause, clock, cancellationToken);
            }
        }
    }

    /// <summary>The manifest with itself in the annotation, as kubectl writes it.</summary>
    internal static JsonObject Annotated(JsonObject manifest, string? @namespace)
    {
        var written = (JsonObject)manifest.DeepClone();
        var metadata = (JsonObject)written["metadata"]!;
        if (@namespace is not null)
            metadata["namespace"] = @namespace;
        if (metadata["annotations"] is not JsonObject annotations)
            metadata["annotations"] = annotations = new JsonObject();
        annotations.Remove(LastApplied);
        var text = Sorted(written)!.ToJsonString() + "\n";
        annotations[LastApplied] = text;
        return written;
    }

    private static JsonObject? LastManifest(JsonObject live)
    {
        if (live["metadata"]?["annotations"]?[LastApplied]?.GetValue<string>() is not { } text)
            return null;
        try
        {
            // The annotation itself is not in it, so it is never removed.
            return JsonNode.Parse(text) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static JsonNode? Sorted(JsonNode? node) => node switch
    {
        JsonObject map => new JsonObject(map.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => KeyValuePair.Create(pair.Key, Sorted(pair.Value)))),
        JsonArray list => new JsonArray([.. list.Select(Sorted)]),
        _ => node?.DeepClone(),
    };

    private static TypeSchema? BuiltIn(Manifest manifest) =>
        Kinds.All.FirstOrDefault(kind => kind.Kind == manifest.Kind && kind.ApiVersion == manifest.ApiVersion)?.Schema;

    private static string? Revision(JsonObject live) => live["metadata"]?["resourceVersion"]?.GetValue<string>();

    [GeneratedRegex("cannot unmarshal (bool|number) into .* of type string")]
    private static partial Regex UnquotedText();
}
