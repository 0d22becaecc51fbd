using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Minke.Api;
using Minke.Api.Authorization.V1;
using Minke.Api.Certificates.V1;
using Minke.Api.Meta.V1;
using Minke.Client;
using ConditionStatus = Minke.Api.Core.V1.ConditionStatus;

namespace Minke.Control.Access;

/// <summary>Signs a request with the cluster's authority.</summary>
/// <returns>The certificate in PEM form.</returns>
public delegate byte[] CertificateSigner(SigningRequest request, IReadOnlyList<string> usages, TimeSpan lifetime);

/// <summary>
/// Approves nodes' own requests for client certificates, signs what is approved for the signers of Kubernetes, and takes old requests
/// away.
/// </summary>
internal sealed class CertificateController(
    Informer<CertificateSigningRequest> requests, IApiClient api, CertificateSigner sign, TimeProvider time) : IReconciler
{
    private static readonly TimeSpan DefaultLifetime = TimeSpan.FromDays(365);
    private static readonly TimeSpan LeastLifetime = TimeSpan.FromMinutes(10);

    // As upstream's cleaner.
    private static readonly TimeSpan KeptDecided = TimeSpan.FromHours(1);
    private static readonly TimeSpan KeptPending = TimeSpan.FromHours(24);

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (requests.Get(key) is not { Metadata.DeletionTimestamp: null } request)
            return Requeue.Never;
        if (Due(request) is { } due)
        {
            var left = due - time.GetUtcNow();
            if (left <= TimeSpan.Zero)
            {
                await DeleteAsync(key, cancellationToken);
                return Requeue.Never;
            }
            await DecideAsync(request, cancellationToken);
            return Requeue.After(left);
        }
        await DecideAsync(request, cancellationToken);
        return Requeue.Never;
    }

    private async Task DecideAsync(CertificateSigningRequest request, CancellationToken cancellationToken)
    {
        if (request.Status.Certificate is { Length: > 0 } || Has(request, "Denied") || Has(request, "Failed"))
            return;
        if (Has(request, "Approved"))
            await SignAsync(request, cancellationToken);
        else if (request.Spec.SignerName == KubernetesSigners.KubeletClient)
            await ApproveAsync(request, cancellationToken);
    }

    private async Task SignAsync(CertificateSigningRequest request, CancellationToken cancellationToken)
    {
        if (request.Spec.SignerName is not (KubernetesSigners.Client or KubernetesSigners.KubeletClient or KubernetesSigners.KubeletServing))
            return;
        var parsed = SigningRequest.Parse(request.Spec.Request ?? []);
        if (KubernetesSigners.Refusal(request.Spec.SignerName, parsed, request.Spec.Usages) is { } refusal)
        {
            await api.UpdateStatusAsync(request with
            {
                Status = request.Status with
                {
                    Conditions = request.Status.Conditions.Add(new()
                    {
                        Type = "Failed",
                        Status = ConditionStatus.True,
                        Reason = "SignerValidationFailure",
                        Message = refusal,
                        LastUpdateTime = Time.From(time.GetUtcNow()),
                    }),
                },
            }, cancellationToken);
            return;
        }
        var certificate = sign(parsed, request.Spec.Usages, LifetimeOf(request.Spec.ExpirationSeconds));
        await api.UpdateStatusAsync(request with { Status = request.Status with { Certificate = certificate } }, cancellationToken);
    }

    private static TimeSpan LifetimeOf(int? asked) => asked is not { } seconds ? DefaultLifetime
        : TimeSpan.FromSeconds(seconds) is var lifetime && lifetime > DefaultLifetime ? DefaultLifetime
        : lifetime < LeastLifetime ? LeastLifetime : lifetime;

    /// <summary>A node that renews its own certificate, or a machine that may join, is asked about instead of a person.</summary>
    private async Task ApproveAsync(CertificateSigningRequest request, CancellationToken cancellationToken)
    {
        var parsed = SigningRequest.Parse(request.Spec.Request ?? []);
        if (KubernetesSigners.Refusal(KubernetesSigners.KubeletClient, parsed, request.Spec.Usages) is not null)
            return;
        if (request.Spec.Username == parsed.CommonName && await MayAsync(request, "selfnodeclient", cancellationToken))
            await ApproveAsync(request, "Auto approving self kubelet client certificate after SubjectAccessReview.", cancellationToken);
        else if (await MayAsync(request, "nodeclient", cancellationToken))
            await ApproveAsync(request, "Auto approving kubelet client certificate after SubjectAccessReview.", cancellationToken);
    }

    private async Task ApproveAsync(CertificateSigningRequest request, string message, CancellationToken cancellationToken) =>
        await api.UpdateSubresourceAsync(request with
        {
            Status = request.Status with
            {
                Conditions = request.Status.Conditions.Add(new() { Type = "Approved", Status = ConditionStatus.True, Reason = "AutoApproved", Message = message }),
            },
        }, "approval", cancellationToken);

    private async Task<bool> MayAsync(CertificateSigningRequest request, string subresource, CancellationToken cancellationToken)
    {
        var review = await api.CreateAsync(new SubjectAccessReview
        {
            Spec = new()
            {
                User = request.Spec.Username,
                Uid = request.Spec.Uid,
                Groups = request.Spec.Groups,
                Extra = request.Spec.Extra,
                ResourceAttributes = new() { Group = "certificates.k8s.io", Resource = "certificatesigningrequests", Verb = "create", Subresource = subresource },
            },
        }, cancellationToken);
        return review.Status.Allowed;
    }

    private async Task DeleteAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        try
        {
            await api.DeleteAsync<CertificateSigningRequest>(null, key.Name, DeleteOptions.Empty, cancellationToken);
        }
        catch (StatusException e) when (e.Reason == StatusReason.NotFound)
        {
            // Somebody else was faster.
        }
    }

    /// <summary>When the request has been looked at long enough.</summary>
    private static DateTimeOffset? Due(CertificateSigningRequest request)
    {
        if (request.Status.Conditions.IsEmpty)
            return request.Metadata.CreationTimestamp.ToDateTimeOffset() + KeptPending;
        var decided = request.Status.Conditions.FirstOrDefault(condition => condition.Type == "Denied"
            || (condition.Type == "Approved" && request.Status.Certificate is { Length: > 0 }));
        if (decided is null)
            return null;
        var due = decided.LastUpdateTime.ToDateTimeOffset() + KeptDecided;
        return EndOf(request.Status.Certificate) is { } end && end < due ? end : due;
    }

    private static DateTimeOffset? EndOf(byte[]? pem)
    {
        if (pem is null or { Length: 0 })
            return null;
        try
        {
            using var certificate = X509Certificate2.CreateFromPem(Encoding.ASCII.GetString(pem));
            return certificate.NotAfter;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static bool Has(CertificateSigningRequest request, string type) =>
        request.Status.Conditions.Any(condition => condition.Type == type && condition.Status == ConditionStatus.True);
}
