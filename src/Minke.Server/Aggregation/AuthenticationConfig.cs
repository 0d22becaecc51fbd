using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Aggregation;

/// <summary>
/// Keeps the ConfigMap by which extension servers learn whom to believe: clients by their certificates, and this server by its own when
/// it says who asks. (pkg/controlplane/controller/clusterauthenticationtrust)
/// </summary>
internal sealed class AuthenticationConfig(IStateStore store, ResourceCatalog catalog, ApiServerOptions options, IdSource ids, TimeProvider clock)
{
    private const string Namespace = "kube-system";
    private const string Name = "extension-apiserver-authentication";

    private readonly Resource _resource = catalog.Find(ConfigMap.KindInfo)!;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await Task.Yield(); // Whoever starts the server waits for no keys to be made.
        var data = Data();
        var key = _resource.Key(Namespace, Name);
        try
        {
            using var watch = store.Watch(key, store.CurrentRevision);
            while (watch is not null)
            {
                await RestoreAsync(key, data, cancellationToken);
                await watch.ReadAsync(Timeout.InfiniteTimeSpan, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
        catch (StoreUnavailableException)
        {
            // The next start writes it.
        }
    }

    private async Task RestoreAsync(string key, ApiMap<string> data, CancellationToken cancellationToken)
    {
        var entry = store.Snapshot().Get(key);
        var current = entry is null ? null : (ConfigMap)StoredObject.Read(_resource, entry);
        if (current is not null && current.Data.SequenceEqual(data))
            return;
        current ??= new ConfigMap { Metadata = new() { Namespace = Namespace, Name = Name, Uid = ids.NewUid(), CreationTimestamp = Time.From(clock.GetUtcNow()) } };
        // Changed meanwhile: the watch says so.
        await store.PutAsync(key, StoredObject.Encode(current with { Data = data }), entry?.Modified ?? Revision.None, cancellationToken);
    }

    private ApiMap<string> Data()
    {
        var data = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["client-ca-file"] = options.ClientAuthority.ExportCertificatePem() + "\n" };
        if (options.FrontProxyIdentity?.Invoke() is { } identity)
        {
            data["requestheader-allowed-names"] = Names(identity.Name);
            data["requestheader-client-ca-file"] = identity.AuthorityPem;
            data["requestheader-extra-headers-prefix"] = Names(RemoteUser.ExtraPrefix);
            data["requestheader-group-headers"] = Names(RemoteUser.GroupHeader);
            data["requestheader-uid-headers"] = Names(RemoteUser.UidHeader);
            data["requestheader-username-headers"] = Names(RemoteUser.UserHeader);
        }
        return data.ToApiMap();
    }

    private static string Names(string name) => new JsonArray(JsonValue.Create(name)).ToJsonString();
}
