using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Text;
using Minke.Api;
using Minke.Server.Proxying;

namespace Minke.Server.Webhooks;

/// <summary>Posts JSON to one webhook. TLS is checked against the hook's own bundle, under the Service's name where it is one.</summary>
internal sealed class WebhookClient : IDisposable
{
    private const int MaxAnswerBytes = 64 * 1024 * 1024;
    private const int MaxShownBytes = 2048;

    private readonly WebhookAddress _address;
    private readonly ServiceResolver _services;
    private readonly HttpClient _http;

    public WebhookClient(WebhookAddress address, ServiceResolver services)
    {
        (_address, _services) = (address, services);
        var trust = ServerTrust.Of(address.CaBundle);
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            ConnectCallback = ConnectAsync,
            SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, certificate, chain, errors) => trust.Believe(certificate, chain, errors, new Uri(address.Target(TimeSpan.Zero)).Host) },
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
            throw new WebhookException($"Post \"{target}\": {NetworkErrors.Cause(e)}");
        }
        return (int)code is >= 200 and < 300 ? body : throw new WebhookException(Refusal(code, body));
    }

    public void Dispose() => _http.Dispose();

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var endpoint = _address.IsService
            ? _services.Resolve(_address.ServiceNamespace, _address.ServiceName, _address.ServicePort)
            : IPAddress.TryParse(context.DnsEndPoint.Host, out var ip) ? new IPEndPoint(ip, context.DnsEndPoint.Port) : context.DnsEndPoint;
        return await Dialer.OverNetworkAsync(endpoint, cancellationToken);
    }

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
