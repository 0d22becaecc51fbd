using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Client;
using Minke.Server.Registry;
using Minke.Server.Tables;

namespace Minke.Server.Requests;

/// <summary>Frames of a watch: a line of JSON each, or a length and a protobuf message.</summary>
internal sealed class WatchWriter(ApiRequest request, IBufferWriter<byte> output)
{
    /// <summary>What goes before a protobuf message on a stream.</summary>
    public const int LengthBytes = 4;

    private const string InitialEventsEnd = "k8s.io/initial-events-end";

    /// <summary>Beside it: an empty list in the client's own form, which its library puts the objects into.</summary>
    private const string ListBlueprint = "kubernetes.io/initial-events-list-blueprint";

    private bool _hasColumns;

    public void Write(Notice notice)
    {
        var resource = request.Resource;
        var type = notice.Type switch
        {
            WatchEventType.Added => "ADDED"u8,
            WatchEventType.Modified => "MODIFIED"u8,
            WatchEventType.Deleted => "DELETED"u8,
            _ => "BOOKMARK"u8,
        };
        if (notice.Entry is { } entry && request.Media == default && resource.ServesAsStored(entry))
        {
            Begin(type);
            StoredObject.WriteJson(output, entry, notice.Revision);
            output.Write("}\n"u8);
            return;
        }
        var value = notice.Entry is { } stored ? StoredObject.Read(resource, stored) : Bookmark(notice);
        if (value.Metadata.ResourceVersion != notice.Revision.ToString())
            value = value.WithMetadata(value.Metadata with { ResourceVersion = notice.Revision.ToString() });
        Write(type, value);
    }

    /// <summary>The last frame of a watch that cannot go on.</summary>
    public void WriteError(Status status)
    {
        if (request.Media.Format == BodyFormat.Protobuf)
        {
            WriteProto("ERROR"u8, Responses.Envelope(status.WriteProto, status.ApiVersion, status.Kind));
            return;
        }
        Begin("ERROR"u8);
        output.Write(Json.Write(status));
        output.Write("}\n"u8);
    }

    private IKubeObject Bookmark(Notice notice)
    {
        var empty = request.Resource.Kind.ReadJson("{}"u8);
        var metadata = new ObjectMeta { ResourceVersion = notice.Revision.ToString() };
        if (!notice.EndsInitialEvents)
            return empty.WithMetadata(metadata);
        return empty.WithMetadata(metadata with
        {
            Annotations = ApiMap.From(
            [
                new KeyValuePair<string, string>(InitialEventsEnd, "true"),
                new(ListBlueprint, Convert.ToBase64String(Responses.ListBytes(request, [], ListMeta.Empty).Span)),
            ]),
        });
    }

    private void Write(ReadOnlySpan<byte> type, IKubeObject value)
    {
        var media = request.Media;
        if (media.Format == BodyFormat.Protobuf)
        {
            WriteProto(type, media.Projection == Projection.None ? ProtoEnvelope.Write(value) : PartialMetadata.ToProto(value, media));
            return;
        }
        Begin(type);
        using (var writer = new Utf8JsonWriter(output, Json.WriterOptions))
        {
            if (media.Projection == Projection.Table)
            {
                IEnumerable<IKubeObject> rows = type.SequenceEqual("BOOKMARK"u8) ? [] : [value];
                TableWriter.Write(writer, request, rows, new() { ResourceVersion = value.Metadata.ResourceVersion }, withColumns: !_hasColumns);
                _hasColumns = true;
            }
            else if (media.Projection != Projection.None)
            {
                PartialMetadata.Write(writer, value, media);
            }
            else
            {
                value.WriteJson(writer);
            }
        }
        output.Write("}\n"u8);
    }

    private void Begin(ReadOnlySpan<byte> type)
    {
        output.Write("{\"type\":\""u8);
        output.Write(type);
        output.Write("\",\"object\":"u8);
    }

    // meta.v1.WatchEvent { 1 type, 2 object { 1 raw } } behind four bytes of length, big endian.
    private void WriteProto(ReadOnlySpan<byte> type, byte[] envelope)
    {
        var message = new ProtoWriter();
        var mark = message.Length;
        message.Bytes(1, envelope);
        message.EndMessage(2, mark);
        message.Bytes(1, type);
        var frame = output.GetSpan(message.Length + LengthBytes);
        BinaryPrimitives.WriteInt32BigEndian(frame, message.Length);
        message.Written.CopyTo(frame[LengthBytes..]);
        output.Advance(message.Length + LengthBytes);
    }
}
