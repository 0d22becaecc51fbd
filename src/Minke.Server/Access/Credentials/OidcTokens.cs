using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Minke.Server.Access.Credentials;

/// <summary>
/// ID tokens of an OpenID Connect provider. Its keys are fetched at start and again when a token names one that is not known: providers
/// rotate theirs.
/// </summary>
internal sealed partial class OidcTokens : ITokenAuthenticator, IDisposable
{
    private const int MaxDocumentBytes = 1024 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>As upstream: a provider that is not there yet is asked again.</summary>
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(10);

    private readonly OidcOptions _options;
    private readonly IReadOnlyList<string> _own;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly HttpClient _http;
    private readonly SemaphoreSlim _fetching = new(1, 1);
    private volatile List<(string Id, AsymmetricAlgorithm Key)> _keys = []; // replaced, never changed
    private DateTimeOffset _fetched = DateTimeOffset.MinValue; // guarded by _fetching

    public OidcTokens(OidcOptions options, HttpMessageHandler? transport, IReadOnlyList<string> own, TimeProvider clock, ILogger logger)
    {
        (_options, _own, _clock, _logger) = (options, own, clock, logger);
        if (options.Issuer.Scheme != Uri.UriSchemeHttps)
            throw new FormatException($"oidc issuer {options.Issuer.OriginalString}: URL must use https scheme");
        _http = new HttpClient(transport ?? TransportFor(options), disposeHandler: transport is null) { Timeout = Patience, MaxResponseContentBufferSize = MaxDocumentBytes };
    }

    /// <summary>Fetches the keys; returns once it has them.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested && _keys.Count == 0)
        {
            await RefreshAsync(cancellationToken);
            if (_keys.Count == 0)
                await Task.Delay(RetryAfter, _clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public async ValueTask<ValidToken?> AuthenticateAsync(string token, IReadOnlyList<string>? audiences, CancellationToken cancellationToken)
    {
        // Whose token it is decides before anything is fetched: others' tokens cost nothing.
        if (JsonWebToken.TryParse(token) is not { } parsed || JsonWebToken.Text(parsed.Claims, "iss") != Issuer
            || !_options.SigningAlgorithms.Contains(parsed.Algorithm))
            return null;
        if (!IsSigned(parsed))
        {
            await RefreshAsync(cancellationToken);
            if (!IsSigned(parsed))
                return null;
        }
        return UserOf(parsed) is { } user ? TokenAuthenticators.ForServer(user, audiences, _own) : null;
    }

    public void Dispose()
    {
        _http.Dispose();
        _fetching.Dispose();
    }

    private string Issuer => _options.Issuer.OriginalString;

    private bool IsSigned(JsonWebToken token) => _keys.Any(key => (token.KeyId.Length == 0 || key.Id.Length == 0 || key.Id == token.KeyId) && token.IsSignedBy(key.Key));

    private UserInfo? UserOf(JsonWebToken token)
    {
        var claims = token.Claims;
        var now = _clock.GetUtcNow().ToUnixTimeSeconds();
        if (JsonWebToken.Texts(claims, "aud")?.Contains(_options.ClientId) != true
            || token.Seconds("exp") is not { } end || end <= now || token.Seconds("nbf") > now + (5 * 60))
            return null;
        if (_options.RequiredClaims.Any(required => JsonWebToken.Text(claims, required.Key) != required.Value))
            return null;
        if (JsonWebToken.Text(claims, _options.UserNameClaim) is not { Length: > 0 } name)
            return null;
        var isEmail = _options.UserNameClaim == "email";
        // An address nobody has verified may be anybody's.
        if (isEmail && claims.TryGetProperty("email_verified", out var verified) && verified.ValueKind != JsonValueKind.True)
            return null;
        var prefix = _options.UserNamePrefix switch
        {
            "-" => "",
            null or "" => isEmail ? "" : Issuer + "#",
            var given => given,
        };
        IReadOnlyList<string> groups = [];
        if (_options.GroupsClaim is { } claim && claims.TryGetProperty(claim, out _))
        {
            if (JsonWebToken.Texts(claims, claim) is not { } listed)
                return null;
            groups = [.. listed.Select(group => _options.GroupsPrefix + group)];
        }
        return new(prefix + name, [.. groups, UserInfo.Authenticated]);
    }

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _fetching.WaitAsync(cancellationToken);
        try
        {
            // Whoever sends tokens with made-up keys does not make us ask the provider each time.
            if (_clock.GetUtcNow() - _fetched < RetryAfter)
                return;
            _fetched = _clock.GetUtcNow();
            var discovery = await _http.GetByteArrayAsync(new Uri(Issuer.TrimEnd('/') + "/.well-known/openid-configuration"), cancellationToken);
            _keys = JsonWebKeys.Parse(await _http.GetByteArrayAsync(KeySetOf(discovery), cancellationToken));
        }
        catch (Exception e) when (e is HttpRequestException or FormatException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            LogUnreachable(Issuer, e.Message);
        }
        catch (OperationCanceledException)
        {
            // Nobody waits any more.
        }
        finally
        {
            _fetching.Release();
        }
    }

    private Uri KeySetOf(byte[] discovery)
    {
        try
        {
            using var document = JsonDocument.Parse(discovery);
            if (JsonWebToken.Text(document.RootElement, "issuer") != Issuer)
                throw new FormatException($"its discovery document is of another issuer: {JsonWebToken.Text(document.RootElement, "issuer")}");
            return Uri.TryCreate(JsonWebToken.Text(document.RootElement, "jwks_uri"), UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttps
                ? uri : throw new FormatException("its discovery document has no jwks_uri of the scheme https");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FormatException($"its discovery document cannot be read: {e.Message}", e);
        }
    }

    private static SocketsHttpHandler TransportFor(OidcOptions options)
    {
        var handler = new SocketsHttpHandler();
        if (options.Authorities is { } authorities)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.AddRange(authorities);
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        }
        return handler;
    }

    [LoggerMessage(LogLevel.Warning, "OpenID Connect provider {Issuer}: {Error}")]
    private partial void LogUnreachable(string issuer, string error);
}
