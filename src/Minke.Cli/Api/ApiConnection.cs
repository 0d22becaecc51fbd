using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Cli.Kubeconfigs;

namespace Minke.Cli.Api;

/// <summary>The public API over HTTPS, as any client sees it: JSON in and out, failures as <see cref="ApiException"/>.</summary>
internal sealed class ApiConnection : IDisposable
{
    /// <summary>A local API answers in milliseconds; one that takes this long is stuck.</summary>
    private static readonly TimeSpan RequestDeadline = TimeSpan.FromSeconds(60);

    private readonly HttpClient _http;
    private readonly X509Certificate2 _authority;
    private readonly X509Certificate2 _client;

    public ApiConnection(Kubeconfig kubeconfig)
    {
        Server = kubeconfig.Server;
        _authority = kubeconfig.Authority();
        _client = kubeconfig.ClientCertificate();
        _http = new HttpClient(new SocketsHttpHandler
        {
            UseProxy = false,
            SslOptions = new SslClientAuthenticationOptions
            {
                ClientCertificates = [_client],
                CertificateChainPolicy = new X509ChainPolicy
                {
                    TrustMode = X509ChainTrustMode.CustomRootTrust,
                    CustomTrustStore = { _authority },
                    RevocationMode = X509RevocationMode.NoCheck,
                },
            },
        })
        {
            BaseAddress = kubeconfig.Server,
            DefaultRequestVersion = HttpVersion.Version20,
            Timeout = Timeout.InfiniteTimeSpan, // watches and logs stay open; other requests have a deadline of their own
        };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("minke", MinkeVersion.Own));
        _http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
    }

    public Uri Server { get; }

    /// <summary>Told what the server warns of: fields that are deprecated, dropped or not acted on.</summary>
    public Action<string>? Warned { get; init; }

    /// <summary>Null when there is no such object.</summary>
    public async Task<JsonObject?> TryGetAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return await SendAsync(HttpMethod.Get, path, null, null, cancellationToken);
        }
        catch (ApiException exception) when (exception.Code == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    public Task<JsonObject> GetAsync(string path, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, path, null, null, cancellationToken);

    public Task<JsonObject> PostAsync(string path, JsonObject body, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, path, body, "application/json", cancellationToken);

    /// <param name="mediaType">Which kind of patch: <c>application/strategic-merge-patch+json</c>, <c>application/merge-patch+json</c>.</param>
    public Task<JsonObject> PatchAsync(string path, JsonObject patch, string mediaType, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Patch, path, patch, mediaType, cancellationToken);

    /// <summary>The body as it comes, for as long as it comes.</summary>
    public async Task<Stream> StreamAsync(string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Version = HttpVersion.Version20 };
        var response = await SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.IsSuccessStatusCode)
            return await response.Content.ReadAsStreamAsync(cancellationToken);
        using (response)
            throw await FailureAsync(response, path, cancellationToken);
    }

    /// <summary>Changes from a revision on, as the watch gives them; ends when the server ends it.</summary>
    public async IAsyncEnumerable<(string Type, JsonObject Object)> WatchAsync(
        string path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(await StreamAsync(path, cancellationToken), Encoding.UTF8);
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            if (JsonNode.Parse(line) is JsonObject { } change && change["type"]?.GetValue<string>() is { } type && change["object"] is JsonObject changed)
                yield return (type, changed);
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        _client.Dispose();
        _authority.Dispose();
    }

    private async Task<JsonObject> SendAsync(HttpMethod method, string path, JsonObject? body, string? mediaType, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(RequestDeadline);
        using var request = new HttpRequestMessage(method, path) { Version = HttpVersion.Version20 };
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, new MediaTypeHeaderValue(mediaType!));
        try
        {
            using var response = await SendAsync(request, HttpCompletionOption.ResponseContentRead, deadline.Token);
            foreach (var warning in response.Headers.Warning)
                Warned?.Invoke(Unquoted(warning.Text));
            if (!response.IsSuccessStatusCode)
                throw await FailureAsync(response, path, deadline.Token);
            return await JsonNode.ParseAsync(await response.Content.ReadAsStreamAsync(deadline.Token), cancellationToken: deadline.Token) as JsonObject
                ?? throw new ApiException(response.StatusCode, "", $"{method} {path}: the answer is not a JSON object");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CliException($"the API at {Server} did not answer {method} {path} within {RequestDeadline.TotalSeconds:0} s; see: minke logs");
        }
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, HttpCompletionOption completion, CancellationToken cancellationToken)
    {
        try
        {
            return await _http.SendAsync(request, completion, cancellationToken);
        }
        catch (HttpRequestException exception)
        {
            throw new CliException($"the API at {Server} cannot be reached: {(exception.InnerException ?? exception).Message}; see: minke status, minke logs", exception);
        }
    }

    /// <summary>What a quoted string says. (RFC 9110, section 5.6.4)</summary>
    internal static string Unquoted(string quoted)
    {
        var text = new StringBuilder(quoted.Length);
        for (var i = 1; i < quoted.Length - 1; i++)
            text.Append(quoted[i] == '\\' && i + 1 < quoted.Length - 1 ? quoted[++i] : quoted[i]);
        return text.ToString();
    }

    private static async Task<ApiException> FailureAsync(HttpResponseMessage response, string path, CancellationToken cancellationToken)
    {
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        try
        {
            if (JsonNode.Parse(text) is JsonObject status && status["message"]?.GetValue<string>() is { } message)
                return new ApiException(response.StatusCode, status["reason"]?.GetValue<string>() ?? "", message);
        }
        catch (JsonException)
        {
            // Not a Status: the text is all there is.
        }
        return new ApiException(response.StatusCode, "", $"{path}: {(int)response.StatusCode} {text}");
    }
}

/// <summary>The API said no; the message is the server's.</summary>
internal sealed class ApiException(HttpStatusCode code, string reason, string message) : Exception(message)
{
    public HttpStatusCode Code { get; } = code;

    /// <summary>Of the Status: <c>NotFound</c>, <c>Invalid</c>, …; empty when the answer had none.</summary>
    public string Reason { get; } = reason;
}
