using System.Buffers;
using System.IO.Compression;
using System.IO.Pipelines;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.Registry;

namespace Minke.Server.Requests;

/// <summary>Lists that may be long, sent as they are made: memory holds little more than what the client has not taken yet.</summary>
internal static class ListStream
{
    // Below the size from which the collector keeps arrays apart, and seldom compacts them.
    private const int PieceBytes = 64 * 1024;

    /// <summary>In JSON, of the stored bytes; nothing is decoded.</summary>
    public static ValueTask StoredAsync(ApiRequest request, ListResult list, ListMeta metadata)
    {
        var size = list.Entries.Sum(static entry => (long)entry.Value.Length);
        return SendAsync(request.Http, "application/json", Responses.IsGzipped(request.Http, size), output => WriteStoredAsync(output, request, list, metadata));
    }

    /// <summary>
    /// In protobuf. A message's length comes before it, so all items are encoded before the first is sent: once the size of the answer, in
    /// pieces that go as they are sent.
    /// </summary>
    public static ValueTask ProtoAsync(ApiRequest request, IEnumerable<IKubeObject> items, ListMeta metadata)
    {
        var (http, pieces) = (request.Http, EncodeProto(items, metadata, request.Resource.Kind));
        var length = pieces.Sum(static piece => (long)piece.Length);
        var isGzipped = Responses.IsGzipped(http, length);
        if (!isGzipped)
            http.Response.ContentLength = length;
        return SendAsync(http, request.Media.ContentType, isGzipped, async output =>
        {
            while (pieces.TryDequeue(out var piece))
            {
                output.Write(piece);
                await output.FlushAsync(request.Cancelled);
            }
        });
    }

    /// <summary>The same, at once.</summary>
    public static byte[] ProtoBytes(IEnumerable<IKubeObject> items, ListMeta metadata, KindInfo kind) =>
        [.. EncodeProto(items, metadata, kind).SelectMany(static piece => piece)];

    private static Queue<byte[]> EncodeProto(IEnumerable<IKubeObject> items, ListMeta metadata, KindInfo kind)
    {
        // Every list message is alike: 1 metadata, 2 items.
        var (message, piece, pieces) = (new ProtoWriter(), new ArrayBufferWriter<byte>(PieceBytes), new List<byte[]>());
        metadata.WriteProto(message);
        message.EndMessage(1, 0);
        piece.Write(message.Written);
        foreach (var item in items)
        {
            message.Clear();
            item.WriteProto(message);
            message.EndMessage(2, 0);
            if (piece.WrittenCount + message.Length > PieceBytes)
                Cut();
            piece.Write(message.Written);
        }
        Cut();
        var head = ProtoEnvelope.Head(pieces.Sum(static piece => piece.Length), kind.ApiVersion, kind.ListKind);
        return new([head, .. pieces]);

        void Cut()
        {
            pieces.Add(piece.WrittenSpan.ToArray());
            piece.ResetWrittenCount();
        }
    }

    private static async ValueTask WriteStoredAsync(PipeWriter output, ApiRequest request, ListResult list, ListMeta metadata)
    {
        var kind = request.Resource.Kind;
        using (var writer = new Utf8JsonWriter(output, Json.WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteString("kind"u8, kind.ListKind);
            writer.WriteString("apiVersion"u8, kind.ApiVersion);
            writer.WritePropertyName("metadata"u8);
            metadata.WriteJson(writer);
        }
        output.Write(",\"items\":["u8);
        var unflushed = 0;
        for (var i = 0; i < list.Entries.Count; i++)
        {
            if (i > 0)
                output.Write(","u8);
            StoredObject.WriteItem(output, list.Entries[i]);
            unflushed += list.Entries[i].Value.Length;
            if (unflushed > Responses.FlushEvery)
            {
                await output.FlushAsync(request.Cancelled);
                unflushed = 0;
            }
        }
        output.Write("]}\n"u8);
        await output.FlushAsync(request.Cancelled);
    }

    private static async ValueTask SendAsync(HttpContext http, string contentType, bool isGzipped, Func<PipeWriter, ValueTask> write)
    {
        var response = Responses.Start(http, 200, contentType);
        if (!isGzipped)
        {
            await write(response.BodyWriter);
            return;
        }
        Responses.SayGzip(response);
        await using var gzip = new GZipStream(response.Body, CompressionLevel.Fastest, leaveOpen: true);
        var output = PipeWriter.Create(gzip, new StreamPipeWriterOptions(leaveOpen: true));
        await write(output);
        await output.CompleteAsync();
    }
}
