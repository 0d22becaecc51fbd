using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Minke.Api;

namespace Minke.Server.Pki;

/// <summary>Signs what somebody has asked for and somebody else has approved, with the usages of the request and nothing else of its extensions.</summary>
internal static class RequestSigning
{
    // As upstream: clocks differ, but a short life is not made shorter.
    private static readonly TimeSpan Backdate = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Short = TimeSpan.FromHours(8);

    private static readonly Dictionary<string, X509KeyUsageFlags> KeyUsages = new(StringComparer.Ordinal)
    {
        ["signing"] = X509KeyUsageFlags.DigitalSignature,
        ["digital signature"] = X509KeyUsageFlags.DigitalSignature,
        ["content commitment"] = X509KeyUsageFlags.NonRepudiation,
        ["key encipherment"] = X509KeyUsageFlags.KeyEncipherment,
        ["key agreement"] = X509KeyUsageFlags.KeyAgreement,
        ["data encipherment"] = X509KeyUsageFlags.DataEncipherment,
        ["cert sign"] = X509KeyUsageFlags.KeyCertSign,
        ["crl sign"] = X509KeyUsageFlags.CrlSign,
        ["encipher only"] = X509KeyUsageFlags.EncipherOnly,
        ["decipher only"] = X509KeyUsageFlags.DecipherOnly,
    };

    private static readonly Dictionary<string, string> Purposes = new(StringComparer.Ordinal)
    {
        ["any"] = "2.5.29.37.0",
        ["server auth"] = "1.3.6.1.5.5.7.3.1",
        ["client auth"] = "1.3.6.1.5.5.7.3.2",
        ["code signing"] = "1.3.6.1.5.5.7.3.3",
        ["email protection"] = "1.3.6.1.5.5.7.3.4",
        ["s/mime"] = "1.3.6.1.5.5.7.3.4",
        ["ipsec end system"] = "1.3.6.1.5.5.7.3.5",
        ["ipsec tunnel"] = "1.3.6.1.5.5.7.3.6",
        ["ipsec user"] = "1.3.6.1.5.5.7.3.7",
        ["timestamping"] = "1.3.6.1.5.5.7.3.8",
        ["ocsp signing"] = "1.3.6.1.5.5.7.3.9",
        ["microsoft sgc"] = "1.3.6.1.4.1.311.10.3.3",
        ["netscape sgc"] = "2.16.840.1.113730.4.1",
    };

    public static X509Certificate2 Sign(X509Certificate2 authority, SigningRequest asked, IReadOnlyList<string> usages, TimeSpan lifetime, DateTimeOffset now)
    {
        var request = new CertificateRequest(asked.Request.SubjectName, asked.Request.PublicKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, false, 0, critical: true));
        var flags = usages.Aggregate(X509KeyUsageFlags.None, (all, usage) => all | KeyUsages.GetValueOrDefault(usage));
        if (flags != X509KeyUsageFlags.None)
            request.CertificateExtensions.Add(new X509KeyUsageExtension(flags, critical: true));
        var purposes = new OidCollection();
        foreach (var usage in usages)
        {
            if (Purposes.TryGetValue(usage, out var oid))
                purposes.Add(new Oid(oid));
        }
        if (purposes.Count > 0)
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(purposes, critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, true, false));
        if (SubjectNames(asked) is { } names)
            request.CertificateExtensions.Add(names);

        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)(serial[0] & 0x7F | 0x40); // positive, and of fixed length
        var start = now - Backdate;
        var end = (lifetime < Short ? now : start) + lifetime;
        // The key asked for may be RSA; ours is not, so the signature is made apart from the request.
        using var key = authority.GetECDsaPrivateKey()!;
        return request.Create(authority.SubjectName, X509SignatureGenerator.CreateForECDsa(key), start, end < authority.NotAfter ? end : authority.NotAfter, serial);
    }

    private static X509Extension? SubjectNames(SigningRequest asked)
    {
        var builder = new SubjectAlternativeNameBuilder();
        asked.DnsNames.ForEach(builder.AddDnsName);
        asked.Emails.ForEach(builder.AddEmailAddress);
        asked.Addresses.ForEach(builder.AddIpAddress);
        asked.Uris.ForEach(uri => builder.AddUri(new Uri(uri)));
        return asked.DnsNames.Count + asked.Emails.Count + asked.Addresses.Count + asked.Uris.Count > 0 ? builder.Build() : null;
    }
}
