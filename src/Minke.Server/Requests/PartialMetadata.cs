using System.Text.Json;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.Registry;

namespace Minke.Server.Requests;

/// <summary>Objects reduced to their metadata: PartialObjectMetadata and its list, in either version.</summary>
internal static class PartialMetadata
{
    public static void Write(Utf8JsonWriter writer, IKubeObject value, MediaType media)
    {
        writer.WriteStartObject();
        writer.WriteString("kind"u8, "PartialObjectMetadata");
        writer.WriteString("apiVersion"u8, media.MetaVersion);
        writer.WritePropertyName("metadata"u8);
        value.Metadata.WriteJson(writer);
        writer.WriteEndObject();
    }

    public static byte[] ToProto(IKubeObject value, MediaType media) =>
        Responses.Envelope(new PartialObjectMetadata { Metadata = value.Metadata }.WriteProto, media.MetaVersion, "PartialObjectMetadata");

    public static byte[] ToProto(IEnumerable<IKubeObject> items, ListMeta metadata, MediaType media)
    {
        var list = new PartialObjectMetadataList
        {
            Metadata = metadata,
            Items = items.Select(item => new PartialObjectMetadata { Metadata = item.Metadata }).ToApiList(),
        };
        return Responses.Envelope(list.WriteProto, media.MetaVersion, "PartialObjectMetadataList");
    }

    /// <exception cref="StatusException">406: a list as one object, or one object as a list.</exception>
    public static void Check(MediaType media, Resource resource, string verb)
    {
        var kind = ObjectDecoder.GoInternalName(resource.StorageKind);
        if (media.Projection == Projection.PartialMetadata && verb == "list")
            throw StatusException.NotAcceptable($"you requested PartialObjectMetadata, but the requested object is a list (*{kind}List)");
        if (media.Projection == Projection.PartialMetadataList && verb == "get")
            throw StatusException.NotAcceptable($"you requested PartialObjectMetadataList, but the requested object is not a list (*{kind})");
    }
}
