using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Minke.Server.Proxying;

/// <summary>Which server certificates are believed: those of a bundle's authorities, of the machine's own, or any.</summary>
internal sealed class ServerTrust
{
    private readonly X509Certificate2Collection _authorities = [];
    private readonly bool _isBlind;

    private ServerTrust(bool isBlind) => _isBlind = isBlind;

    /// <summary>For whoever is not known by a certificate at all: pods, and what is asked without verification.</summary>
    public static ServerTrust Blind { get; } = new(isBlind: true);

    /// <param name="bundle">PEM; empty for the machine's own authorities.</param>
    public static ServerTrust Of(ReadOnlySpan<byte> bundle)
    {
        var trust = new ServerTrust(isBlind: false);
        if (bundle.Length > 0)
            trust._authorities.ImportFromPem(Encoding.ASCII.GetString(bundle));
        return trust;
    }

    /// <param name="host">Who it should be.</param>
    /// <exception cref="DialException">Instead of false.</exception>
    public bool Believe(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors, string host)
    {
        if (_isBlind)
            return true;
        if (certificate is not X509Certificate2 leaf || chain is null)
            throw new DialException("tls: no certificate");
        if (_authorities.Count > 0)
        {
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(_authorities);
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            chain.ChainPolicy.VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority;
            if (!chain.Build(leaf) || !_authorities.Any(one => chain.ChainElements.Any(element => element.Certificate.RawData.AsSpan().SequenceEqual(one.RawData))))
                throw Unbelieved(chain);
        }
        else if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors))
        {
            throw Unbelieved(chain);
        }
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            throw new DialException($"tls: failed to verify certificate: x509: certificate is valid for {Names(leaf)}, not {host}");
        return true;
    }

    private static DialException Unbelieved(X509Chain chain) => new("tls: failed to verify certificate: x509: "
        + (chain.ChainStatus.Any(status => status.Status.HasFlag(X509ChainStatusFlags.NotTimeValid))
            ? "certificate has expired or is not yet valid" : "certificate signed by unknown authority"));

    private static string Names(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault();
        return names is null ? certificate.GetNameInfo(X509NameType.SimpleName, false)
            : string.Join(", ", names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(ip => ip.ToString())));
    }
}
