using Minke.Api;
using Minke.Api.Certificates.V1;
using Minke.Server.Access;

namespace Minke.Server.Admission;

/// <summary>
/// Who asks for a certificate is written into the request; who approves or signs needs leave for that signer; nobody becomes an
/// administrator by a certificate. (CertificateApproval, CertificateSigning, CertificateSubjectRestriction)
/// </summary>
internal sealed class CertificateAdmission(Authorizer authorizer, TimeProvider clock) : IAdmission
{
    private const string Group = "certificates.k8s.io";
    private const string ClientSigner = "kubernetes.io/kube-apiserver-client";

    public ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Object is not CertificateSigningRequest value)
            return default;
        var user = request.Context.User;
        request.Object = request switch
        {
            { IsCreate: true } => value with
            {
                Spec = value.Spec with { Username = user.Name, Uid = user.Uid, Groups = user.Groups.ToApiList(), Extra = user.Extra.ToApiMap() },
            },
            { Subresource: "approval" or "status" } => value with
            {
                Status = value.Status with { Conditions = Timed(value.Status.Conditions, ((CertificateSigningRequest)request.Old!).Status.Conditions) },
            },
            _ => value,
        };
        return default;
    }

    public ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        switch (request)
        {
            case { IsCreate: true, Subresource: "", Object: CertificateSigningRequest { Spec.SignerName: ClientSigner } created }:
                CheckSubject(request, created);
                break;
            case { IsUpdate: true, Subresource: "approval", Old: CertificateSigningRequest old }:
                if (!May(request, "approve", old.Spec.SignerName))
                    throw request.Forbidden($"user not permitted to approve requests with signerName \"{old.Spec.SignerName}\"");
                break;
            case { IsUpdate: true, Subresource: "status", Old: CertificateSigningRequest old, Object: CertificateSigningRequest value }:
                if (!Json.Same(value.Status, old.Status) && !May(request, "sign", old.Spec.SignerName))
                    throw request.Forbidden($"user not permitted to sign requests with signerName \"{old.Spec.SignerName}\"");
                break;
            default:
                break;
        }
        return default;
    }

    private static void CheckSubject(AdmissionRequest request, CertificateSigningRequest created)
    {
        try
        {
            if (SigningRequest.Parse(created.Spec.Request ?? []).Organizations.Contains(UserInfo.Masters))
                throw request.Forbidden($"use of {ClientSigner} signer with system:masters group is not allowed");
        }
        catch (FormatException e)
        {
            throw request.Forbidden($"failed to parse CSR: {e.Message}");
        }
    }

    /// <summary>For this signer, or for all of its domain: <c>example.com/*</c>.</summary>
    private bool May(AdmissionRequest request, string verb, string signer) =>
        IsAllowed(request, verb, signer) || IsAllowed(request, verb, signer[..(signer.IndexOf('/', StringComparison.Ordinal) + 1)] + "*");

    private bool IsAllowed(AdmissionRequest request, string verb, string name) =>
        authorizer.Decide(new() { User = request.Context.User, Verb = verb, Group = Group, Resource = "signers", Name = name }).IsAllowed;

    private ApiList<CertificateSigningRequestCondition> Timed(
        ApiList<CertificateSigningRequestCondition> conditions, ApiList<CertificateSigningRequestCondition> old)
    {
        var now = Time.From(clock.GetUtcNow());
        return conditions.Map(condition =>
        {
            if (condition.LastUpdateTime.IsZero)
                condition = condition with { LastUpdateTime = now };
            if (!condition.LastTransitionTime.IsZero)
                return condition;
            var before = old.FirstOrDefault(one => one.Type == condition.Type && one.Status == condition.Status && !one.LastTransitionTime.IsZero);
            return condition with { LastTransitionTime = before?.LastTransitionTime ?? now };
        });
    }
}
