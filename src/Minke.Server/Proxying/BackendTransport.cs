using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Minke.Server.Proxying;

/// <summary>Connections to backends: kept while they are used, never redirected, nothing changed on the way.</summary>
internal static class BackendTransport
{
    // As Go's default transport.
    private static readonly TimeSpan IdleFor = TimeSpan.FromSeconds(90);

    /// <param name="dialer">Opens them.</param>
    /// <param name="trust">Whose certificates are believed.</param>
    /// <param name="resolve">Where an address of a request lies; asked for each connection.</param>
    /// <param name="client">Shown to servers; null for none.</param>
    /// <param name="repeated">For requests with headers of several lines, which are HTTP/1.1.</param>
    public static HttpMessageInvoker Create(
        Dialer dialer, ServerTrust trust, Func<DnsEndPoint, EndPoint> resolve, X509Certificate2? client = null, RepeatedHeaders? repeated = null)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseProxy = false,
            UseCookies = false,
            ActivityHeadersPropagator = null,
            EnableMultipleHttp2Connections = true,
            PooledConnectionIdleTimeout = IdleFor,
            RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8,
            PlaintextStreamFilter = repeated is null ? null : (context, _) => ValueTask.FromResult(repeated.Over(context.PlaintextStream)),
            ConnectCallback = async (context, cancellationToken) => await dialer.ConnectAsync(resolve(context.DnsEndPoint), cancellationToken),
            SslOptions = new SslClientAuthenticationOptions
            {
                ClientCertificateContext = client is null ? null : SslStreamCertificateContext.Create(client, null, offline: true),
                RemoteCertificateValidationCallback = (sender, certificate, chain, errors) => trust.Believe(certificate, chain, errors, (sender as SslStream)?.TargetHostName ?? ""),
            },
        };
        return new(handler);
    }

    /// <summary>An address as it is.</summary>
    public static EndPoint Plain(DnsEndPoint address) =>
        IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip) ? new IPEndPoint(ip, address.Port) : address;
}
