using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client;

namespace Minke.Node.Pods.Probes;

/// <summary>What an HTTP probe or hook sends.</summary>
internal sealed record HttpProbeRequest(string Scheme, string Host, int Port, string Path, IReadOnlyList<KeyValuePair<string, string>> Headers)
{
    /// <summary>The version probes say they are of; the one we behave as.</summary>
    internal const string Version = "1.32";

    internal string Url => $"{Scheme}://{GoNetwork.HostPort(Host, Port)}{Path}";

    /// <param name="get">The pod's wish.</param>
    /// <param name="port">Its port, resolved.</param>
    /// <param name="podIp">Whom to ask unless a host is given.</param>
    /// <param name="purpose"><c>probe</c> or <c>lifecycle</c>: part of the user agent.</param>
    internal static HttpProbeRequest Of(HTTPGetAction get, int port, string podIp, string purpose)
    {
        var headers = get.HttpHeaders.Select(header => KeyValuePair.Create(header.Name, header.Value)).ToList();
        if (!Has("User-Agent"))
            headers.Add(new("User-Agent", $"kube-{purpose}/{Version}"));
        if (!Has("Accept"))
            headers.Add(new("Accept", "*/*"));

        // An empty value takes the header away.
        headers.RemoveAll(header => header.Value.Length == 0 && (Is(header, "User-Agent") || Is(header, "Accept")));
        var path = get.Path is { Length: > 0 } given ? given : "/";
        return new(
            get.Scheme is { Length: > 0 } scheme ? scheme.ToLowerInvariant() : "http",
            get.Host is { Length: > 0 } host ? host : podIp,
            port,
            path[0] == '/' ? path : "/" + path,
            headers);

        bool Has(string name) => headers.Exists(header => Is(header, name));
        static bool Is(KeyValuePair<string, string> header, string name) => header.Key.Equals(name, StringComparison.OrdinalIgnoreCase);
    }
}

/// <summary>
/// HTTP as the kubelet probes it: a new connection each time, no proxy, certificates not verified, redirects followed only within the
/// host; 200 to 399 is well.
/// </summary>
internal sealed class HttpProbe : IDisposable
{
    private const int MaxBodyBytes = 10 * 1024;
    private const int MaxRedirects = 10;

    private static readonly HttpRequestOptionsKey<Connection> ConnectionKey = new("connection");

    private readonly TimeProvider _time;
    private readonly HttpMessageInvoker _client;

    internal HttpProbe(TimeProvider time)
    {
        _time = time;
        var handler = ProbeDialer.Handler(ConnectAsync);
        handler.SslOptions = new SslClientAuthenticationOptions
        {
#pragma warning disable CA5359 // A probe asks whether the server is well, not who it is; its certificate names the Service, not the pod's address.
            RemoteCertificateValidationCallback = static (_, _, _, _) => true,
#pragma warning restore CA5359
        };
        _client = new HttpMessageInvoker(handler);
    }

    internal async Task<ProbeResult> AskAsync(HttpProbeRequest request, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var uri = new Uri(request.Url);
        var shownUrl = request.Url;
        for (var redirects = 0; ; redirects++)
        {
            // Named as it was written: by the request first, by the Location header after.
            var connection = new Connection();
            HttpResponseMessage response;
            try
            {
                using var message = MessageOf(request, uri, connection, isRedirected: redirects > 0);
                response = await _client.SendAsync(message, either.Token);
            }
            catch (OperationCanceledException) when (deadline.IsCancellationRequested)
            {
                var what = connection.Stage == Stage.Dialing ? $"dial tcp {GoNetwork.HostPort(uri.Host.Trim('[', ']'), uri.Port)}: i/o timeout" : "context deadline exceeded";
                return Failure(shownUrl, $"{what} (Client.Timeout exceeded while awaiting headers)");
            }
            catch (HttpRequestException exception)
            {
                return Failure(shownUrl, Words(exception, connection));
            }
            using (response)
            {
                if (Redirect(response, uri) is { } location && location.Host == uri.Host)
                {
                    shownUrl = response.Headers.Location!.OriginalString;
                    if (redirects + 1 >= MaxRedirects)
                        return Failure(shownUrl, "stopped after 10 redirects");
                    uri = location;
                    continue;
                }
                try
                {
                    return await JudgeAsync(response, either.Token);
                }
                catch (OperationCanceledException) when (deadline.IsCancellationRequested)
                {
                    return new(ProbeOutcome.Unknown, "context deadline exceeded (Client.Timeout or context cancellation while reading body)");
                }
                catch (Exception exception) when (exception is HttpRequestException or IOException)
                {
                    return new(ProbeOutcome.Unknown, "unexpected EOF");
                }
            }
        }
    }

    public void Dispose() => _client.Dispose();

    private static ProbeResult Failure(string url, string words) => new(ProbeOutcome.Failure, $"Get {FieldErrors.Quote(url)}: {words}");

    private static HttpRequestMessage MessageOf(HttpProbeRequest request, Uri uri, Connection connection, bool isRedirected)
    {
        var message = new HttpRequestMessage(HttpMethod.Get, uri);
        if (uri.Scheme == Uri.UriSchemeHttps)
            (message.Version, message.VersionPolicy) = (HttpVersion.Version20, HttpVersionPolicy.RequestVersionOrLower);
        foreach (var (name, value) in request.Headers)
        {
            // A redirect within the host keeps the given Host header only when it is relative; Go drops it when the location names one.
            if (!name.Equals("Host", StringComparison.OrdinalIgnoreCase))
                message.Headers.TryAddWithoutValidation(name, value);
            else if (value.Length > 0 && !isRedirected)
                message.Headers.Host = value;
        }
        message.Headers.ConnectionClose = true;
        message.Options.Set(ConnectionKey, connection);
        return message;
    }

    /// <summary>Where a redirect leads, or null when this is none that can be followed.</summary>
    private static Uri? Redirect(HttpResponseMessage response, Uri from) =>
        (int)response.StatusCode is 301 or 302 or 303 or 307 or 308 && response.Headers.Location is { } location
            && Uri.TryCreate(from, location, out var target) && target.Scheme is "http" or "https" ? target : null;

    private static async Task<ProbeResult> JudgeAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var body = await ReadBodyAsync(response, cancellationToken);
        return (int)response.StatusCode switch
        {
            >= 200 and < 300 => new(ProbeOutcome.Success, body),
            >= 300 and < 400 => new(ProbeOutcome.Warning, $"Probe terminated redirects, Response body: {body}"),

            // Without the body: it may hold what not everybody who sees events may see.
            var status => new(ProbeOutcome.Failure, string.Create(CultureInfo.InvariantCulture, $"HTTP probe failed with statuscode: {status}")),
        };
    }

    private static async Task<string> ReadBodyAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var body = new byte[MaxBodyBytes];
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var length = await stream.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, cancellationToken);
        return Encoding.UTF8.GetString(body, 0, length);
    }

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        context.InitialRequestMessage.Options.TryGetValue(ConnectionKey, out var connection);
        var socket = await ProbeDialer.DialAsync(context.DnsEndPoint.Host.Trim('[', ']'), context.DnsEndPoint.Port, cancellationToken);
        if (connection is not null)
            (connection.Stage, connection.Ends) = (Stage.Connected, $"{socket.LocalEndPoint}->{socket.RemoteEndPoint}");
        return new NetworkStream(socket, ownsSocket: true);
    }

    private static string Words(HttpRequestException exception, Connection connection)
    {
        for (Exception? cause = exception; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case DialException:
                    return cause.Message;
                case AuthenticationException:
                    return "http: server gave HTTP response to HTTPS client";
                case SocketException socket:
                    return $"read tcp {connection.Ends}: read: {GoNetwork.Words(socket)}";
            }
        }
        return exception.HttpRequestError switch
        {
            HttpRequestError.InvalidResponse => "net/http: HTTP/1.x transport connection broken: malformed HTTP response",
            HttpRequestError.ConfigurationLimitExceeded => "net/http: server response headers exceeded the limit",
            _ => "EOF",
        };
    }

    private enum Stage { Dialing, Connected }

    /// <summary>How far a request came, for the words of its failure.</summary>
    private sealed class Connection
    {
        internal volatile Stage Stage;
        internal string Ends = "";
    }
}
