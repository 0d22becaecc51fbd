using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Minke.Api;

namespace Minke.Server.Pki;

/// <summary>
/// The keys and certificates of one cluster, kept as PEM files in one directory: made at first start, renewed when they near their end
/// or when the names the server answers to have changed.
/// </summary>
/// <remarks>
/// Files, all with mode 0600: <c>ca.crt ca.key</c>, <c>apiserver.crt apiserver.key</c>, <c>admin.crt admin.key</c>, <c>front-proxy-ca.crt front-proxy-ca.key</c>, <c>front-proxy-client.crt front-proxy-client.key</c>, <c>sa.key</c>, <c>sa-*.key</c>. All
/// keys are ECDSA P-256. The authority is renewed with its old key, so what it signed stays valid.
/// </remarks>
public sealed class ClusterPki
{
    private static readonly TimeSpan AuthorityLifetime = TimeSpan.FromDays(3650);
    private static readonly TimeSpan LeafLifetime = TimeSpan.FromDays(365);

    /// <summary>How long before its end a certificate is replaced: a year's certificate serves at least eight months.</summary>
    private static readonly TimeSpan RenewBefore = TimeSpan.FromDays(120);

    /// <summary>Clients whose clock is a little behind accept a new certificate too.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromHours(1);

    private readonly string _directory;
    private readonly ServingNames _names;
    private readonly TimeProvider _clock;
    private volatile X509Certificate2 _serving;
    private volatile X509Certificate2 _admin;
    private readonly Lock _frontProxyLock = new(); // guards _frontProxy
    private FrontProxyIdentity? _frontProxy;

    private ClusterPki(string directory, ServingNames names, TimeProvider clock)
    {
        _directory = directory;
        _names = names;
        _clock = clock;
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Authority = OpenAuthority("ca", "minke");
        _serving = OpenServing();
        _admin = OpenAdmin();
        ServiceAccountKey = OpenServiceAccountKey(Path("sa.key"));
        OlderServiceAccountKeys = [.. Directory.GetFiles(directory, "sa-*.key").Order(StringComparer.Ordinal).Select(OpenServiceAccountKey)];
    }

    /// <summary>Reads the directory, making what is missing.</summary>
    /// <exception cref="PkiException">A file cannot be read or written; the message says which and what to do.</exception>
    public static ClusterPki Open(string directory, ServingNames names, TimeProvider clock) => new(directory, names, clock);

    /// <summary>The cluster's certificate authority, with its key.</summary>
    public X509Certificate2 Authority { get; }

    /// <summary>What clients are given to trust.</summary>
    public string AuthorityPem => Authority.ExportCertificatePem();

    /// <summary>What the API server shows. Ask anew for each connection: it is replaced while running.</summary>
    public X509Certificate2 Serving => _serving;

    /// <summary>The administrator: <c>kubernetes-admin</c> of <c>system:masters</c>.</summary>
    public X509Certificate2 Admin => _admin;

    /// <summary>Signs service account tokens (ES256).</summary>
    public ECDsa ServiceAccountKey { get; }

    /// <summary>
    /// Keys that signed before, whose tokens still hold: <c>sa-*.key</c>. To rotate, rename <c>sa.key</c> to such a name and start again;
    /// once the last token it signed is over, remove it.
    /// </summary>
    public IReadOnlyList<ECDsa> OlderServiceAccountKeys { get; }

    /// <summary>By what extension servers know the API server; made when first asked for.</summary>
    public FrontProxyIdentity FrontProxy
    {
        get
        {
            lock (_frontProxyLock)
                return _frontProxy ??= OpenFrontProxy();
        }
    }

    /// <summary>A client certificate: the common name is the user, each organisation a group.</summary>
    public X509Certificate2 IssueClient(string user, IReadOnlyList<string> groups, TimeSpan lifetime)
    {
        var name = new X500DistinguishedNameBuilder();
        foreach (var group in groups)
            name.AddOrganizationName(group);
        name.AddCommonName(user);
        return Issue(Authority, name.Build(), Purpose.Client, subjectNames: null, lifetime);
    }

    /// <summary>What somebody asked for and somebody else approved, in PEM form.</summary>
    public byte[] SignRequest(SigningRequest request, IReadOnlyList<string> usages, TimeSpan lifetime)
    {
        using var certificate = RequestSigning.Sign(Authority, request, usages, lifetime, _clock.GetUtcNow());
        return Encoding.ASCII.GetBytes(certificate.ExportCertificatePem() + "\n");
    }

    /// <summary>Replaces certificates that near their end, for as long as the server runs.</summary>
    public async Task KeepCurrentAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var end = _serving.NotAfter < _admin.NotAfter ? _serving.NotAfter : _admin.NotAfter;
            var due = end.ToUniversalTime() - RenewBefore - _clock.GetUtcNow().UtcDateTime;
            // Timers hold at most 49 days.
            var wait = due > TimeSpan.FromDays(30) ? TimeSpan.FromDays(30) : due;
            if (wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, _clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }
            _serving = OpenServing();
            _admin = OpenAdmin();
            if (end >= (_serving.NotAfter < _admin.NotAfter ? _serving.NotAfter : _admin.NotAfter))
                return; // The authority itself is near its end; the next start renews it.
        }
    }

    private X509Certificate2 OpenAuthority(string file, string name)
    {
        if (Read(file) is not { } old)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return Keep(file, SelfSign(name, key));
        }
        if (!IsDue(old))
            return old;
        using var same = old.GetECDsaPrivateKey() ?? throw new PkiException($"{Path(file + ".key")} is not an ECDSA key; {PkiException.Remedy(_directory)}");
        return Keep(file, SelfSign(name, same));
    }

    /// <summary>Of an authority of its own: whoever has a client's certificate may not say who asks.</summary>
    private FrontProxyIdentity OpenFrontProxy()
    {
        var authority = OpenAuthority("front-proxy-ca", "minke-front-proxy");
        var client = Read("front-proxy-client") is { } old && IsOf(authority, old) && !IsDue(old)
            ? old
            : Keep("front-proxy-client", Issue(authority, new X500DistinguishedName("CN=" + FrontProxyIdentity.CommonName), Purpose.Client, subjectNames: null, LeafLifetime));
        return new(authority.ExportCertificatePem() + "\n", client);
    }

    private X509Certificate2 SelfSign(string name, ECDsa key)
    {
        var request = new CertificateRequest(new X500DistinguishedName("CN=" + name), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign | X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        var now = _clock.GetUtcNow();
        return request.CreateSelfSigned(now - ClockSkew, now + AuthorityLifetime);
    }

    private X509Certificate2 OpenServing()
    {
        var names = _names.ToExtension();
        if (Read("apiserver") is { } old && IsOf(Authority, old) && !IsDue(old) && SubjectNames(old).SequenceEqual(names.RawData))
            return old;
        return Keep("apiserver", Issue(Authority, new X500DistinguishedName("CN=kube-apiserver"), Purpose.Server, names, LeafLifetime));
    }

    private X509Certificate2 OpenAdmin() =>
        Read("admin") is { } old && IsOf(Authority, old) && !IsDue(old)
            ? old
            : Keep("admin", IssueClient("kubernetes-admin", ["system:masters"], LeafLifetime));

    private ECDsa OpenServiceAccountKey(string path)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (!File.Exists(path))
        {
            PrivateFile.Write(path, key.ExportECPrivateKeyPem() + "\n");
            return key;
        }
        try
        {
            key.ImportFromPem(File.ReadAllText(path));
            return key;
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            throw new PkiException($"{path} is not an ECDSA key in PEM form; {PkiException.Remedy(_directory)}", exception);
        }
    }

    private enum Purpose { Server, Client }

    private X509Certificate2 Issue(X509Certificate2 authority, X500DistinguishedName subject, Purpose purpose, X509Extension? subjectNames, TimeSpan lifetime)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(
            [new Oid(purpose == Purpose.Server ? "1.3.6.1.5.5.7.3.1" : "1.3.6.1.5.5.7.3.2")], critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, true, false));
        if (subjectNames is not null)
            request.CertificateExtensions.Add(subjectNames);

        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)(serial[0] & 0x7F | 0x40); // positive, and of fixed length
        var now = _clock.GetUtcNow();
        var end = now + lifetime < authority.NotAfter ? now + lifetime : authority.NotAfter;
        using var certificate = request.Create(authority, now - ClockSkew, end, serial);
        return certificate.CopyWithPrivateKey(key);
    }

    private bool IsDue(X509Certificate2 certificate) =>
        certificate.NotAfter.ToUniversalTime() - _clock.GetUtcNow().UtcDateTime < RenewBefore;

    /// <summary>Signed by the authority that is here, not by one somebody has removed since.</summary>
    private static bool IsOf(X509Certificate2 authority, X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509AuthorityKeyIdentifierExtension>().FirstOrDefault()?.KeyIdentifier is { } issuer
        && authority.Extensions.OfType<X509SubjectKeyIdentifierExtension>().FirstOrDefault() is { } ours
        && issuer.Span.SequenceEqual(ours.SubjectKeyIdentifierBytes.Span);

    private static ReadOnlySpan<byte> SubjectNames(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault()?.RawData;

    private string Path(string file) => System.IO.Path.Combine(_directory, file);

    /// <summary>Null when either half is missing: a crash between the two leaves a pair that is made again.</summary>
    private X509Certificate2? Read(string name)
    {
        var (certificate, key) = (Path(name + ".crt"), Path(name + ".key"));
        if (!File.Exists(certificate) || !File.Exists(key))
            return null;
        try
        {
            return X509Certificate2.CreateFromPemFile(certificate, key);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            throw new PkiException(
                $"{certificate} and {key} are not a certificate and its key in PEM form: {exception.Message}; {PkiException.Remedy(_directory)}", exception);
        }
    }

    private X509Certificate2 Keep(string name, X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPrivateKey()!;
        // The certificate goes first: without its key the pair counts as missing, a new key beside an old certificate would not match.
        File.Delete(Path(name + ".crt"));
        PrivateFile.Write(Path(name + ".key"), key.ExportECPrivateKeyPem() + "\n");
        PrivateFile.Write(Path(name + ".crt"), certificate.ExportCertificatePem() + "\n");
        return certificate;
    }
}

/// <summary>Keys or certificates that cannot be used; the message says what to do.</summary>
public sealed class PkiException : Exception
{
    public PkiException(string message) : base(message) { }
    public PkiException(string message, Exception inner) : base(message, inner) { }

    internal static string Remedy(string directory) => $"restore it, or move {directory} away and start again to have new ones made";
}
