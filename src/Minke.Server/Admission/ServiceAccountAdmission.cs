using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission;

/// <summary>Every pod runs as a service account, and finds its token, the cluster's CA and its namespace in a projected volume.</summary>
internal sealed class ServiceAccountAdmission(IStateStore store, ResourceCatalog catalog, IdSource ids, TimeProvider clock) : IAdmission
{
    private const string Default = "default";
    private const string MirrorAnnotation = "kubernetes.io/config.mirror";
    private const string VolumePrefix = "kube-api-access-";
    private const string MountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
    private const long TokenSeconds = 3607;
    private const int VolumeMode = 0b110_100_100; // 0644

    // A new namespace gets its default account from a controller; upstream asks again for about as long.
    private static readonly TimeSpan DefaultAccountWait = TimeSpan.FromSeconds(2);

    private readonly Resource _accounts = catalog.Find(Minke.Api.Core.V1.ServiceAccount.KindInfo)!;

    public async ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Creates<Pod>(out var pod))
            request.Object = await WithAccountAsync(request, pod, cancellationToken);
    }

    private async ValueTask<Pod> WithAccountAsync(AdmissionRequest request, Pod pod, CancellationToken cancellationToken)
    {
        if (pod.Metadata.Annotations.ContainsKey(MirrorAnnotation))
        {
            if (pod.Spec.ServiceAccountName.Length > 0)
                throw request.Forbidden("a mirror pod may not reference service accounts");
            return pod;
        }
        var name = pod.Spec.ServiceAccountName.Length > 0 ? pod.Spec.ServiceAccountName
            : pod.Spec.ServiceAccount.Length > 0 ? pod.Spec.ServiceAccount : Default;
        if (await FindAsync(pod.Metadata.Namespace, name, request.Context.IsDryRun, cancellationToken) is not { } account)
            throw request.Forbidden($"error looking up service account {pod.Metadata.Namespace}/{name}: serviceaccount \"{name}\" not found");

        pod = pod with { Spec = pod.Spec with { ServiceAccountName = name, ServiceAccount = name } };
        if (pod.Spec.ImagePullSecrets.IsEmpty && !account.ImagePullSecrets.IsEmpty)
            pod = pod with { Spec = pod.Spec with { ImagePullSecrets = account.ImagePullSecrets } };
        return pod.Spec.AutomountServiceAccountToken ?? account.AutomountServiceAccountToken ?? true ? WithToken(pod) : pod;
    }

    private Pod WithToken(Pod pod)
    {
        var existing = pod.Spec.Volumes.FirstOrDefault(volume => volume.Name.StartsWith(VolumePrefix, StringComparison.Ordinal));
        var name = existing?.Name ?? VolumePrefix + ids.NewSuffix();
        var mount = new VolumeMount { Name = name, ReadOnly = true, MountPath = MountPath };
        Container Mounted(Container container) =>
            container.VolumeMounts.Any(other => other.MountPath == MountPath) ? container : container with { VolumeMounts = container.VolumeMounts.Add(mount) };

        var spec = pod.Spec;
        var containers = spec.Containers.Map(Mounted);
        var initContainers = spec.InitContainers.Map(Mounted);
        var isUsed = containers.Concat(initContainers).Any(container => container.VolumeMounts.Any(other => other.Name == name));
        if (!isUsed)
            return pod;
        spec = spec with { Containers = containers, InitContainers = initContainers };
        return pod with { Spec = existing is null ? spec with { Volumes = spec.Volumes.Add(TokenVolume(name)) } : spec };
    }

    private static Volume TokenVolume(string name) => new()
    {
        Name = name,
        Projected = new()
        {
            DefaultMode = VolumeMode,
            Sources =
            [
                new VolumeProjection { ServiceAccountToken = new() { Path = "token", ExpirationSeconds = TokenSeconds } },
                new VolumeProjection { ConfigMap = new() { Name = "kube-root-ca.crt", Items = [new KeyToPath { Key = "ca.crt", Path = "ca.crt" }] } },
                new VolumeProjection
                {
                    DownwardAPI = new()
                    {
                        Items = [new DownwardAPIVolumeFile { Path = "namespace", FieldRef = new() { ApiVersion = "v1", FieldPath = "metadata.namespace" } }],
                    },
                },
            ],
        },
    };

    private async ValueTask<ServiceAccount?> FindAsync(string @namespace, string name, bool isDryRun, CancellationToken cancellationToken)
    {
        var key = _accounts.Key(@namespace, name);
        var snapshot = store.Snapshot();
        if (snapshot.Get(key) is { } entry)
            return (ServiceAccount)StoredObject.Read(_accounts, entry);
        if (name != Default || isDryRun)
            return null;
        using var watch = store.Watch(key, snapshot.Revision);
        var end = clock.GetUtcNow() + DefaultAccountWait;
        while (watch is not null && end - clock.GetUtcNow() is { Ticks: > 0 } left)
        {
            await watch.ReadAsync(left, cancellationToken);
            if (store.Snapshot().Get(key) is { } late)
                return (ServiceAccount)StoredObject.Read(_accounts, late);
        }
        return null;
    }
}
