using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.CustomResources.Schemas;

namespace Minke.Server.CustomResources;

/// <summary>
/// An object of a kind that a CustomResourceDefinition made: metadata is typed, the rest is kept as the JSON of each member, with
/// sorted keys. Immutable; JSON only.
/// </summary>
internal sealed class CustomObject(KindInfo kind, ObjectMeta metadata, ApiMap<RawJson> members, ulong fingerprint) : IKubeObject
{
    // What this object looks like in other versions, for those who read it so. Replaced as a whole; losing a race costs one conversion.
    private volatile View[] _views = [];

    private sealed record View(CustomVersion Version, CustomObject Object);

    public ObjectMeta Metadata { get; } = metadata;
    public KindInfo Info { get; } = kind;
    public string ApiVersion => Info.ApiVersion;
    public string Kind => Info.Kind;

    /// <summary>Everything but apiVersion, kind and metadata.</summary>
    public ApiMap<RawJson> Members { get; } = members;

    /// <summary>Of the version and schema it is pruned and defaulted by; zero for none.</summary>
    public ulong Fingerprint { get; } = fingerprint;

    public IKubeObject WithMetadata(ObjectMeta metadata) => new CustomObject(Info, metadata, Members, Fingerprint);

    public CustomObject WithMembers(ApiMap<RawJson> members) => new(Info, Metadata, members, Fingerprint);

    /// <summary>What an update leaves as wrong as it was: for the warnings of the request that validated this instance.</summary>
    public IReadOnlyList<string> Forgiven { get; set; } = [];

    /// <summary>With a member as another object has it, or has it not.</summary>
    public CustomObject WithMemberOf(CustomObject other, string name) =>
        WithMembers(other.Members.TryGetValue(name, out var member) ? Members.With(name, member) : Members.Without(name));

    /// <summary>All defaults are the schema's.</summary>
    public IKubeObject WithConstantDefaults() => this;

    /// <summary>The members as a tree of the caller's own.</summary>
    public JsonObject Tree()
    {
        var tree = new JsonObject();
        foreach (var (name, member) in Members)
            tree[name] = JsonTree.Parse(member.Utf8);
        return tree;
    }

    /// <summary>The whole object as a tree of the caller's own.</summary>
    public JsonObject WholeTree()
    {
        var tree = Tree();
        tree["apiVersion"] = ApiVersion;
        tree["kind"] = Kind;
        tree["metadata"] = JsonTree.Parse(Json.Write(Metadata));
        return tree;
    }

    public static ApiMap<RawJson> MembersOf(JsonObject tree) =>
        tree.Select(member => KeyValuePair.Create(member.Key, new RawJson(JsonTree.Write(member.Value)))).ToApiMap();

    public CustomObject? In(CustomVersion version)
    {
        foreach (var view in _views)
        {
            if (ReferenceEquals(view.Version, version))
                return view.Object;
        }
        return null;
    }

    /// <summary>Keeps what it looks like in another version. Views of versions that are served no more go.</summary>
    public CustomObject Remember(CustomVersion version, CustomObject value)
    {
        _views = [.. _views.Where(view => !view.Version.IsRetired && !ReferenceEquals(view.Version, version)), new View(version, value)];
        return value;
    }

    public void WriteJson(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        WriteJsonMembers(writer);
        writer.WriteEndObject();
    }

    /// <summary>With apiVersion and kind: upstream's lists of custom objects have them on every item.</summary>
    public void WriteJsonMembers(Utf8JsonWriter writer)
    {
        writer.WriteString("apiVersion"u8, ApiVersion);
        writer.WriteString("kind"u8, Kind);
        writer.WritePropertyName("metadata"u8);
        Metadata.WriteJson(writer);
        foreach (var (name, member) in Members)
        {
            writer.WritePropertyName(name);
            writer.WriteRawValue(member.Utf8, skipInputValidation: true);
        }
    }

    /// <exception cref="StatusException">406: there is no message to write.</exception>
    public void WriteProto(ProtoWriter writer) =>
        throw StatusException.NotAcceptable("object *unstructured.Unstructured does not implement the protobuf marshalling interface and cannot be encoded to a protobuf message");
}
