using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Minke.Api;

namespace Minke.Server.Access;

/// <summary>Who makes a request: a client certificate of the cluster's authority, a service account's token, or nobody in particular.</summary>
internal sealed class Authenticator(X509Certificate2 clientAuthority, ServiceAccountTokens tokens, TimeProvider clock)
{
    private const string CommonName = "2.5.4.3";
    private const string Organization = "2.5.4.10";

    // A connection's certificate is the same instance for all its requests; null remembers one that does not hold.
    private readonly ConditionalWeakTable<X509Certificate2, StrongBox<UserInfo?>> _known = [];

    /// <exception cref="StatusException">401: credentials that do not hold.</exception>
    public UserInfo Authenticate(HttpContext http)
    {
        if (http.Features.Get<ITlsConnectionFeature>()?.ClientCertificate is { } certificate)
        {
            var user = _known.GetValue(certificate, one => new(OfCertificate(one))).Value;
            if (user is not null)
                return user;
            throw StatusException.Unauthorized();
        }
        var authorization = http.Request.Headers.Authorization.ToString();
        if (authorization.Length == 0)
            return UserInfo.Anonymous;
        if (!authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
            return UserInfo.Anonymous;
        return tokens.Validate(authorization["Bearer ".Length..].Trim(), audiences: null)?.User ?? throw StatusException.Unauthorized();
    }

    private UserInfo? OfCertificate(X509Certificate2 certificate)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(clientAuthority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = clock.GetUtcNow().UtcDateTime;
        chain.ChainPolicy.ApplicationPolicy.Add(new("1.3.6.1.5.5.7.3.2")); // client authentication
        if (!chain.Build(certificate))
            return null;

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
        return name.Length == 0 ? null : new UserInfo(name, [.. groups, UserInfo.Authenticated])
        {
            Extra = [new("authentication.kubernetes.io/credential-id", [$"X509SHA256={Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(certificate.RawData))}"])],
        };
    }
}
