using System.Text;
using Minke.Api;
using Minke.Api.Authentication.V1;
using Minke.Api.Core.V1;
using Minke.Client;

namespace Minke.Control.Access;

/// <summary>
/// Fills Secrets of type <c>kubernetes.io/service-account-token</c> with a token of their account, the cluster's CA and their
/// namespace; takes away those whose account is gone.
/// </summary>
/// <remarks>The token is bound to the Secret and lasts as long as it: upstream's older form without an end is not made any more.</remarks>
internal sealed class TokenSecrets(Informer<Secret> secrets, Informer<ServiceAccount> accounts, IApiClient api, string rootCertificatePem) : IReconciler
{
    public const string Type = "kubernetes.io/service-account-token";
    public const string AccountName = "kubernetes.io/service-account.name";
    private const string AccountUid = "kubernetes.io/service-account.uid";
    private const long LongestSeconds = 1L << 32;

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (secrets.Get(key) is not { Type: Type, Metadata.DeletionTimestamp: null } secret
            || secret.Metadata.Annotations.GetValueOrDefault(AccountName) is not { Length: > 0 } name)
            return Requeue.Never;
        var account = accounts.Get(key.Namespace, name) ?? await api.TryGetAsync<ServiceAccount>(key.Namespace, name, cancellationToken);
        if (account is null || (secret.Metadata.Annotations.GetValueOrDefault(AccountUid) is { Length: > 0 } uid && uid != account.Metadata.Uid))
        {
            await DeleteAsync(secret, cancellationToken);
            return Requeue.Never;
        }
        var data = secret.Data;
        if (Differs(data, "ca.crt", rootCertificatePem))
            data = data.With("ca.crt", Encoding.UTF8.GetBytes(rootCertificatePem));
        if (!data.ContainsKey("namespace"))
            data = data.With("namespace", Encoding.UTF8.GetBytes(key.Namespace));
        if (!data.TryGetValue("token", out var token) || token.Length == 0)
            data = data.With("token", Encoding.UTF8.GetBytes(await TokenAsync(account, secret, cancellationToken)));
        var filled = secret with
        {
            Metadata = secret.Metadata with { Annotations = secret.Metadata.Annotations.With(AccountUid, account.Metadata.Uid) },
            Data = data,
        };
        if (!Json.Same(filled, secret))
            await api.UpdateAsync(filled, cancellationToken);
        return Requeue.Never;
    }

    private async Task<string> TokenAsync(ServiceAccount account, Secret secret, CancellationToken cancellationToken)
    {
        var answer = await api.CreateSubresourceAsync<ServiceAccount>(account.Metadata.Namespace, account.Metadata.Name, "token", new TokenRequest
        {
            Spec = new()
            {
                ExpirationSeconds = LongestSeconds,
                BoundObjectRef = new() { ApiVersion = "v1", Kind = "Secret", Name = secret.Metadata.Name, Uid = secret.Metadata.Uid },
            },
        }, cancellationToken);
        return ((TokenRequest)answer).Status.Token;
    }

    private async Task DeleteAsync(Secret secret, CancellationToken cancellationToken)
    {
        try
        {
            await api.DeleteAsync<Secret>(secret.Metadata.Namespace, secret.Metadata.Name, new() { Preconditions = new() { Uid = secret.Metadata.Uid } }, cancellationToken);
        }
        catch (StatusException e) when (e.Code is 404 or 409)
        {
            // Gone already, or another of the same name.
        }
    }

    private static bool Differs(ApiMap<byte[]> data, string key, string text) =>
        !data.TryGetValue(key, out var bytes) || !bytes.AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(text));
}
