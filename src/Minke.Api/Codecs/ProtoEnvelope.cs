namespace Minke.Api;

/// <summary>The form of <c>application/vnd.kubernetes.protobuf</c>: four magic bytes and a <c>runtime.Unknown</c> around the object.</summary>
public static class ProtoEnvelope
{
    private static ReadOnlySpan<byte> Magic => [0x6b, 0x38, 0x73, 0x00];

    public static bool IsEnvelope(ReadOnlySpan<byte> data) => data.StartsWith(Magic);

    /// <summary>Takes the envelope apart.</summary>
    /// <exception cref="ProtoReadException">No envelope, or a broken one.</exception>
    public static (string ApiVersion, string Kind, ReadOnlyMemory<byte> Raw) Open(ReadOnlyMemory<byte> data)
    {
        if (!IsEnvelope(data.Span))
            throw new ProtoReadException("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
        string apiVersion = "", kind = "";
        var raw = ReadOnlyMemory<byte>.Empty;
        var reader = new ProtoReader(data.Span[4..]);
        while (reader.Next(out var field))
        {
            switch (field)
            {
                case 1:
                    var type = new ProtoReader(reader.Bytes());
                    while (type.Next(out var typeField))
                    {
                        if (typeField == 1)
                            apiVersion = type.String();
                        else if (typeField == 2)
                            kind = type.String();
                        else
                            type.Skip();
                    }
                    break;
                case 2:
                    raw = reader.Bytes().ToArray();
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        return (apiVersion, kind, raw);
    }

    /// <summary>Wraps a message already written into <paramref name="writer"/> (and nothing else).</summary>
    public static byte[] Seal(ProtoWriter writer, string apiVersion, string kind)
    {
        Seal(writer, writer.Length, apiVersion, kind);
        // Fields 3 and 4, contentEncoding and contentType, are written by upstream even when empty, after raw; readers ignore order.
        return [.. Magic, .. writer.Written];
    }

    /// <summary>What comes before a message of this length, which is sent after it.</summary>
    public static byte[] Head(int length, string apiVersion, string kind)
    {
        var writer = new ProtoWriter();
        Seal(writer, length, apiVersion, kind);
        return [.. Magic, .. writer.Written];
    }

    private static void Seal(ProtoWriter writer, int length, string apiVersion, string kind)
    {
        writer.EndMessage(2, writer.Length - length);
        var mark = writer.Length;
        writer.String(2, kind);
        writer.String(1, apiVersion);
        writer.EndMessage(1, mark);
    }

    public static byte[] Write(IKubeObject value)
    {
        var writer = new ProtoWriter();
        value.WriteProto(writer);
        return Seal(writer, value.ApiVersion, value.Kind);
    }

    internal static IKubeObject ReadKnown(ReadOnlyMemory<byte> data)
    {
        var (apiVersion, kind, raw) = Open(data);
        var info = Kinds.Find(apiVersion, kind) ?? throw new ProtoReadException($"no kind \"{kind}\" is registered for version \"{apiVersion}\"");
        return info.ReadProto(raw.Span);
    }
}
