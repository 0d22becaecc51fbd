using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.OpenApi;

/// <summary>
/// <c>/openapi/v3</c>: one document a group-version, and <c>/openapi/v2</c>: one of everything. Written when first asked for, from the
/// schema tables that <c>api/</c> became; kubectl validates by them, explains from them and learns how to merge lists.
/// </summary>
internal sealed class OpenApiDocuments(ResourceCatalog catalog, string version)
{
    private readonly ConcurrentDictionary<string, byte[]> _documents = new(StringComparer.Ordinal);

    // Documents follow from the build and nothing else, so the build's identity is hash enough and costs no writing.
    private readonly string _hash = Convert.ToHexString(SHA512.HashData(Encoding.UTF8.GetBytes(
        $"{typeof(OpenApiDocuments).Module.ModuleVersionId} {typeof(Kinds).Module.ModuleVersionId} {version} {string.Join(' ', catalog.All)}")));

    public async ValueTask<bool> TryHandleAsync(HttpContext http, string path)
    {
        if (path is "/openapi/v3" or "/openapi/v3/")
        {
            await SendAsync(http, _documents.GetOrAdd("", _ => Index()));
            return true;
        }
        if (path == "/openapi/v2")
        {
            await SendAsync(http, _documents.GetOrAdd("v2", _ => Version2()));
            return true;
        }
        const string Prefix = "/openapi/v3/";
        if (!path.StartsWith(Prefix, StringComparison.Ordinal))
            return false;
        var name = path[Prefix.Length..].TrimEnd('/');
        if (Find(name) is not var (group, groupVersion))
            return false;
        await SendAsync(http, _documents.GetOrAdd(name, _ => Version3(group, groupVersion)));
        return true;
    }

    private async ValueTask SendAsync(HttpContext http, byte[] document)
    {
        var tag = $"\"{_hash}\"";
        http.Response.Headers.ETag = tag;
        if (http.Request.Headers.IfNoneMatch == tag)
        {
            http.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }
        await Responses.JsonAsync(http, 200, document, default);
    }

    private IEnumerable<(string Name, string Group, string Version)> GroupVersions() => catalog.All
        .Select(resource => (resource.Kind.Group, resource.Kind.Version)).Distinct()
        .Select(one => (one.Group.Length == 0 ? $"api/{one.Version}" : $"apis/{one.Group}/{one.Version}", one.Group, one.Version));

    private (string Group, string Version)? Find(string name)
    {
        foreach (var (known, group, groupVersion) in GroupVersions())
        {
            if (known == name)
                return (group, groupVersion);
        }
        return null;
    }

    private byte[] Index() => Written(writer =>
    {
        writer.WriteStartObject();
        writer.WriteStartObject("paths"u8);
        foreach (var (name, _, _) in GroupVersions())
        {
            writer.WriteStartObject(name);
            writer.WriteString("serverRelativeURL"u8, $"/openapi/v3/{name}?hash={_hash}");
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
        writer.WriteEndObject();
    });

    private byte[] Version3(string group, string groupVersion) => Written(writer =>
    {
        var resources = catalog.All.Where(resource => resource.Kind.Group == group && resource.Kind.Version == groupVersion).ToList();
        writer.WriteStartObject();
        writer.WriteString("openapi"u8, "3.0.0");
        WriteInfo(writer);
        writer.WriteStartObject("paths"u8);
        foreach (var resource in resources)
            PathWriter.Write(writer, resource.Kind);
        writer.WriteEndObject();
        writer.WriteStartObject("components"u8);
        writer.WriteStartObject("schemas"u8);
        new DefinitionWriter(writer, "#/components/schemas/", isVersion3: true).Write(resources.Select(resource => resource.Kind));
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
    });

    private byte[] Version2() => Written(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("swagger"u8, "2.0");
        WriteInfo(writer);
        writer.WriteStartObject("paths"u8);
        writer.WriteEndObject();
        writer.WriteStartObject("definitions"u8);
        new DefinitionWriter(writer, "#/definitions/", isVersion3: false).Write(catalog.All.Select(resource => resource.Kind));
        writer.WriteEndObject();
        writer.WriteEndObject();
    });

    private void WriteInfo(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("info"u8);
        writer.WriteString("title"u8, "Kubernetes");
        writer.WriteString("version"u8, version);
        writer.WriteEndObject();
    }

    private static byte[] Written(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(256 * 1024);
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
            write(writer);
        return buffer.WrittenSpan.ToArray();
    }
}
