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
internal sealed class WatchWriter(ApiRequest request, IBufferWriter<byte> output, RecentFrames recent)
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
            Begin(output, type);
            StoredObject.WriteJson(output, entry, notice.Revision);
            output.Write("}\n"u8);
            return;
        }
        // A row comes with columns or without; a bookmark is somebody's own.
        var isShared = notice.Entry is not null && request.Media.Projection != Projection.Table;
        var frame = isShared ? recent.Find(notice, request.Media, resource.Kind) : null;
        if (frame is null)
        {
            frame = Encode(type, ObjectOf(notice));
            if (isShared)
                recent.Keep(notice, request.Media, resource.Kind, frame);
        }
        // In one piece of memory: a client that reads as things come gets a frame at a time.
        frame.CopyTo(output.GetSpan(frame.Length));
        output.Advance(frame.Length);
    }

    /// <summary>The last frame of a watch that cannot go on.</summary>
    public void WriteError(Status status)
    {
        if (request.Media.Format == BodyFormat.Protobuf)
        {
            output.Write(ProtoFrame("ERROR"u8, Responses.Envelope(status.WriteProto, status.ApiVersion, status.Kind)));
            return;
        }
        Begin(output, "ERROR"u8);
        output.Write(Json.Write(status));
        output.Write("}\n"u8);
    }

    private IKubeObject ObjectOf(Notice notice)
    {
        var value = notice.Entry is { } stored ? StoredObject.Read(request.Resource, stored) : Bookmark(notice);
        var version = notice.Revision.ToString();
        return value.Metadata.ResourceVersion == version ? value : value.WithMetadata(value.Metadata with { ResourceVersion = version });
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

    private byte[] Encode(ReadOnlySpan<byte> type, IKubeObject value)
    {
        var media = request.Media;
        if (media.Format == BodyFormat.Protobuf)
            return ProtoFrame(type, media.Projection == Projection.None ? ProtoEnvelope.Write(value) : PartialMetadata.ToProto(value, media));
        var frame = new ArrayBufferWriter<byte>(1024);
        Begin(frame, type);
        using (var writer = new Utf8JsonWriter(frame, Json.WriterOptions))
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
        frame.Write("}\n"u8);
        return frame.WrittenSpan.ToArray();
    }

    private static void Begin(IBufferWriter<byte> output, ReadOnlySpan<byte> type)
    {
        output.Write("{\"type\":\""u8);
        output.Write(type);
        output.Write("\",\"object\":"u8);
    }

    // meta.v1.WatchEvent { 1 type, 2 object { 1 raw } } behind four bytes of length, big endian.
    private static byte[] ProtoFrame(ReadOnlySpan<byte> type, byte[] envelope)
    {
        var message = new ProtoWriter();
        var mark = message.Length;
        message.Bytes(1, envelope);
        message.EndMessage(2, mark);
        message.Bytes(1, type);
        var frame = new byte[message.Length + LengthBytes];
        BinaryPrimitives.WriteInt32BigEndian(frame, message.Length);
        message.Written.CopyTo(frame.AsSpan(LengthBytes));
        return frame;
    }
}
