using Minke.Api.Meta.V1;

namespace Minke.Api.Autoscaling.V1;

/// <summary>A Scale has no collection of its own, but is read, patched and shown like any kind.</summary>
public sealed partial record Scale : IKubeObject<Scale>
{
    KindInfo IKubeObject.Info => KindInfo;
    IKubeObject IKubeObject.WithMetadata(ObjectMeta metadata) => this with { Metadata = metadata };
    IKubeObject IKubeObject.WithConstantDefaults() => WithConstantDefaults();

    public static KindInfo KindInfo { get; } = new()
    {
        Group = "autoscaling",
        Version = "v1",
        Kind = "Scale",
        Plural = "scales",
        IsNamespaced = true,
        SchemaFactory = static () => TypeSchema,
        JsonReader = static (ref reader, context) => ReadJson(ref reader, context),
        ProtoReader = static message => ReadProto(message),
    };
}
