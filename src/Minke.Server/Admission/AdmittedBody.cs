using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.CustomResources.Schemas;

namespace Minke.Server.Admission;

/// <summary>What a subresource is sent, where that is no kind of its own (an Eviction, the options of an exec), as admission sees it: JSON.</summary>
internal sealed class AdmittedBody : IKubeObject
{
    public static KindInfo Eviction { get; } = InfoOf("policy", "v1", "Eviction");
    public static KindInfo TokenRequest { get; } = InfoOf("authentication.k8s.io", "v1", "TokenRequest");
    public static KindInfo ExecOptions { get; } = InfoOf("", "v1", "PodExecOptions");
    public static KindInfo AttachOptions { get; } = InfoOf("", "v1", "PodAttachOptions");
    public static KindInfo PortForwardOptions { get; } = InfoOf("", "v1", "PodPortForwardOptions");
    public static KindInfo PodProxyOptions { get; } = InfoOf("", "v1", "PodProxyOptions");
    public static KindInfo ServiceProxyOptions { get; } = InfoOf("", "v1", "ServiceProxyOptions");
    public static KindInfo NodeProxyOptions { get; } = InfoOf("", "v1", "NodeProxyOptions");

    private readonly byte[] _json;

    private AdmittedBody(KindInfo info, byte[] json, ObjectMeta metadata) => (Info, _json, Metadata) = (info, json, metadata);

    public KindInfo Info { get; }
    public ObjectMeta Metadata { get; }
    public string ApiVersion => Info.ApiVersion;
    public string Kind => Info.Kind;
    public ReadOnlySpan<byte> Utf8 => _json;

    public static AdmittedBody Of(KindInfo info, IJsonWritable value, ObjectMeta metadata) => new(info, Json.Write(value), metadata);

    /// <param name="members">Without apiVersion and kind.</param>
    public static AdmittedBody Of(KindInfo info, JsonObject members)
    {
        var typed = new JsonObject { ["kind"] = info.Kind, ["apiVersion"] = info.ApiVersion };
        foreach (var (name, value) in members)
            typed[name] = value?.DeepClone();
        return new(info, JsonTree.Write(typed), ObjectMeta.Empty);
    }

    /// <summary>Its members as query parameters: how options are read.</summary>
    public QueryReader Query()
    {
        var members = (JsonObject)JsonTree.Parse(_json)!;
        return new(name => members[name] switch
        {
            null => [],
            JsonArray items => [.. items.Select(item => item?.ToString() ?? "")],
            var value => [value.ToString()],
        });
    }

    /// <summary>Nobody changes its metadata but by a patch of the whole.</summary>
    public IKubeObject WithMetadata(ObjectMeta metadata) => new AdmittedBody(Info, _json, metadata);

    public IKubeObject WithConstantDefaults() => this;

    public void WriteJson(Utf8JsonWriter writer) => writer.WriteRawValue(_json, skipInputValidation: true);

    public void WriteJsonMembers(Utf8JsonWriter writer)
    {
        foreach (var (name, value) in (JsonObject)JsonTree.Parse(_json)!)
        {
            writer.WritePropertyName(name);
            JsonTree.Write(writer, value);
        }
    }

    public void WriteProto(ProtoWriter writer) => throw StatusException.NotAcceptable($"{Kind} is not answered in protobuf here");

    private static KindInfo InfoOf(string group, string version, string kind)
    {
        KindInfo? info = null;
        return info = new KindInfo
        {
            Group = group,
            Version = version,
            Kind = kind,
            Plural = "",
            IsNamespaced = true,
            SchemaFactory = () => ObjectMeta.TypeSchema,
            JsonReader = (ref Utf8JsonReader reader, JsonReadContext _) => Read(info!, ref reader),
            ProtoReader = _ => throw new ProtoReadException($"{kind} is not read from protobuf here"),
        };
    }

    private static AdmittedBody Read(KindInfo info, ref Utf8JsonReader reader)
    {
        if (JsonTree.Read(ref reader, "", null) is not JsonObject tree)
            throw new JsonReadException($"json: cannot unmarshal into Go value of type {info.Version}.{info.Kind}");
        var metadata = tree["metadata"] is JsonObject given ? Json.Read(JsonTree.Write(given), ObjectMeta.ReadJson) : ObjectMeta.Empty;
        return new(info, JsonTree.Write(tree), metadata);
    }
}
