using System.Security.Cryptography.X509Certificates;

namespace Minke.Server.Pki;

/// <summary>By what an extension server knows the API server, whom it then believes who asks.</summary>
/// <param name="AuthorityPem">Of the authority that signs such certificates, and no others.</param>
/// <param name="Client">Shown by the API server.</param>
public sealed record FrontProxyIdentity(string AuthorityPem, X509Certificate2 Client)
{
    internal const string CommonName = "front-proxy-client";

    /// <summary>The common name of the certificate.</summary>
    public string Name => Client.GetNameInfo(X509NameType.SimpleName, forIssuer: false);
}
