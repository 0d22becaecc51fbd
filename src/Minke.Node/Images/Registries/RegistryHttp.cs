using System.Collections.Concurrent;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Minke.Node.Images.Registries;

/// <summary>HTTP to registries: one connection pool a host, with that host's certificates. Failures come in Go's words.</summary>
internal sealed class RegistryHttp(RegistriesConfig config) : IDisposable
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan IdleConnection = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, HostClient> _clients = new(StringComparer.Ordinal);

    /// <summary>Sends once, answers with headers read. Redirects are the caller's.</summary>
    /// <exception cref="RegistryException">No answer.</exception>
    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var address = request.RequestUri!;
        var client = _clients.GetOrAdd(address.Authority, host => new HostClient(host, config.ConfigOf(host)));
        try
        {
            return await client.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        catch (HttpRequestException failure)
        {
            var verb = char.ToUpperInvariant(request.Method.Method[0]) + request.Method.Method[1..].ToLowerInvariant();
            throw new RegistryException(RegistryFailure.Other, $"failed to do request: {verb} \"{address}\": {Cause(failure, address, client)}", failure);
        }
    }

    public void Dispose()
    {
        foreach (var client in _clients.Values)
            client.Dispose();
    }

    private static string Cause(HttpRequestException failure, Uri address, HostClient client) => failure.HttpRequestError switch
    {
        HttpRequestError.NameResolutionError => $"dial tcp: lookup {address.Host}: {Words.For(failure)}",
        HttpRequestError.ConnectionError => $"dial tcp {address.Host}:{address.Port}: {Words.For(failure)}",
        HttpRequestError.SecureConnectionError => client.CertificateFailure is { } certificate
            ? $"tls: failed to verify certificate: x509: {certificate}" : "http: server gave HTTP response to HTTPS client",
        HttpRequestError.ResponseEnded => "EOF",
        _ => Words.For(failure),
    };

    private sealed class HostClient : IDisposable
    {
        private readonly X509Certificate2Collection? _authorities;

        public HostClient(string host, RegistryHostConfig config)
        {
            var handler = new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                ConnectTimeout = ConnectTimeout,
                PooledConnectionIdleTimeout = IdleConnection,
                AutomaticDecompression = System.Net.DecompressionMethods.None,
                UseCookies = false,
            };
            try
            {
                if (config.CaFile.Length > 0)
                {
                    _authorities = [];
                    _authorities.ImportFromPemFile(config.CaFile);
                }
                if (config.CertFile.Length > 0)
                    handler.SslOptions.ClientCertificates = [Portable(config)];
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or CryptographicException)
            {
                throw new RegistryException(RegistryFailure.Other, $"TLS files configured for registry {host} cannot be read: {Words.For(failure)}", failure);
            }
            handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                config.InsecureSkipVerify || Validate(host, certificate, chain, errors);
            Http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
            Http.DefaultRequestHeaders.UserAgent.ParseAdd("minke/0.1");
        }

        public HttpClient Http { get; }

        /// <summary>Why the last certificate was refused.</summary>
        public string? CertificateFailure { get; private set; }

        public void Dispose() => Http.Dispose();

        private bool Validate(string host, X509Certificate? certificate, X509Chain? systemChain, SslPolicyErrors errors)
        {
            if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable) || certificate is not X509Certificate2 leaf)
                CertificateFailure = "no certificate";
            else if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
                CertificateFailure = $"certificate is not valid for {host}";
            else if (!errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors) || IsTrusted(leaf, systemChain))
                return true;
            else
                CertificateFailure = systemChain?.ChainStatus.Any(status => status.Status == X509ChainStatusFlags.NotTimeValid) == true
                    ? "certificate has expired or is not yet valid" : "certificate signed by unknown authority";
            return false;
        }

        private bool IsTrusted(X509Certificate2 leaf, X509Chain? systemChain)
        {
            if (_authorities is null)
                return false;
            using var chain = new X509Chain();
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(_authorities);
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            // Intermediates the server sent.
            foreach (var element in systemChain?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
                chain.ChainPolicy.ExtraStore.Add(element.Certificate);
            return chain.Build(leaf);
        }

        private static X509Certificate2 Portable(RegistryHostConfig config) =>
            X509Certificate2.CreateFromPemFile(config.CertFile, config.KeyFile.Length > 0 ? config.KeyFile : null);
    }
}
