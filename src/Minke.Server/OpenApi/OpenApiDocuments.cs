using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Minke.Api.Meta.V1;
using Minke.Server.Aggregation;
using Minke.Server.Discovery;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.OpenApi;

/// <summary>
/// <c>/openapi/v3</c>: an index and one document a group-version; <c>/openapi/v2</c>: one document of everything. Written when first
/// asked for, from the schema tables that <c>api/</c> became and the schemas of CustomResourceDefinitions: kubectl explains from them,
/// looks up which parameters the server understands and learns how lists are merged. A change of the catalogue makes anew only what
/// it concerns.
/// </summary>
internal sealed class OpenApiDocuments
{
    private const string Json = "application/json";
    private const string Protobuf2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

    // What older clients ask for; no valid media type, hence the other one in the answer.
    private const string OldProtobuf2 = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    private const string Prefix = "/openapi/v3/";

    private readonly ResourceCatalog _catalog;
    private readonly RemoteApis _remotes;
    private readonly string _version;
    private readonly TimeProvider _clock;
    private readonly Lock _lock = new();
    // Replaced under _lock when the catalogue has changed.
    private volatile DocumentSet? _current;

    /// <summary>All documents of one catalogue. Of a group-version it also knows the resources it was made from.</summary>
    private sealed class DocumentSet(CatalogSnapshot catalog)
    {
        public CatalogSnapshot Catalog { get; } = catalog;
        public SortedDictionary<string, Lazy<OpenApiDocument>> Documents { get; } = new(StringComparer.Ordinal);
        public Dictionary<string, Resource[]> Resources { get; } = new(StringComparer.Ordinal);
        public required Lazy<OpenApiDocument> Index { get; set; }
        public required Lazy<OpenApiDocument> Version2 { get; set; }
        public required Lazy<OpenApiDocument> Version2Protobuf { get; set; }
    }

    public OpenApiDocuments(ResourceCatalog catalog, RemoteApis remotes, string version, TimeProvider clock)
    {
        (_catalog, _remotes, _version, _clock) = (catalog, remotes, version, clock);
    }

    private DocumentSet Current()
    {
        var catalog = _catalog.Current;
        if (_current is { } known && ReferenceEquals(known.Catalog, catalog))
            return known;
        lock (_lock)
        {
            if (_current is null || !ReferenceEquals(_current.Catalog, catalog))
                _current = Make(catalog, _current);
            return _current;
        }
    }

    private DocumentSet Make(CatalogSnapshot catalog, DocumentSet? before)
    {
        var set = new DocumentSet(catalog) { Index = null!, Version2 = null!, Version2Protobuf = null! };
        AddDocument(".well-known/openid-configuration", AddWellKnown);
        AddDocument("openid/v1/jwks", AddKeySet);
        AddDocument("version", AddVersion);
        AddDocument("api", operations => operations.AddDocument("/api/", "getCoreAPIVersions", "core", "List the versions of the core group.", APIVersions.TypeSchema));
        AddDocument("apis", operations => operations.AddDocument("/apis/", "getAPIVersions", "apis", "List the API groups.", APIGroupList.TypeSchema));
        foreach (var group in catalog.Groups)
            AddDocument("apis/" + group, operations => AddGroup(operations, group));
        foreach (var (group, groupVersion) in catalog.GroupVersions)
        {
            var name = ResourceOperations.RootOf(group, groupVersion).Trim('/');
            Resource[] resources = [.. catalog.Of(group, groupVersion)];
            set.Resources[name] = resources;
            if (before is not null && before.Resources.TryGetValue(name, out var old) && old.SequenceEqual(resources))
                set.Documents[name] = before.Documents[name];
            else
                AddDocument(name, operations => AddGroupVersion(operations, catalog, group, groupVersion));
        }
        set.Index = new(() => OpenApiDocument.Write(writer => WriteIndex(writer, set, [])));
        set.Version2 = new(() => OpenApiDocument.Write(writer => WriteVersion2(writer, catalog)));
        set.Version2Protobuf = new(() => OpenApiDocument.Of(SwaggerProtobuf.FromJson(set.Version2.Value.Plain())));
        return set;

        void AddDocument(string name, Action<ResourceOperations> add) =>
            set.Documents[name] = new(() => OpenApiDocument.Write(writer => WriteVersion3(writer, catalog, add)));
    }

    /// <returns>False for a path that is none of these documents.</returns>
    public async ValueTask<bool> TryHandleAsync(HttpContext http, string path)
    {
        if (!path.StartsWith("/openapi/", StringComparison.Ordinal))
            return false;
        var set = Current();
        switch (path)
        {
            case "/openapi/v3" or Prefix:
                await SendAsync(http, _remotes.Current.Remotes is { Count: > 0 } remotes ? OpenApiDocument.Write(writer => WriteIndex(writer, set, remotes)) : set.Index.Value, Json);
                return true;
            case "/openapi/v2":
                var form = Accepted(http, Json, Protobuf2, OldProtobuf2);
                await (form == Json ? SendAsync(http, set.Version2.Value, Json) : form.Length > 0 ? SendAsync(http, set.Version2Protobuf.Value, Protobuf2) : RefuseAsync(http));
                return true;
            default:
                if (!path.StartsWith(Prefix, StringComparison.Ordinal) || !set.Documents.TryGetValue(path[Prefix.Length..], out var document))
                    return false;
                await (Accepted(http, Json) == Json ? SendVersion3Async(http, path, document.Value) : RefuseAsync(http));
                return true;
        }
    }

    /// <summary>The first form that the client takes; empty for none. As upstream, in the client's order, weights aside.</summary>
    private static string Accepted(HttpContext http, params ReadOnlySpan<string> forms)
    {
        var accept = http.Request.Headers.Accept.ToString();
        foreach (var clause in (accept.Length == 0 ? "*/*" : accept).Split(',', StringSplitOptions.TrimEntries))
        {
            var type = clause.Split(';', 2)[0].TrimEnd();
            if (type is "*/*" or "application/*")
                return forms[0];
            foreach (var form in forms)
            {
                if (type == form)
                    return form;
            }
        }
        return "";
    }

    /// <summary>The hash in the address makes the answer good for ever; a stale one leads to the address of today.</summary>
    private async ValueTask SendVersion3Async(HttpContext http, string path, OpenApiDocument document)
    {
        var hash = http.Request.Query["hash"].ToString();
        if (hash.Length > 0 && hash != document.ETag)
        {
            http.Response.Headers.Location = $"{path}?hash={document.ETag}";
            await Responses.TextAsync(http, StatusCodes.Status301MovedPermanently, "");
            return;
        }
        await SendAsync(http, document, Json, isForEver: hash.Length > 0);
    }

    private async ValueTask SendAsync(HttpContext http, OpenApiDocument document, string contentType, bool isForEver = false)
    {
        var tag = $"\"{document.ETag}\"";
        var isKnown = http.Request.Headers.IfNoneMatch.ToString().Split(',', StringSplitOptions.TrimEntries).Any(one => one == tag || one == "W/" + tag || one == "*");
        var isGzipped = http.Request.Headers.AcceptEncoding.ToString().Contains("gzip", StringComparison.OrdinalIgnoreCase);
        var response = Responses.Start(http, isKnown ? StatusCodes.Status304NotModified : StatusCodes.Status200OK, contentType);
        response.Headers.ETag = tag;
        response.Headers.Vary = "Accept-Encoding, Accept";
        if (isForEver)
        {
            response.Headers.CacheControl = "public, immutable";
            response.Headers.Expires = _clock.GetUtcNow().AddYears(1).ToString("R", CultureInfo.InvariantCulture);
        }
        if (isKnown)
        {
            response.ContentType = null;
            return;
        }
        if (isGzipped)
            response.Headers.ContentEncoding = "gzip";
        var body = isGzipped ? document.Gzipped : document.Plain();
        response.ContentLength = body.Length;
        await response.BodyWriter.WriteAsync(body, http.RequestAborted);
    }

    private static ValueTask RefuseAsync(HttpContext http) => Responses.TextAsync(http, StatusCodes.Status406NotAcceptable, "");

    private static void AddWellKnown(ResourceOperations operations) => operations.AddPlain("/.well-known/openid-configuration/",
        "getServiceAccountIssuerOpenIDConfiguration", "WellKnown", "Who issues service account tokens, and where its keys are.", Json);

    private static void AddKeySet(ResourceOperations operations) => operations.AddPlain("/openid/v1/jwks/",
        "getServiceAccountIssuerOpenIDKeyset", "openid", "The keys that service account tokens are verified with.", "application/jwk-set+json");

    private static void AddVersion(ResourceOperations operations) => operations.AddDocument("/version/", "getCodeVersion", "version",
        "The version of this server.", Info.TypeSchema);

    private static void AddGroup(ResourceOperations operations, string group) => operations.AddDocument($"/apis/{group}/",
        $"get{ResourceOperations.Camel(group)}APIGroup", ResourceOperations.Tag(group, ""), "What this group has.", APIGroup.TypeSchema);

    private static void AddGroupVersion(ResourceOperations operations, CatalogSnapshot catalog, string group, string version)
    {
        var camel = ResourceOperations.Camel(group) + char.ToUpperInvariant(version[0]) + version[1..];
        operations.AddDocument(ResourceOperations.RootOf(group, version), $"get{camel}APIResources", ResourceOperations.Tag(group, version),
            "List the resources of this group and version.", APIResourceList.TypeSchema);
        foreach (var resource in catalog.Of(group, version))
            operations.Add(resource, DiscoveryDocuments.Served(resource.Kind));
    }

    /// <summary>Documents of other servers lie where they have them: a request for one is sent on.</summary>
    private static void WriteIndex(Utf8JsonWriter writer, DocumentSet set, IReadOnlyList<RemoteApi> remotes)
    {
        var addresses = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, document) in set.Documents)
            addresses[name] = $"{Prefix}{name}?hash={document.Value.ETag}";
        foreach (var remote in remotes)
        {
            addresses.Remove(remote.Path.TrimStart('/'));
            if (remote.OpenApi.Length > 0)
                addresses[remote.Path.TrimStart('/')] = remote.OpenApi;
        }
        writer.WriteStartObject("paths"u8);
        foreach (var (name, address) in addresses)
        {
            writer.WriteStartObject(name);
            writer.WriteString("serverRelativeURL"u8, address);
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
    }

    private void WriteVersion3(Utf8JsonWriter writer, CatalogSnapshot catalog, Action<ResourceOperations> add)
    {
        writer.WriteString("openapi"u8, "3.0.0");
        WriteInfo(writer);
        var definitions = NewDefinitions(catalog, OpenApiVersion.V3);
        var operations = new ResourceOperations(definitions);
        add(operations);
        WritePaths(writer, OpenApiVersion.V3, operations);
        writer.WriteStartObject("components"u8);
        writer.WriteStartObject("schemas"u8);
        definitions.WriteAll(writer);
        writer.WriteEndObject();
        writer.WriteStartObject("securitySchemes"u8);
        WriteSecurity(writer);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private void WriteVersion2(Utf8JsonWriter writer, CatalogSnapshot catalog)
    {
        writer.WriteString("swagger"u8, "2.0");
        WriteInfo(writer);
        var definitions = NewDefinitions(catalog, OpenApiVersion.V2);
        var operations = new ResourceOperations(definitions);
        AddWellKnown(operations);
        AddKeySet(operations);
        AddVersion(operations);
        operations.AddDocument("/api/", "getCoreAPIVersions", "core", "List the versions of the core group.", APIVersions.TypeSchema);
        operations.AddDocument("/apis/", "getAPIVersions", "apis", "List the API groups.", APIGroupList.TypeSchema);
        foreach (var group in catalog.Groups)
            AddGroup(operations, group);
        foreach (var (group, version) in catalog.GroupVersions)
            AddGroupVersion(operations, catalog, group, version);
        WritePaths(writer, OpenApiVersion.V2, operations);
        writer.WriteStartObject("definitions"u8);
        definitions.WriteAll(writer);
        writer.WriteEndObject();
        writer.WriteStartObject("securityDefinitions"u8);
        WriteSecurity(writer);
        writer.WriteEndObject();
        writer.WriteStartArray("security"u8);
        writer.WriteStartObject();
        writer.WriteStartArray("BearerToken"u8);
        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteEndArray();
    }

    private static DefinitionWriter NewDefinitions(CatalogSnapshot catalog, OpenApiVersion version) =>
        new(version, [.. catalog.GroupVersions.Select(one => one.Group.Length == 0 ? one.Version : $"{one.Group}/{one.Version}").Order(StringComparer.Ordinal)]);

    private static void WritePaths(Utf8JsonWriter writer, OpenApiVersion version, ResourceOperations operations)
    {
        var paths = new PathWriter(writer, version);
        writer.WriteStartObject("paths"u8);
        foreach (var (path, methods) in operations.Paths)
            paths.Write(path, methods);
        writer.WriteEndObject();
    }

    private void WriteInfo(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("info"u8);
        writer.WriteString("title"u8, "Kubernetes");
        writer.WriteString("version"u8, _version);
        writer.WriteEndObject();
    }

    private static void WriteSecurity(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("BearerToken"u8);
        writer.WriteString("description"u8, "Bearer Token authentication");
        writer.WriteString("type"u8, "apiKey");
        writer.WriteString("name"u8, "authorization");
        writer.WriteString("in"u8, "header");
        writer.WriteEndObject();
    }
}
