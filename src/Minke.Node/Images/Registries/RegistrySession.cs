using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Minke.Node.Runtime;

namespace Minke.Node.Images.Registries;

/// <summary>
/// Requests of one pull with one credential: authenticates when asked to, follows redirects, tries again what may pass. Tokens live
/// as long as the session, so one pull never uses another's rights.
/// </summary>
internal sealed class RegistrySession(
    RegistryHttp http, RegistriesConfig config, RegistryCredential? credential, PullOptions options, TimeProvider time, Random random) : IDisposable
{
    private const int MaximumRedirects = 10;
    private const int MaximumTokenBytes = 1 << 20;
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromSeconds(30);

    /// <summary>Authorization headers by host and scope; guarded by <see cref="_turn"/>.</summary>
    private readonly Dictionary<string, AuthenticationHeaderValue> _granted = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _turn = new(1);

    public PullOptions Options => options;
    public TimeProvider Time => time;

    /// <summary>Sends a GET or HEAD until it is answered with something other than "later" or "who are you".</summary>
    /// <param name="address">Where.</param>
    /// <param name="method">GET or HEAD.</param>
    /// <param name="scope">Repository the request is about; tokens are kept for it.</param>
    /// <param name="prepare">Adds headers.</param>
    public async Task<HttpResponseMessage> SendAsync(
        Uri address, HttpMethod method, string scope, Action<HttpRequestMessage> prepare, CancellationToken cancellationToken)
    {
        var challenges = 0;
        var stalls = 0;
        for (var failures = 0; ;)
        {
            AuthenticationHeaderValue? used = null;
            HttpResponseMessage response;
            try
            {
                (response, used) = await FollowAsync(address, method, scope, prepare, cancellationToken);
            }
            catch (RegistryException failure) when (failure.InnerException is TimeoutException && ++stalls < options.Stalls)
            {
                continue;
            }
            catch (RegistryException failure) when (IsPassing(failure) && ++failures < options.Attempts)
            {
                await PauseAsync(failures, null, cancellationToken);
                continue;
            }
            switch (response.StatusCode)
            {
                case HttpStatusCode.Unauthorized:
                    using (response)
                        await AuthenticateAsync(response, address, method, scope, used, ++challenges, cancellationToken);
                    continue;
                case HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout or >= HttpStatusCode.InternalServerError when ++failures < options.Attempts:
                    var after = response.Headers.RetryAfter?.Delta;
                    response.Dispose();
                    await PauseAsync(failures, after, cancellationToken);
                    continue;
                default:
                    return response;
            }
        }
    }

    public Task PauseAsync(int failures, TimeSpan? asked, CancellationToken cancellationToken)
    {
        var pause = asked is { } wanted ? (wanted < LongestRetryAfter ? wanted : LongestRetryAfter) : options.Backoff(failures, random);
        return Task.Delay(pause, time, cancellationToken);
    }

    public static RegistryException Unexpected(HttpResponseMessage response, HttpMethod method, Uri address)
    {
        var status = $"unexpected status from {method} request to {address}: {(int)response.StatusCode} {Phrase(response.StatusCode)}";
        return response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden
            ? new RegistryException(RegistryFailure.AccessDenied, $"pull access denied, repository does not exist or may require authorization: {status}")
            : new RegistryException(RegistryFailure.Other, status);
    }

    public void Dispose() => _turn.Dispose();

    /// <summary>An answer that was cut off may come whole the next time; a refused connection, a bad name or certificate stays what it is.</summary>
    private static bool IsPassing(RegistryException failure) =>
        failure.InnerException is HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded or HttpRequestError.InvalidResponse };

    private async Task<(HttpResponseMessage Response, AuthenticationHeaderValue? Used)> FollowAsync(
        Uri address, HttpMethod method, string scope, Action<HttpRequestMessage> prepare, CancellationToken cancellationToken)
    {
        var used = await GrantedAsync(address, scope, cancellationToken);
        for (var redirects = 0; ; redirects++)
        {
            using var request = new HttpRequestMessage(method, address);
            prepare(request);
            // Storage behind a redirect is somebody else: it gets no credentials.
            request.Headers.Authorization = redirects == 0 ? used : null;
            var response = await SendOnceAsync(request, cancellationToken);
            if (response.StatusCode is not (HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
                or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect) || response.Headers.Location is not { } location)
                return (response, redirects == 0 ? used : null);
            response.Dispose();
            var next = new Uri(address, location);
            if (redirects == MaximumRedirects)
                throw new RegistryException(RegistryFailure.Other, $"stopped after {MaximumRedirects} redirects from {address}");
            if (next.Scheme is not ("http" or "https") || address.Scheme == "https" && next.Scheme == "http")
                throw new RegistryException(RegistryFailure.Other, $"refused a redirect from {address} to {next.Scheme}://{next.Authority}");
            address = next;
        }
    }

    private async Task<HttpResponseMessage> SendOnceAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(options.StallTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            return await http.SendAsync(request, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new RegistryException(
                RegistryFailure.Other, $"failed to do request: {request.Method} \"{request.RequestUri}\": no answer for {options.StallTimeout.TotalSeconds:0.###}s",
                new TimeoutException());
        }
    }

    private async Task<AuthenticationHeaderValue?> GrantedAsync(Uri address, string scope, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            return _granted.GetValueOrDefault($"{address.Authority} {scope}");
        }
        finally
        {
            _turn.Release();
        }
    }

    private RegistryCredential? CredentialOf(Uri address, bool isMirror) =>
        isMirror ? config.ConfigOf(address.Authority).Credential ?? credential : credential ?? config.ConfigOf(address.Authority).Credential;

    private async Task AuthenticateAsync(
        HttpResponseMessage response, Uri address, HttpMethod method, string scope, AuthenticationHeaderValue? used, int challenges,
        CancellationToken cancellationToken)
    {
        var parsed = response.Headers.TryGetValues("WWW-Authenticate", out var headers) ? headers.Select(AuthChallenge.Parse).ToList() : [];
        var bearer = parsed.Find(challenge => challenge.Scheme == "bearer");
        var key = $"{address.Authority} {scope}";
        await _turn.WaitAsync(cancellationToken);
        try
        {
            // Somebody else of this pull was faster.
            if (_granted.TryGetValue(key, out var current) && !ReferenceEquals(current, used))
                return;
            // A token may expire during a long pull, once; a fresh one that is refused is an answer.
            if (used is not null && challenges > 1 || challenges > 2)
            {
                if (bearer?["error"] is { Length: > 0 } error)
                    throw new RegistryException(
                        RegistryFailure.AccessDenied,
                        $"pull access denied, repository does not exist or may require authorization: server message: {error}: authorization failed");
                throw Unexpected(response, method, address);
            }
            var credentials = CredentialOf(address, address.Query.Contains("ns=", StringComparison.Ordinal));
            if (bearer is not null)
            {
                _granted[key] = new AuthenticationHeaderValue("Bearer", await TokenAsync(bearer, scope, credentials, cancellationToken));
                return;
            }
            if (!parsed.Exists(challenge => challenge.Scheme == "basic"))
                throw Unexpected(response, method, address);
            if (credentials is null || credentials.Username.Length == 0)
                throw new RegistryException(
                    RegistryFailure.AccessDenied,
                    "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials");
            if (used is { Scheme: "Basic" })
                throw Unexpected(response, method, address);
            _granted[key] = Basic(credentials);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>The token dance (distribution, "Token Authentication" and "OAuth2"): GET with a password, POST with an identity token.</summary>
    private async Task<string> TokenAsync(AuthChallenge challenge, string scope, RegistryCredential? credentials, CancellationToken cancellationToken)
    {
        if (credentials?.RegistryToken is { Length: > 0 } registryToken)
            return registryToken;
        if (!Uri.TryCreate(challenge["realm"], UriKind.Absolute, out var realm) || realm.Scheme is not ("http" or "https"))
            throw new RegistryException(RegistryFailure.Other, $"failed to authorize: invalid realm \"{challenge["realm"]}\"");
        var service = challenge["service"];
        var wanted = challenge["scope"] is { Length: > 0 } asked ? asked : $"repository:{scope}:pull";
        var kind = credentials is null ? "anonymous" : "oauth";

        if (credentials is { IdentityToken.Length: > 0 })
            return await ReadTokenAsync(realm, kind, () => new HttpRequestMessage(HttpMethod.Post, realm)
            {
                Content = new FormUrlEncodedContent(
                [
                    new("grant_type", "refresh_token"), new("refresh_token", credentials.IdentityToken),
                    new("service", service), new("scope", wanted), new("client_id", "minke"),
                ]),
            }, cancellationToken);

        var query = new StringBuilder(realm.Query.Length > 1 ? $"{realm.Query}&" : "?");
        if (service.Length > 0)
            query.Append("service=").Append(Uri.EscapeDataString(service)).Append('&');
        query.AppendJoin('&', wanted.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(one => $"scope={Uri.EscapeDataString(one)}"));
        if (credentials is { Username.Length: > 0 })
            query.Append("&account=").Append(Uri.EscapeDataString(credentials.Username));
        var address = new Uri(realm.GetLeftPart(UriPartial.Path) + query);
        return await ReadTokenAsync(address, kind, () =>
        {
            var request = new HttpRequestMessage(HttpMethod.Get, address);
            if (credentials is { Username.Length: > 0 })
                request.Headers.Authorization = Basic(credentials);
            return request;
        }, cancellationToken);
    }

    private async Task<string> ReadTokenAsync(Uri address, string kind, Func<HttpRequestMessage> make, CancellationToken cancellationToken)
    {
        for (var failures = 0; ;)
        {
            using var request = make();
            using var response = await SendOnceAsync(request, cancellationToken);
            if (response.StatusCode is HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError && ++failures < options.Attempts)
            {
                await PauseAsync(failures, response.Headers.RetryAfter?.Delta, cancellationToken);
                continue;
            }
            if (!response.IsSuccessStatusCode)
            {
                var denied = response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;
                throw new RegistryException(
                    denied ? RegistryFailure.AccessDenied : RegistryFailure.Other,
                    $"{(denied ? "pull access denied, repository does not exist or may require authorization: " : "")}failed to authorize: failed to fetch {kind} token: "
                    + $"unexpected status from {request.Method} request to {address}: {(int)response.StatusCode} {Phrase(response.StatusCode)}");
            }
            var bytes = await ReadLimitedAsync(response, MaximumTokenBytes, "token", cancellationToken);
            try
            {
                var answer = JsonSerializer.Deserialize(bytes, TokenJson.Default.TokenAnswer);
                // Both names are in use; the specification has them mean the same.
                if ((answer?.Token ?? answer?.AccessToken) is { Length: > 0 } token)
                    return token;
            }
            catch (JsonException)
            {
                // Said below.
            }
            throw new RegistryException(RegistryFailure.Other, $"failed to authorize: failed to fetch {kind} token: authorization server did not include a token in the response");
        }
    }

    /// <summary>A whole body of limited size, with the same patience as everything else.</summary>
    public async Task<byte[]> ReadLimitedAsync(HttpResponseMessage response, int limit, string what, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(options.StallTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(either.Token);
            using var all = new MemoryStream();
            var buffer = new byte[16 * 1024];
            while (await body.ReadAsync(buffer, either.Token) is > 0 and var count)
            {
                patience.CancelAfter(options.StallTimeout);
                all.Write(buffer, 0, count);
                if (all.Length > limit)
                    throw new InvalidDataException($"{what} exceeds the limit of {limit} bytes");
            }
            return all.ToArray();
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new RegistryException(
                RegistryFailure.Other, $"no data from {response.RequestMessage?.RequestUri?.Authority} for {options.StallTimeout.TotalSeconds:0.###}s", new TimeoutException());
        }
    }

    private static AuthenticationHeaderValue Basic(RegistryCredential credentials) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{credentials.Username}:{credentials.Password}")));

    /// <summary>The phrase Go prints for a status, whatever the server wrote (HTTP/2 has none).</summary>
    private static string Phrase(HttpStatusCode status) => status switch
    {
        HttpStatusCode.Unauthorized => "Unauthorized",
        HttpStatusCode.Forbidden => "Forbidden",
        HttpStatusCode.NotFound => "Not Found",
        HttpStatusCode.TooManyRequests => "Too Many Requests",
        HttpStatusCode.InternalServerError => "Internal Server Error",
        HttpStatusCode.BadGateway => "Bad Gateway",
        HttpStatusCode.ServiceUnavailable => "Service Unavailable",
        HttpStatusCode.GatewayTimeout => "Gateway Timeout",
        HttpStatusCode.BadRequest => "Bad Request",
        HttpStatusCode.MethodNotAllowed => "Method Not Allowed",
        _ => status.ToString(),
    };
}

internal sealed record TokenAnswer
{
    [JsonPropertyName("token")] public string? Token { get; init; }
    [JsonPropertyName("access_token")] public string? AccessToken { get; init; }
}

[JsonSerializable(typeof(TokenAnswer))]
internal sealed partial class TokenJson : JsonSerializerContext;
