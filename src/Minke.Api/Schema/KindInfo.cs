namespace Minke.Api;

/// <summary>What is served for one kind of one group-version. Made by the generator for built-in kinds.</summary>
public sealed class KindInfo
{
    /// <summary>Empty for core.</summary>
    public required string Group { get; init; }
    public required string Version { get; init; }
    public required string Kind { get; init; }

    /// <summary>As in paths: <c>pods</c>.</summary>
    public required string Plural { get; init; }
    public string Singular { get => field.Length > 0 ? field : Kind.ToLowerInvariant(); init; } = "";
    public string ListKind { get => field.Length > 0 ? field : Kind + "List"; init; } = "";

    /// <summary>Made at run time, by a CustomResourceDefinition.</summary>
    public bool IsDynamic { get; init; }

    /// <summary><c>v1</c>, <c>apps/v1</c>.</summary>
    public string ApiVersion => Group.Length == 0 ? Version : Group + "/" + Version;

    /// <summary>Lives in a namespace; else in the cluster.</summary>
    public required bool IsNamespaced { get; init; }

    /// <summary>API verbs of the collection and its objects; subresources have their own.</summary>
    public IReadOnlyList<string> Verbs { get; init; } = [];
    public IReadOnlyList<string> ShortNames { get; init; } = [];
    public IReadOnlyList<string> Categories { get; init; } = [];
    public IReadOnlyList<SubresourceInfo> Subresources { get; init; } = [];

    /// <summary>Field labels besides metadata.name and metadata.namespace, and how to read them.</summary>
    public IReadOnlyList<FieldLabel> FieldLabels { get; init; } = [];
    public required Func<TypeSchema> SchemaFactory { get; init; }
    public TypeSchema Schema => SchemaFactory();
    public required JsonRead<IKubeObject> JsonReader { get; init; }
    public required ProtoRead<IKubeObject> ProtoReader { get; init; }

    /// <summary>Reads one object. <paramref name="context"/> collects unknown and duplicate fields.</summary>
    /// <exception cref="JsonReadException">Not JSON, or a value of the wrong type.</exception>
    public IKubeObject ReadJson(ReadOnlySpan<byte> utf8, JsonReadContext? context = null) => Json.Read(utf8, JsonReader, context);

    /// <exception cref="ProtoReadException">No message of this kind.</exception>
    public IKubeObject ReadProto(ReadOnlySpan<byte> message) => ProtoReader(message);

    public override string ToString() => ApiVersion + "/" + Kind;
}

/// <summary>Reads one protobuf message, without envelope.</summary>
/// <exception cref="ProtoReadException">No message of this type.</exception>
public delegate T ProtoRead<T>(ReadOnlySpan<byte> message);

/// <param name="Name"><c>status</c>, <c>log</c>, ….</param>
/// <param name="Verbs">API verbs, sorted.</param>
/// <param name="IsConnect">An upgraded or proxied stream.</param>
/// <param name="BodyApiVersion">Of the body, where it is not the parent kind; else empty.</param>
/// <param name="BodyKind">Of the body, where it is not the parent kind; else empty.</param>
/// <param name="Gate">Feature gate, or empty.</param>
public sealed record SubresourceInfo(string Name, string[] Verbs, bool IsConnect, string BodyApiVersion, string BodyKind, string Gate);

/// <summary>One field label of a kind: its name in a selector and the text it compares.</summary>
public sealed record FieldLabel(string Name, Func<IKubeObject, string> Read);
