using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Client;

/// <summary>
/// The Kubernetes API, typed. In one process it hands out the store's own immutable objects without copying or encoding; across
/// machines the same calls go over HTTPS. Failures are <see cref="StatusException"/>s.
/// </summary>
/// <remarks>A namespace is null for cluster-scoped kinds, and in lists and watches for all namespaces.</remarks>
public interface IApiClient
{
    /// <summary>The same API for one component, which owns the fields that it writes under its name.</summary>
    IApiClient As(string component);

    Task<T> GetAsync<T>(string? @namespace, string name, CancellationToken cancellationToken) where T : class, IKubeObject<T>;

    /// <summary>Null when there is no such object.</summary>
    Task<T?> TryGetAsync<T>(string? @namespace, string name, CancellationToken cancellationToken) where T : class, IKubeObject<T>;

    Task<ObjectList<T>> ListAsync<T>(string? @namespace, Selection selection, CancellationToken cancellationToken) where T : class, IKubeObject<T>;

    /// <summary>Changes after a resource version, with a bookmark now and then. Ends with 410 <c>Expired</c> when that is compacted: list again.</summary>
    IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
        string? @namespace, Selection selection, string resourceVersion, CancellationToken cancellationToken) where T : class, IKubeObject<T>;

    Task<T> CreateAsync<T>(T value, CancellationToken cancellationToken) where T : class, IKubeObject<T>;

    /// <summary>Replaces the object if it is still at the resource version it carries.</summary>
    Task<T> UpdateAsync<T>(T value, CancellationToken cancellationToken) where T : class, IKubeObject<T>;

    /// <summary>Replaces its status; writes nothing, and gives the object as it is, when nothing differs.</summary>
    Task<T> UpdateStatusAsync<T>(T value, CancellationToken cancellationToken) where T : class, IKubeObject<T>;

    Task<T> PatchAsync<T>(
        string? @namespace, string name, ApiPatch patch, CancellationToken cancellationToken) where T : class, IKubeObject<T>;

    /// <summary>Succeeds also when the object goes on being deleted gracefully.</summary>
    Task DeleteAsync<T>(
        string? @namespace, string name, DeleteOptions options, CancellationToken cancellationToken) where T : class, IKubeObject<T>;

    /// <summary>PUTs a subresource that holds the whole object: <c>finalize</c>, <c>ephemeralcontainers</c>.</summary>
    Task<T> UpdateSubresourceAsync<T>(T value, string subresource, CancellationToken cancellationToken) where T : class, IKubeObject<T>;

    /// <summary>An object of a kind known only at run time; null when there is none.</summary>
    Task<IKubeObject?> TryGetAsync(KindInfo kind, string? @namespace, string name, CancellationToken cancellationToken);

    /// <summary>Watches a kind known only at run time.</summary>
    IAsyncEnumerable<WatchEvent<IKubeObject>> WatchAsync(
        KindInfo kind, string? @namespace, Selection selection, string resourceVersion, CancellationToken cancellationToken);

    /// <summary>Patches an object of a kind known only at run time.</summary>
    Task<IKubeObject> PatchAsync(KindInfo kind, string? @namespace, string name, ApiPatch patch, CancellationToken cancellationToken);

    /// <summary>Lists a kind known only at run time.</summary>
    Task<ObjectList<IKubeObject>> ListAsync(KindInfo kind, string? @namespace, Selection selection, CancellationToken cancellationToken);

    /// <summary>Deletes an object of a kind known only at run time; succeeds also when it goes on being deleted gracefully.</summary>
    Task DeleteAsync(KindInfo kind, string? @namespace, string name, DeleteOptions options, CancellationToken cancellationToken);

    /// <summary>POSTs to a subresource: <c>token</c>, <c>binding</c>, <c>eviction</c>.</summary>
    Task<IJsonWritable> CreateSubresourceAsync<T>(
        string? @namespace, string name, string subresource, IJsonWritable body, CancellationToken cancellationToken) where T : class, IKubeObject<T>;
}

/// <summary>Selectors in their query form; empty for all.</summary>
public readonly record struct Selection(string Labels = "", string Fields = "")
{
    public static Selection All => new("", "");
}

public enum PatchKind { Json, Merge, StrategicMerge, Apply }

/// <param name="Kind">The patch's form.</param>
/// <param name="Body">Its JSON.</param>
/// <param name="Subresource"><c>status</c>, or empty.</param>
/// <param name="FieldManager">Who owns the fields; null for the client's component.</param>
/// <param name="Force">Apply: take over conflicting fields.</param>
public sealed record ApiPatch(PatchKind Kind, byte[] Body, string Subresource = "", string? FieldManager = null, bool Force = false);

public enum WatchEventType { Added, Modified, Deleted, Bookmark }

/// <param name="Type">What happened.</param>
/// <param name="Object">The object after it; as it last was when deleted. Null for a bookmark.</param>
/// <param name="ResourceVersion">Where the watch stands now.</param>
public readonly record struct WatchEvent<T>(WatchEventType Type, T? Object, string ResourceVersion);
