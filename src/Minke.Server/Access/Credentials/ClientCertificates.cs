using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Minke.Server.Access.Credentials;

/// <summary>Client certificates of one authority: the common name is the user, each organisation a group.</summary>
internal sealed class ClientCertificates(X509Certificate2Collection authorities, TimeProvider clock)
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    private const string CommonName = "2.5.4.3";
    private const string Organization = "2.5.4.10";

    // A connection's certificate is the same instance for all its requests. A null user is one that does not hold.
    private readonly ConditionalWeakTable<X509Certificate2, Known> _known = [];

    private sealed record Known(UserInfo? User, DateTimeOffset Until);

    /// <summary>Anonymous for one that names nobody; null when it is not of this authority, for something else, or not valid now.</summary>
    public UserInfo? UserOf(X509Certificate2 certificate)
    {
        var known = _known.GetValue(certificate, Judge);
        return known.User is not null && clock.GetUtcNow() <= known.Until ? known.User : null;
    }

    private Known Judge(X509Certificate2 certificate)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = clock.GetUtcNow().UtcDateTime;
        chain.ChainPolicy.ApplicationPolicy.Add(new(ClientAuthentication));
        return new(chain.Build(certificate) ? UserIn(certificate) : null, certificate.NotAfter);
    }

    private static UserInfo UserIn(X509Certificate2 certificate)
    {
        var (name, groups) = ("", new List<string>());
        foreach (var part in certificate.SubjectName.EnumerateRelativeDistinguishedNames())
        {
            if (part.HasMultipleElements)
                continue;
            switch (part.GetSingleElementType().Value)
            {
                case CommonName:
                    name = part.GetSingleElementValue() ?? "";
                    break;
                case Organization:
                    groups.Add(part.GetSingleElementValue() ?? "");
                    break;
                default:
                    break;
            }
        }
        return name.Length == 0 ? UserInfo.Anonymous : new UserInfo(name, [.. groups, UserInfo.Authenticated])
        {
            Extra = [new("authentication.kubernetes.io/credential-id", [$"X509SHA256={Convert.ToHexStringLower(SHA256.HashData(certificate.RawData))}"])],
        };
    }
}
