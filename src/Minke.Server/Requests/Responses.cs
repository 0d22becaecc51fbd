using System.Buffers;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.Audit;
using Minke.Server.Registry;
using Minke.Server.Tables;
using Minke.Store;

namespace Minke.Server.Requests;

/// <summary>Writes answers: stored bytes as they are wherever the client takes JSON, encoded anew in any other form.</summary>
internal static class Responses
{
    // Upstream compresses answers above this.
    private const int GzipAbove = 128 * 1024;
    public const int FlushEvery = 64 * 1024;

    // Of all warnings of one request, and of each once that is too much: as upstream.
    private const int MaxWarningsLength = 4 * 1024;
    private const int MaxCutWarningLength = 256;

    private static readonly JsonWriterOptions PrettyOptions = Json.WriterOptions with { Indented = true };

    public static ValueTask WrittenAsync(ApiRequest request, int code, Written written) => written.Entry is { } entry
        ? EntryAsync(request, code, entry)
        : ObjectAsync(request, code, written.Object);

    public static ValueTask EntryAsync(ApiRequest request, int code, Entry entry)
    {
        if (request.Media != default || !request.Resource.ServesAsStored(entry))
            return ObjectAsync(request, code, StoredObject.Read(request.Resource, entry));
        var length = StoredObject.JsonLength(entry, entry.Modified);
        if (IsGzipped(request.Http, length))
        {
            var json = new ArrayBufferWriter<byte>(length + 64);
            StoredObject.WriteJson(json, entry, entry.Modified);
            json.Write("\n"u8);
            return BytesAsync(request.Http, code, "application/json", json.WrittenMemory);
        }
        var response = Start(request.Http, code, "application/json");
        response.ContentLength = length + 1;
        StoredObject.WriteJson(response.BodyWriter, entry, entry.Modified);
        response.BodyWriter.Write("\n"u8);
        return Flushed(response);
    }

    public static ValueTask ObjectAsync(ApiRequest request, int code, IKubeObject value)
    {
        var media = request.Media;
        var buffer = new ArrayBufferWriter<byte>(2048);
        if (media.Projection == Projection.Table)
        {
            using var writer = new Utf8JsonWriter(buffer, Json.WriterOptions);
            TableWriter.Write(writer, request, [value], new ListMeta { ResourceVersion = value.Metadata.ResourceVersion }, withColumns: true);
        }
        else if (media.Projection != Projection.None)
        {
            if (media.Format == BodyFormat.Protobuf)
                return BytesAsync(request.Http, code, media.ContentType, PartialMetadata.ToProto(value, media));
            using var writer = new Utf8JsonWriter(buffer, Json.WriterOptions);
            PartialMetadata.Write(writer, value, media);
        }
        else if (media.Format == BodyFormat.Protobuf)
        {
            return BytesAsync(request.Http, code, media.ContentType, ProtoEnvelope.Write(value));
        }
        else
        {
            using var writer = new Utf8JsonWriter(buffer, Json.WriterOptions);
            value.WriteJson(writer);
        }
        return JsonAsync(request.Http, code, buffer.WrittenMemory, media);
    }

    public static async ValueTask ListAsync(ApiRequest request, ListResult list)
    {
        var media = request.Media;
        var resource = request.Resource;
        var metadata = new ListMeta { ResourceVersion = list.Revision.ToString(), Continue = list.Continue, RemainingItemCount = list.Remaining };
        if (media == default && list.Entries.TrueForAll(resource.ServesAsStored))
        {
            await ListStream.StoredAsync(request, list, metadata);
            return;
        }
        var items = list.Entries.Select(entry => StoredObject.Read(resource, entry));
        await ListAsync(request, items, metadata);
    }

    /// <summary>A list of objects that may not be stored at all.</summary>
    public static ValueTask ListAsync(ApiRequest request, IEnumerable<IKubeObject> items, ListMeta metadata)
    {
        if (request.Media is { Format: BodyFormat.Protobuf, Projection: Projection.None })
            return ListStream.ProtoAsync(request, items, metadata);
        var (media, body) = (request.Media, ListBytes(request, items, metadata));
        return media.Format == BodyFormat.Protobuf ? BytesAsync(request.Http, 200, media.ContentType, body) : JsonAsync(request.Http, 200, body, media);
    }

    /// <summary>A list as JSON, or as protobuf where that was asked for.</summary>
    public static ReadOnlyMemory<byte> ListBytes(ApiRequest request, IEnumerable<IKubeObject> items, ListMeta metadata)
    {
        var (media, kind) = (request.Media, request.Resource.Kind);
        if (media.Format == BodyFormat.Protobuf)
            return media.Projection == Projection.None ? ListStream.ProtoBytes(items, metadata, kind) : PartialMetadata.ToProto(items, metadata, media);
        var buffer = new ArrayBufferWriter<byte>(64 * 1024);
        using var writer = new Utf8JsonWriter(buffer, Json.WriterOptions);
        if (media.Projection == Projection.Table)
        {
            TableWriter.Write(writer, request, items, metadata, withColumns: true);
        }
        else if (media.Projection == Projection.None)
        {
            WriteList(writer, kind.ListKind, kind.ApiVersion, metadata, items, static (writer, item) => item.WriteJsonMembers(writer));
        }
        else
        {
            WriteList(writer, "PartialObjectMetadataList", media.MetaVersion, metadata, items, static (writer, item) =>
            {
                writer.WritePropertyName("metadata"u8);
                item.Metadata.WriteJson(writer);
            });
        }
        writer.Flush();
        return buffer.WrittenMemory;
    }

    /// <param name="http">Of the request.</param>
    /// <param name="status">What to say.</param>
    /// <param name="media">How.</param>
    /// <param name="hasCode">False where upstream leaves the code out of the body.</param>
    public static ValueTask StatusAsync(HttpContext http, Status status, MediaType media = default, bool hasCode = true)
    {
        var code = status.Code;
        if (http.Features.Get<AuditRecord>() is { } audit)
            audit.Status = status;
        if (!hasCode)
            status = status with { Code = 0 };
        if (status.Details?.RetryAfterSeconds is { } seconds and > 0)
            http.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return media.Format == BodyFormat.Protobuf
            ? BytesAsync(http, code, media.ContentType, Envelope(status.WriteProto, status.ApiVersion, status.Kind))
            : JsonAsync(http, code, Json.Write(status), media);
    }

    /// <summary>Something that is no stored kind; always JSON or YAML.</summary>
    public static ValueTask PlainAsync(HttpContext http, int code, IJsonWritable value, MediaType media = default) =>
        JsonAsync(http, code, Json.Write(value), media.Format == BodyFormat.Protobuf ? media with { Format = BodyFormat.Json } : media);

    public static ValueTask JsonAsync(HttpContext http, int code, ReadOnlyMemory<byte> json, MediaType media)
    {
        if (media.Format == BodyFormat.Yaml)
            return BytesAsync(http, code, "application/yaml", YamlText.FromJson(json.Span));
        // A line, as Go's encoder leaves it.
        return BytesAsync(http, code, "application/json", media.IsPretty ? Pretty(json.Span) : (byte[])[.. json.Span, (byte)'\n']);
    }

    public static ValueTask TextAsync(HttpContext http, int code, string text, string contentType = "text/plain; charset=utf-8") =>
        BytesAsync(http, code, contentType, Encoding.UTF8.GetBytes(text));

    public static ValueTask BytesAsync(HttpContext http, int code, string contentType, ReadOnlyMemory<byte> body)
    {
        if (IsGzipped(http, body.Length))
            return GzippedAsync(http, code, contentType, body);
        var response = Start(http, code, contentType);
        response.ContentLength = body.Length;
        response.BodyWriter.Write(body.Span);
        return Flushed(response);
    }

    public static void Warn(HttpContext http, IReadOnlyList<string> warnings)
    {
        if (warnings.Count == 0)
            return;
        var header = http.Response.Headers.Warning;
        // As upstream: what holds control characters is no warning; a flood of them is cut, each and then all.
        var texts = warnings.Where(text => text.Length > 0 && !text.Any(char.IsControl)).Distinct(StringComparer.Ordinal).ToList();
        var isCut = texts.Sum(text => text.Length) > MaxWarningsLength;
        var written = 0;
        foreach (var text in texts)
        {
            if (isCut && written >= MaxWarningsLength)
                break;
            var shown = isCut && text.Length > MaxCutWarningLength ? text[..MaxCutWarningLength] : text;
            written += shown.Length;
            header = Microsoft.Extensions.Primitives.StringValues.Concat(header, $"299 - \"{Quoted(shown)}\"");
        }
        http.Response.Headers.Warning = header;
    }

    private static string Quoted(string text)
    {
        var quoted = new StringBuilder(text.Length + 8);
        foreach (var letter in text)
        {
            // Header values are ASCII without control characters.
            if (letter is '"' or '\\')
                quoted.Append('\\').Append(letter);
            else
                quoted.Append(letter is < ' ' or > '~' ? ' ' : letter);
        }
        return quoted.ToString();
    }

    public static HttpResponse Start(HttpContext http, int code, string contentType)
    {
        var response = http.Response;
        response.StatusCode = code;
        response.ContentType = contentType;
        response.Headers.CacheControl = "no-cache, private";
        return response;
    }

    public static string IncludeObject(HttpContext http) =>
        http.Request.Query.TryGetValue("includeObject", out var value) && value.Count > 0 ? value[0] ?? "" : "";

    private static void WriteList(
        Utf8JsonWriter writer, string kind, string apiVersion, ListMeta metadata, IEnumerable<IKubeObject> items, Action<Utf8JsonWriter, IKubeObject> writeMembers)
    {
        writer.WriteStartObject();
        writer.WriteString("kind"u8, kind);
        writer.WriteString("apiVersion"u8, apiVersion);
        writer.WritePropertyName("metadata"u8);
        metadata.WriteJson(writer);
        writer.WriteStartArray("items"u8);
        foreach (var item in items)
        {
            writer.WriteStartObject();
            writeMembers(writer, item);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    public static byte[] Envelope(Action<ProtoWriter> write, string apiVersion, string kind)
    {
        var writer = new ProtoWriter();
        write(writer);
        return ProtoEnvelope.Seal(writer, apiVersion, kind);
    }

    /// <summary>Whether an answer of this size is compressed.</summary>
    public static bool IsGzipped(HttpContext http, long size) => size > GzipAbove && AcceptsGzip(http);

    public static void SayGzip(HttpResponse response)
    {
        response.Headers.ContentEncoding = "gzip";
        response.Headers.Vary = "Accept-Encoding";
    }

    /// <summary>As upstream: the bare word, without a weight.</summary>
    private static bool AcceptsGzip(HttpContext http)
    {
        var accepted = http.Request.Headers.AcceptEncoding.ToString().AsSpan();
        foreach (var part in accepted.Split(','))
        {
            if (accepted[part].Trim() is "gzip")
                return true;
        }
        return false;
    }

    private static async ValueTask GzippedAsync(HttpContext http, int code, string contentType, ReadOnlyMemory<byte> body)
    {
        var response = Start(http, code, contentType);
        SayGzip(response);
        await using var gzip = new GZipStream(response.Body, CompressionLevel.Fastest, leaveOpen: true);
        await gzip.WriteAsync(body, http.RequestAborted);
    }

    private static byte[] Pretty(ReadOnlySpan<byte> json)
    {
        using var document = JsonDocument.Parse(json.ToArray());
        var buffer = new ArrayBufferWriter<byte>(json.Length * 2);
        using (var writer = new Utf8JsonWriter(buffer, PrettyOptions))
            document.WriteTo(writer);
        return [.. buffer.WrittenSpan, (byte)'\n'];
    }

    private static async ValueTask Flushed(HttpResponse response) => await response.BodyWriter.FlushAsync(response.HttpContext.RequestAborted);
}
