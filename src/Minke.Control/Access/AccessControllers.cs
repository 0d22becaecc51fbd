using Microsoft.Extensions.Logging;
using Minke.Api.Certificates.V1;
using Minke.Api.Core.V1;
using Minke.Api.Rbac.V1;
using Minke.Client;

namespace Minke.Control.Access;

/// <summary>The controllers of users' rights and credentials with the caches they share.</summary>
/// <param name="api">Their way to the API.</param>
/// <param name="rootCertificatePem">The cluster CA's certificate, for Secrets with tokens.</param>
/// <param name="sign">Signs requests for certificates.</param>
/// <param name="time">The clock.</param>
/// <param name="loggers">Where they log.</param>
public sealed class AccessControllers(IApiClient api, string rootCertificatePem, CertificateSigner sign, TimeProvider time, ILoggerFactory loggers)
{
    /// <summary>Runs until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(AggregateAsync(cancellationToken), SignAsync(cancellationToken), KeepTokensAsync(cancellationToken), CleanTokensAsync(cancellationToken));

    private Task AggregateAsync(CancellationToken cancellationToken)
    {
        var roles = Watch<ClusterRole>(Selection.All);
        var aggregation = Loop("cluster-role-aggregation", new ClusterRoleAggregation(roles, api));
        roles.OnChange(_ =>
        {
            // Whichever changed, any that aggregates may find it.
            foreach (var role in roles.All.Where(role => role.AggregationRule is not null))
                aggregation.Enqueue(ObjectKey.Of(role));
        });
        return Task.WhenAll(roles.RunAsync(cancellationToken), aggregation.RunAsync(cancellationToken));
    }

    private Task SignAsync(CancellationToken cancellationToken)
    {
        var requests = Watch<CertificateSigningRequest>(Selection.All);
        var certificates = Loop("certificates", new CertificateController(requests, api, sign, time));
        requests.OnChange(change => certificates.Enqueue(change.Key));
        return Task.WhenAll(requests.RunAsync(cancellationToken), certificates.RunAsync(cancellationToken));
    }

    private Task KeepTokensAsync(CancellationToken cancellationToken)
    {
        var secrets = Watch<Secret>(new(Fields: "type=" + TokenSecrets.Type));
        var accounts = Watch<ServiceAccount>(Selection.All);
        var tokens = Loop("token-secrets", new TokenSecrets(secrets, accounts, api, rootCertificatePem));
        secrets.OnChange(change => tokens.Enqueue(change.Key));
        accounts.OnChange(change =>
        {
            if (change.New is not null)
                return;
            foreach (var secret in secrets.All.Where(secret => secret.Metadata.Namespace == change.Key.Namespace
                && secret.Metadata.Annotations.GetValueOrDefault(TokenSecrets.AccountName) == change.Key.Name))
                tokens.Enqueue(ObjectKey.Of(secret));
        });
        return Task.WhenAll(secrets.RunAsync(cancellationToken), accounts.RunAsync(cancellationToken), tokens.RunAsync(cancellationToken));
    }

    private Task CleanTokensAsync(CancellationToken cancellationToken)
    {
        var secrets = Watch<Secret>(new(Fields: "type=" + BootstrapTokenCleaner.Type));
        var cleaner = Loop("bootstrap-tokens", new BootstrapTokenCleaner(secrets, api, time));
        secrets.OnChange(change => cleaner.Enqueue(change.Key));
        return Task.WhenAll(secrets.RunAsync(cancellationToken), cleaner.RunAsync(cancellationToken));
    }

    private Informer<T> Watch<T>(Selection selection) where T : class, Minke.Api.IKubeObject<T> =>
        new(api, null, selection, time, loggers.CreateLogger("Minke.Control.Informer"));

    private ReconcileLoop Loop(string name, IReconciler reconciler) => new(name, reconciler, time, loggers.CreateLogger<ReconcileLoop>());
}
