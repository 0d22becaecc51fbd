using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using Minke.Api;
using Minke.Server.CustomResources;
using Minke.Store;

namespace Minke.Server.Registry;

/// <summary>
/// How an object lies in the store: a header and its JSON without resourceVersion, which is the store's revision and is spliced in
/// when served. So an object is encoded once, when it is written.
/// </summary>
/// <remarks>
/// <code>
/// byte    format, 1; 2 for custom objects
/// byte    reserved, 0
/// uint16  where in the JSON an item of a list begins, little endian: after kind and apiVersion; custom objects keep both
/// int32   where in the JSON <c>,"resourceVersion":"N"</c> belongs: after metadata.uid, as upstream orders it
/// uint64  format 2 alone: the fingerprint of the version and schema a custom object was written by
/// ...     JSON
/// </code>
/// </remarks>
internal static class StoredObject
{
    private const byte Format = 1;
    private const byte CustomFormat = 2;
    private const int HeaderSize = 8;
    private const int CustomHeaderSize = 16;

    public static byte[] Encode(IKubeObject value)
    {
        if (value.Metadata.ResourceVersion.Length > 0)
            value = value.WithMetadata(value.Metadata with { ResourceVersion = "" });
        var custom = value as CustomObject;
        var header = custom is null ? HeaderSize : CustomHeaderSize;
        var buffer = new ArrayBufferWriter<byte>(1024);
        buffer.GetSpan(header)[..header].Clear();
        buffer.Advance(header);
        using (var writer = new Utf8JsonWriter(buffer, Minke.Api.Json.WriterOptions))
            value.WriteJson(writer);

        var stored = buffer.WrittenSpan.ToArray();
        var (members, splice) = FindOffsets(stored.AsSpan(header));
        stored[0] = custom is null ? Format : CustomFormat;
        BinaryPrimitives.WriteUInt16LittleEndian(stored.AsSpan(2), custom is null ? (ushort)members : (ushort)1);
        BinaryPrimitives.WriteInt32LittleEndian(stored.AsSpan(4), splice);
        if (custom is not null)
            BinaryPrimitives.WriteUInt64LittleEndian(stored.AsSpan(HeaderSize), custom.Fingerprint);
        return stored;
    }

    /// <summary>Without the header and resourceVersion.</summary>
    public static ReadOnlySpan<byte> Json(Entry entry) => entry.Value.Span[SizeOfHeader(entry.Value.Span)..];

    /// <summary>Of a custom object; zero for others.</summary>
    public static ulong Fingerprint(Entry entry) =>
        entry.Value.Span is [CustomFormat, ..] stored ? BinaryPrimitives.ReadUInt64LittleEndian(stored[HeaderSize..]) : 0;

    /// <summary>Whether an update would change nothing. By which schema a custom object was looked at last is no change.</summary>
    public static bool IsSame(ReadOnlySpan<byte> encoded, Entry entry) => encoded[SizeOfHeader(encoded)..].SequenceEqual(Json(entry));

    /// <summary>Whether the header says what the JSON holds.</summary>
    public static bool IsWellFormed(Entry entry)
    {
        var stored = entry.Value.Span;
        if (stored is not [Format or CustomFormat, ..] || stored.Length <= SizeOfHeader(stored))
            return false;
        var (members, splice) = FindOffsets(Json(entry));
        return BinaryPrimitives.ReadUInt16LittleEndian(stored[2..]) == (stored[0] == CustomFormat ? 1 : members)
            && BinaryPrimitives.ReadInt32LittleEndian(stored[4..]) == splice;
    }

    private static int SizeOfHeader(ReadOnlySpan<byte> stored) => stored[0] == CustomFormat ? CustomHeaderSize : HeaderSize;

    /// <summary>The stored object with its resourceVersion; one instance for everybody.</summary>
    public static IKubeObject Read(Resource resource, Entry entry)
    {
        var stored = entry.Decoded(resource.DecodeStored);
        return resource.Conversion is null ? stored : resource.Conversion.FromStored(stored);
    }

    /// <summary>Lets readers of this entry have the record it was encoded from.</summary>
    public static IKubeObject Remember(Entry entry, IKubeObject value) =>
        entry.Decoded(entry => value.WithMetadata(value.Metadata with { ResourceVersion = entry.Modified.ToString() }));

    /// <summary>The JSON of the stored kind, without resourceVersion.</summary>
    public static ReadOnlyMemory<byte> JsonOf(Entry entry) => entry.Value[SizeOfHeader(entry.Value.Span)..];

    /// <summary>How many bytes <see cref="WriteJson"/> writes.</summary>
    public static int JsonLength(Entry entry, Revision revision) => Json(entry).Length + Name.Length + 1 + Digits(revision.Value);

    /// <summary>The whole object as JSON.</summary>
    public static void WriteJson(IBufferWriter<byte> output, Entry entry, Revision revision) => Splice(output, entry, revision, from: 0);

    /// <summary>The object as an item of a list: without kind and apiVersion, where it is no custom one.</summary>
    public static void WriteItem(IBufferWriter<byte> output, Entry entry)
    {
        output.Write("{"u8);
        Splice(output, entry, entry.Modified, BinaryPrimitives.ReadUInt16LittleEndian(entry.Value.Span[2..]));
    }

    public static IKubeObject Decode(KindInfo kind, Entry entry)
    {
        var value = kind.ReadJson(Json(entry));
        return value.WithMetadata(value.Metadata with { ResourceVersion = entry.Modified.ToString() });
    }

    private static void Splice(IBufferWriter<byte> output, Entry entry, Revision revision, int from)
    {
        var json = Json(entry);
        var at = BinaryPrimitives.ReadInt32LittleEndian(entry.Value.Span[4..]);
        var target = output.GetSpan(json.Length - from + 48);
        json[from..at].CopyTo(target);
        var length = at - from;
        Name.CopyTo(target[length..]);
        length += Name.Length;
        revision.Value.TryFormat(target[length..], out var digits, provider: CultureInfo.InvariantCulture);
        length += digits;
        target[length++] = (byte)'"';
        json[at..].CopyTo(target[length..]);
        output.Advance(length + json.Length - at);
    }

    private static ReadOnlySpan<byte> Name => ",\"resourceVersion\":\""u8;

    private static int Digits(long value)
    {
        var digits = 1;
        while ((value /= 10) != 0)
            digits++;
        return digits;
    }

    private static (int Members, int Splice) FindOffsets(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, Minke.Api.Json.ReaderOptions);
        reader.Read();
        var members = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (!reader.ValueTextEquals("metadata"u8))
            {
                reader.Read();
                reader.Skip();
                continue;
            }
            members = (int)reader.TokenStartIndex;
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isUid = reader.ValueTextEquals("uid"u8);
                reader.Read();
                if (isUid)
                    return (members, (int)reader.BytesConsumed);
                reader.Skip();
            }
            break;
        }
        throw new InvalidOperationException("an object is stored without metadata.uid");
    }
}
