using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Minke.Api.Certificates.V1;
using ConditionStatus = Minke.Api.Core.V1.ConditionStatus;

namespace Minke.Api;

/// <summary>What a CertificateSigningRequest does beyond its fields. Once made it changes by approval and status alone. (pkg/apis/certificates/validation)</summary>
internal sealed class CertificateSigningRequestKind : KindBehavior<CertificateSigningRequest>
{
    private const int LeastSeconds = 600;
    private const string LegacySigner = "kubernetes.io/legacy-unknown";

    private static readonly string[] AllStatuses = [ConditionStatus.False, ConditionStatus.True, ConditionStatus.Unknown];

    // Sorted, as they are told.
    private static readonly string[] Usages =
    [
        "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature",
        "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc",
        "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping",
    ];

    public override CertificateSigningRequest PrepareForCreate(CertificateSigningRequest value) => value with { Status = new() };

    public override CertificateSigningRequest PrepareForUpdate(CertificateSigningRequest value, CertificateSigningRequest old) =>
        value with { Spec = old.Spec, Status = old.Status };

    public override CertificateSigningRequest PrepareForStatusUpdate(CertificateSigningRequest value, CertificateSigningRequest old) => value with
    {
        Spec = old.Spec,
        Status = value.Status with { Conditions = Preserved(value.Status.Conditions, old.Status.Conditions) },
    };

    public override void Validate(CertificateSigningRequest value, CertificateSigningRequest? old, FieldErrors errors)
    {
        ValidateAll(value, old, errors);
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
    }

    public override void ValidateStatus(CertificateSigningRequest value, CertificateSigningRequest old, FieldErrors errors) =>
        ValidateChange(value, old, maySign: true, mayApprove: false, errors);

    public override void ValidateSubresource(string subresource, CertificateSigningRequest value, CertificateSigningRequest old, FieldErrors errors) =>
        ValidateChange(value, old, maySign: false, mayApprove: true, errors);

    private static void ValidateAll(CertificateSigningRequest value, CertificateSigningRequest? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(value.Metadata, isNamespaced: false, _ => [], errors);
        FieldPath spec = "spec";
        if (old is null)
        {
            var request = value.Spec.Request ?? [];
            try
            {
                SigningRequest.Parse(request);
            }
            catch (FormatException e)
            {
                errors.Invalid(spec.Child("request"), new GoText($"[]byte{{{string.Join(", ", request.Select(one => $"0x{one:x}"))}}}"), e.Message);
            }
            ValidateUsages(spec.Child("usages"), value.Spec.Usages, errors);
            if (value.Spec.SignerName == LegacySigner)
                errors.Invalid(spec.Child("signerName"), value.Spec.SignerName, "the legacy signerName is not allowed via this API version");
            else
                SignerRules.ValidateName(spec.Child("signerName"), value.Spec.SignerName, errors);
            if (value.Spec.ExpirationSeconds < LeastSeconds)
                errors.Invalid(spec.Child("expirationSeconds"), value.Spec.ExpirationSeconds, "may not specify a duration less than 600 seconds (10 minutes)");
        }
        ValidateConditions("status.conditions", value.Status.Conditions, errors);
        if (!value.Status.Certificate.AsSpan().SequenceEqual(old?.Status.Certificate) && WrongCertificate(value.Status.Certificate) is { } wrong)
            errors.Invalid("status.certificate", "<certificate data>", wrong);
    }

    private static void ValidateUsages(FieldPath path, ApiList<string> usages, FieldErrors errors)
    {
        if (usages.IsEmpty)
            errors.Required(path);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < usages.Count; i++)
        {
            if (!Usages.Contains(usages[i]))
                errors.NotSupported(path.Index(i), usages[i], Usages);
        }
        for (var i = 0; i < usages.Count; i++)
        {
            if (!seen.Add(usages[i]))
                errors.Duplicate(path.Index(i), usages[i]);
        }
    }

    private static void ValidateConditions(FieldPath path, ApiList<CertificateSigningRequestCondition> conditions, FieldErrors errors)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < conditions.Count; i++)
        {
            var (type, status, place) = (conditions[i].Type, conditions[i].Status, path.Index(i));
            if (type.Length == 0)
                errors.Required(place.Child("type"));
            string[] allowed = type is "Approved" or "Denied" or "Failed" ? [ConditionStatus.True] : AllStatuses;
            if (status.Length == 0)
                errors.Required(place.Child("status"));
            else if (!allowed.Contains(status))
                errors.NotSupported(place.Child("status"), status, allowed);
            if ((type == "Approved" && seen.Contains("Denied")) || (type == "Denied" && seen.Contains("Approved")))
                errors.Invalid(place.Child("type"), type, "Approved and Denied conditions are mutually exclusive");
            if (!seen.Add(type))
                errors.Duplicate(place.Child("type"), type);
        }
    }

    private static void ValidateChange(CertificateSigningRequest value, CertificateSigningRequest old, bool maySign, bool mayApprove, FieldErrors errors)
    {
        ValidateAll(value, old, errors);
        FieldPath conditions = "status.conditions";
        foreach (var type in (ReadOnlySpan<string>)["Approved", "Denied", "Failed"])
        {
            if (Of(value, type).Count < Of(old, type).Count)
                errors.Forbidden(conditions, $"updates may not remove a condition of type \"{type}\"");
        }
        foreach (var type in mayApprove ? default : (ReadOnlySpan<string>)["Approved", "Denied"])
        {
            if (Of(value, type).Count > Of(old, type).Count)
                errors.Forbidden(conditions, $"updates may not add a condition of type \"{type}\"");
        }
        if (!value.Status.Certificate.AsSpan().SequenceEqual(old.Status.Certificate))
        {
            if (!maySign)
                errors.Forbidden("status.certificate", "updates may not set certificate content");
            else if (old.Status.Certificate is { Length: > 0 })
                errors.Forbidden("status.certificate", "updates may not modify existing certificate content");
        }
        ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
    }

    private static List<CertificateSigningRequestCondition> Of(CertificateSigningRequest value, string type) =>
        [.. value.Status.Conditions.Where(condition => condition.Type == type)];

    /// <summary>Who reports a status has no say in approval: those conditions are as they were, where both have them.</summary>
    private static ApiList<CertificateSigningRequestCondition> Preserved(
        ApiList<CertificateSigningRequestCondition> conditions, ApiList<CertificateSigningRequestCondition> old) =>
        conditions.Map(condition => condition.Type is "Approved" or "Denied" && old.FirstOrDefault(one => one.Type == condition.Type) is { } before ? before : condition);

    private static string? WrongCertificate(byte[]? pem)
    {
        if (pem is null or { Length: 0 })
            return null;
        ReadOnlySpan<char> text = Encoding.ASCII.GetString(pem);
        var blocks = 0;
        while (PemEncoding.TryFind(text, out var fields))
        {
            if (text[fields.Label] is not "CERTIFICATE")
                return $"only CERTIFICATE PEM blocks are allowed, found {FieldErrors.Quote(text[fields.Label].ToString())}";
            try
            {
                using var certificate = X509CertificateLoader.LoadCertificate(Convert.FromBase64String(text[fields.Base64Data].ToString()));
                blocks++;
            }
            catch (CryptographicException e)
            {
                return e.Message;
            }
            text = text[fields.Location.End..];
        }
        return blocks == 0 ? "must contain at least one CERTIFICATE PEM block" : null;
    }
}
