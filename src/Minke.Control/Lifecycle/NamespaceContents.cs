using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Client;

namespace Minke.Control.Lifecycle;

/// <summary>Gives every namespace what pods in it need: the ServiceAccount <c>default</c> and the ConfigMap <c>kube-root-ca.crt</c>.</summary>
/// <remarks>Keys are namespaces; a deleted account or a changed certificate comes back at once.</remarks>
public sealed class NamespaceContents(
    Informer<Namespace> namespaces, Informer<ServiceAccount> accounts, Informer<ConfigMap> configMaps, IApiClient api, string rootCertificatePem) : IReconciler
{
    public const string RootCertificates = "kube-root-ca.crt";
    private const string DefaultAccount = "default";
    private const string Description =
        "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. "
        + "No other usage is guaranteed across distributions of Kubernetes clusters.";

    /// <summary>Namespaces to look at again after a change of an account or ConfigMap of ours.</summary>
    public static ObjectKey? NamespaceOf<T>(Observed<T> change) where T : class, IKubeObject =>
        change.Key.Name is DefaultAccount or RootCertificates ? new ObjectKey("", change.Key.Namespace) : null;

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (namespaces.Get(key) is not { } @namespace || @namespace.Metadata.DeletionTimestamp is not null)
            return Requeue.Never;

        if (accounts.Get(key.Name, DefaultAccount) is null)
            await CreateAsync(new ServiceAccount { Metadata = new() { Namespace = key.Name, Name = DefaultAccount } }, cancellationToken);

        var wanted = new ConfigMap
        {
            Metadata = new()
            {
                Namespace = key.Name,
                Name = RootCertificates,
                Annotations = [new("kubernetes.io/description", Description)],
            },
            Data = [new("ca.crt", rootCertificatePem)],
        };
        if (configMaps.Get(key.Name, RootCertificates) is not { } existing)
            await CreateAsync(wanted, cancellationToken);
        else if (existing.Data.GetValueOrDefault("ca.crt") != rootCertificatePem)
            await api.UpdateAsync(existing with { Data = wanted.Data }, cancellationToken);
        return Requeue.Never;
    }

    private async Task CreateAsync<T>(T value, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        try
        {
            await api.CreateAsync(value, cancellationToken);
        }
        catch (StatusException e) when (e.Reason is StatusReason.AlreadyExists or StatusReason.NotFound or StatusReason.Forbidden)
        {
            // There already, or the namespace is going away: either way the watch tells.
        }
    }
}
