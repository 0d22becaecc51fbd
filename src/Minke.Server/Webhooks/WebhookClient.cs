using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Minke.Api;

namespace Minke.Server.Webhooks;

/// <summary>Posts JSON to one webhook. TLS is checked against the hook's own bundle, under the Service's name where it is one.</summary>
internal sealed class WebhookClient : IDisposable
{
    private const int MaxAnswerBytes = 64 * 1024 * 1024;
    private const int MaxShownBytes = 2048;

    private readonly WebhookAddress _address;
    private readonly ServiceResolver _services;
    private readonly HttpClient _http;
    private readonly X509Certificate2Collection _authorities = [];

    public WebhookClient(WebhookAddress address, ServiceResolver services)
    {
        (_address, _services) = (address, services);
        if (address.CaBundle.Length > 0)
            _authorities.ImportFromPem(Encoding.ASCII.GetString(address.CaBundle));
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            ConnectCallback = ConnectAsync,
            SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, certificate, chain, errors) => Believe(certificate, chain, errors) },
        })
        {
            Timeout = Timeout.InfiniteTimeSpan, // Each request brings its own.
            MaxResponseContentBufferSize = MaxAnswerBytes,
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
    }

    /// <summary>The answer's JSON.</summary>
    /// <exception cref="WebhookException">Whatever kept the hook from answering.</exception>
    public async Task<byte[]> PostAsync(byte[] json, TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
    {
        var target = _address.Target(timeout);
        using var deadline = new CancellationTokenSource(timeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        using var content = new ByteArrayContent(json);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(target)) { Content = content };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        HttpStatusCode code;
        byte[] body;
        try
        {
            using var answer = await _http.SendAsync(request, either.Token);
            (code, body) = (answer.StatusCode, await answer.Content.ReadAsByteArrayAsync(either.Token));
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            throw new WebhookTimeoutException(target);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            throw new WebhookException($"Post \"{target}\": {Cause(e)}");
        }
        return (int)code is >= 200 and < 300 ? body : throw new WebhookException(Refusal(code, body));
    }

    public void Dispose() => _http.Dispose();

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var endpoint = _address.IsService
            ? _services.Resolve(_address.ServiceNamespace, _address.ServiceName, _address.ServicePort)
            : IPAddress.TryParse(context.DnsEndPoint.Host, out var ip) ? new IPEndPoint(ip, context.DnsEndPoint.Port) : context.DnsEndPoint;
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(endpoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new WebhookException($"dial tcp {Shown(endpoint)}: {(e.SocketErrorCode == SocketError.HostNotFound ? "lookup" : "connect")}: {Words(e)}");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private bool Believe(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is not X509Certificate2 leaf || chain is null)
            throw new WebhookException("tls: no certificate");
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
            throw new WebhookException($"tls: failed to verify certificate: x509: certificate is valid for {Names(leaf)}, not {new Uri(_address.Target(TimeSpan.Zero)).Host}");
        return true;
    }

    private static WebhookException Unbelieved(X509Chain chain) => new("tls: failed to verify certificate: x509: "
        + (chain.ChainStatus.Any(status => status.Status.HasFlag(X509ChainStatusFlags.NotTimeValid))
            ? "certificate has expired or is not yet valid" : "certificate signed by unknown authority"));

    private static string Names(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault();
        return names is null ? certificate.GetNameInfo(X509NameType.SimpleName, false)
            : string.Join(", ", names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(ip => ip.ToString())));
    }

    /// <summary>The innermost words that say something.</summary>
    private static string Cause(Exception exception)
    {
        for (Exception? e = exception; e is not null; e = e.InnerException)
        {
            switch (e)
            {
                case WebhookException:
                    return e.Message;
                case SocketException socket:
                    return Words(socket);
                case AuthenticationException { InnerException: null }:
                    return "tls: " + e.Message;
            }
        }
        if (exception is HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded })
            return "http: response body too large";
        return exception is HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded or HttpRequestError.InvalidResponse } or IOException ? "EOF" : exception.Message;
    }

    private static string Words(SocketException e) => e.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => "connection refused",
        SocketError.ConnectionReset => "connection reset by peer",
        SocketError.HostUnreachable => "no route to host",
        SocketError.NetworkUnreachable => "network is unreachable",
        SocketError.HostNotFound => "no such host",
        SocketError.TimedOut => "connection timed out",
        _ => e.Message,
    };

    private static string Shown(EndPoint endpoint) => endpoint is DnsEndPoint dns ? $"{dns.Host}:{dns.Port}" : endpoint.ToString()!;

    /// <summary>As client-go says what an answer without a Status means.</summary>
    private static string Refusal(HttpStatusCode code, byte[] body)
    {
        var text = Encoding.UTF8.GetString(body.AsSpan(0, Math.Min(body.Length, MaxShownBytes))).Trim();
        return (int)code switch
        {
            400 => "the server rejected our request for an unknown reason",
            401 => "the server has asked for the client to provide credentials",
            403 => "forbidden: " + text,
            404 => "the server could not find the requested resource",
            405 => "the server does not allow this method on the requested resource",
            415 => "the server was unable to respond with a content type that the client supports",
            503 => "the server is currently unable to handle the request",
            504 => "the server was unable to return a response in the time allotted, but may still be processing the request",
            >= 500 => $"an error on the server ({FieldErrors.Quote(text.Length > 0 ? text : "unknown")}) has prevented the request from succeeding",
            _ => "the server responded with the status code " + (int)code + " but did not return more information",
        };
    }
}
