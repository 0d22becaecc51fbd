using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Minke.Api.Meta.V1;
using Minke.Server.Discovery;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.OpenApi;

/// <summary>
/// <c>/openapi/v3</c>: an index and one document a group-version; <c>/openapi/v2</c>: one document of everything. Written when first
/// asked for, from the schema tables that <c>api/</c> became: kubectl explains from them, looks up which parameters the server
/// understands and learns how lists are merged.
/// </summary>
internal sealed class OpenApiDocuments
{
    private const string Json = "application/json";
    private const string Protobuf2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

    // What older clients ask for; no valid media type, hence the other one in the answer.
    private const string OldProtobuf2 = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    private const string Prefix = "/openapi/v3/";

    private readonly ResourceCatalog _catalog;
    private readonly string _version;
    private readonly TimeProvider _clock;
    private readonly SortedDictionary<string, Lazy<OpenApiDocument>> _documents = new(StringComparer.Ordinal);
    private readonly Lazy<OpenApiDocument> _index;
    private readonly Lazy<OpenApiDocument> _version2;
    private readonly Lazy<OpenApiDocument> _version2Protobuf;

    public OpenApiDocuments(ResourceCatalog catalog, string version, TimeProvider clock)
    {
        (_catalog, _version, _clock) = (catalog, version, clock);
        AddDocument(".well-known/openid-configuration", operations => AddWellKnown(operations));
        AddDocument("openid/v1/jwks", operations => AddKeySet(operations));
        AddDocument("version", operations => AddVersion(operations));
        AddDocument("api", operations => operations.AddDocument("/api/", "getCoreAPIVersions", "core", "List the versions of the core group.", APIVersions.TypeSchema));
        AddDocument("apis", operations => operations.AddDocument("/apis/", "getAPIVersions", "apis", "List the API groups.", APIGroupList.TypeSchema));
        foreach (var group in Groups())
            AddDocument("apis/" + group, operations => AddGroup(operations, group));
        foreach (var (group, groupVersion) in GroupVersions())
            AddDocument(ResourceOperations.RootOf(group, groupVersion).Trim('/'), operations => AddGroupVersion(operations, group, groupVersion));
        _index = new(() => OpenApiDocument.Write(WriteIndex));
        _version2 = new(() => OpenApiDocument.Write(WriteVersion2));
        _version2Protobuf = new(() => OpenApiDocument.Of(SwaggerProtobuf.FromJson(_version2.Value.Plain())));
    }

    /// <returns>False for a path that is none of these documents.</returns>
    public async ValueTask<bool> TryHandleAsync(HttpContext http, string path)
    {
        switch (path)
        {
            case "/openapi/v3" or Prefix:
                await SendAsync(http, _index.Value, Json);
                return true;
            case "/openapi/v2":
                var form = Accepted(http, Json, Protobuf2, OldProtobuf2);
                await (form == Json ? SendAsync(http, _version2.Value, Json) : form.Length > 0 ? SendAsync(http, _version2Protobuf.Value, Protobuf2) : RefuseAsync(http));
                return true;
            default:
                if (!path.StartsWith(Prefix, StringComparison.Ordinal) || !_documents.TryGetValue(path[Prefix.Length..], out var document))
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

    private IEnumerable<string> Groups() =>
        _catalog.All.Select(resource => resource.Kind.Group).Where(group => group.Length > 0).Distinct(StringComparer.Ordinal);

    private IEnumerable<(string Group, string Version)> GroupVersions() =>
        _catalog.All.Select(resource => (resource.Kind.Group, resource.Kind.Version)).Distinct();

    private void AddDocument(string name, Action<ResourceOperations> add) => _documents.Add(name, new(() => OpenApiDocument.Write(writer => WriteVersion3(writer, add))));

    private static void AddWellKnown(ResourceOperations operations) => operations.AddPlain("/.well-known/openid-configuration/",
        "getServiceAccountIssuerOpenIDConfiguration", "WellKnown", "Who issues service account tokens, and where its keys are.", Json);

    private static void AddKeySet(ResourceOperations operations) => operations.AddPlain("/openid/v1/jwks/",
        "getServiceAccountIssuerOpenIDKeyset", "openid", "The keys that service account tokens are verified with.", "application/jwk-set+json");

    private static void AddVersion(ResourceOperations operations) => operations.AddDocument("/version/", "getCodeVersion", "version",
        "The version of this server.", Info.TypeSchema);

    private static void AddGroup(ResourceOperations operations, string group) => operations.AddDocument($"/apis/{group}/",
        $"get{ResourceOperations.Camel(group)}APIGroup", ResourceOperations.Tag(group, ""), "What this group has.", APIGroup.TypeSchema);

    private void AddGroupVersion(ResourceOperations operations, string group, string version)
    {
        var camel = ResourceOperations.Camel(group) + char.ToUpperInvariant(version[0]) + version[1..];
        operations.AddDocument(ResourceOperations.RootOf(group, version), $"get{camel}APIResources", ResourceOperations.Tag(group, version),
            "List the resources of this group and version.", APIResourceList.TypeSchema);
        foreach (var resource in _catalog.All.Where(resource => resource.Kind.Group == group && resource.Kind.Version == version))
            operations.Add(resource, DiscoveryDocuments.Served(resource.Kind));
    }

    private void WriteIndex(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("paths"u8);
        foreach (var (name, document) in _documents)
        {
            writer.WriteStartObject(name);
            writer.WriteString("serverRelativeURL"u8, $"{Prefix}{name}?hash={document.Value.ETag}");
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
    }

    private void WriteVersion3(Utf8JsonWriter writer, Action<ResourceOperations> add)
    {
        writer.WriteString("openapi"u8, "3.0.0");
        WriteInfo(writer);
        var definitions = NewDefinitions(OpenApiVersion.V3);
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

    private void WriteVersion2(Utf8JsonWriter writer)
    {
        writer.WriteString("swagger"u8, "2.0");
        WriteInfo(writer);
        var definitions = NewDefinitions(OpenApiVersion.V2);
        var operations = new ResourceOperations(definitions);
        AddWellKnown(operations);
        AddKeySet(operations);
        AddVersion(operations);
        operations.AddDocument("/api/", "getCoreAPIVersions", "core", "List the versions of the core group.", APIVersions.TypeSchema);
        operations.AddDocument("/apis/", "getAPIVersions", "apis", "List the API groups.", APIGroupList.TypeSchema);
        foreach (var group in Groups())
            AddGroup(operations, group);
        foreach (var (group, version) in GroupVersions())
            AddGroupVersion(operations, group, version);
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

    private DefinitionWriter NewDefinitions(OpenApiVersion version) =>
        new(version, [.. GroupVersions().Select(one => one.Group.Length == 0 ? one.Version : $"{one.Group}/{one.Version}").Order(StringComparer.Ordinal)]);

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
