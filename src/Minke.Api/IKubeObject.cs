using System.Text.Json;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>An object of the API: immutable, with metadata, able to write itself. Every kind's record is one.</summary>
public interface IKubeObject : IJsonWritable
{
    ObjectMeta Metadata { get; }
    string ApiVersion { get; }
    string Kind { get; }
    KindInfo Info { get; }

    IKubeObject WithMetadata(ObjectMeta metadata);

    /// <summary>Filled in with the constant defaults of <c>api/</c>; the same instance when nothing was absent.</summary>
    IKubeObject WithConstantDefaults();

    /// <summary>The members alone, without braces, apiVersion and kind.</summary>
    void WriteJsonMembers(Utf8JsonWriter writer);

    /// <summary>The message alone, without <see cref="ProtoEnvelope"/>.</summary>
    void WriteProto(ProtoWriter writer);
}

/// <summary>What generic code needs of a kind's record beyond an instance.</summary>
public interface IKubeObject<TSelf> : IKubeObject where TSelf : class, IKubeObject<TSelf>
{
    static abstract KindInfo KindInfo { get; }
}

/// <summary>A list as the API returns it.</summary>
public sealed record ObjectList<T>(ListMeta Metadata, IReadOnlyList<T> Items);
