using System.Buffers;
using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Access.Credentials;

/// <param name="User">As whom its bearer acts.</param>
/// <param name="Audiences">For whom it was made, of those asked about.</param>
internal sealed record ValidToken(UserInfo User, IReadOnlyList<string> Audiences);

/// <summary>
/// Service account tokens: JSON web tokens (RFC 7519) in upstream's form, signed ES256 or RS256, bound to the account and, when asked,
/// to a pod, node or secret. A token dies with what it is bound to.
/// </summary>
internal sealed class ServiceAccountTokens : ITokenAuthenticator
{
    public const string Issuer = "https://kubernetes.default.svc.cluster.local";
    private const int MaxVerified = 4096;

    // go-jose's: so far two clocks may differ, and so long a token outlives what it is bound to.
    private static readonly TimeSpan Leeway = TimeSpan.FromMinutes(1);

    private readonly AsymmetricAlgorithm _key;
    private readonly string _keyId;
    private readonly IReadOnlyList<AsymmetricAlgorithm> _trusted; // the key that signs first, then those that signed before it
    private readonly IStateStore _store;
    private readonly Resource _accounts;
    private readonly ResourceCatalog _catalog;
    private readonly IdSource _ids;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<string, byte> _verified = new(StringComparer.Ordinal);

    public ServiceAccountTokens(AsymmetricAlgorithm key, IReadOnlyList<AsymmetricAlgorithm> older, IStateStore store, ResourceCatalog catalog, IdSource ids, TimeProvider clock)
    {
        _key = key is ECDsa or RSA ? key : throw new ArgumentException("service account tokens are signed with an ECDSA or RSA key", nameof(key));
        _keyId = IdOf(key);
        _trusted = [key, .. older];
        _store = store;
        _catalog = catalog;
        _accounts = catalog.Find(ServiceAccount.KindInfo)!;
        _ids = ids;
        _clock = clock;
    }

    public IReadOnlyList<string> DefaultAudiences { get; } = [Issuer];

    /// <summary>What <c>/openid/v1/jwks</c> shows.</summary>
    public string KeySet() => $$"""{"keys":[{{string.Join(',', _trusted.Select(Describe))}}]}""";

    /// <param name="bound">A kind, name and uid beside the account; null for none.</param>
    /// <param name="node">Where the bound pod runs; name empty when it does not.</param>
    public (string Token, DateTimeOffset Expires) Issue(
        ServiceAccount account, IReadOnlyList<string> audiences, TimeSpan lifetime, (string Kind, string Name, string Uid)? bound, (string Name, string Uid) node)
    {
        var now = _clock.GetUtcNow();
        var expires = now + lifetime;
        var claims = new ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(claims, Json.WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteStartArray("aud"u8);
            foreach (var audience in audiences)
                writer.WriteStringValue(audience);
            writer.WriteEndArray();
            writer.WriteNumber("exp"u8, expires.ToUnixTimeSeconds());
            writer.WriteNumber("iat"u8, now.ToUnixTimeSeconds());
            writer.WriteString("iss"u8, Issuer);
            writer.WriteString("jti"u8, _ids.NewUid());
            writer.WriteStartObject("kubernetes.io"u8);
            writer.WriteString("namespace"u8, account.Metadata.Namespace);
            if (node.Name.Length > 0)
                WriteReference(writer, "node", node.Name, node.Uid);
            if (bound is { } reference)
                WriteReference(writer, reference.Kind.ToLowerInvariant(), reference.Name, reference.Uid);
            WriteReference(writer, "serviceaccount", account.Metadata.Name, account.Metadata.Uid);
            writer.WriteEndObject();
            writer.WriteNumber("nbf"u8, now.ToUnixTimeSeconds());
            writer.WriteString("sub"u8, UserName(account.Metadata.Namespace, account.Metadata.Name));
            writer.WriteEndObject();
        }
        var header = Encoding.UTF8.GetBytes($$"""{"alg":"{{(_key is ECDsa ? "ES256" : "RS256")}}","kid":"{{_keyId}}"}""");
        var signed = $"{Base64Url.EncodeToString(header)}.{Base64Url.EncodeToString(claims.WrittenSpan)}";
        return ($"{signed}.{Base64Url.EncodeToString(Sign(Encoding.ASCII.GetBytes(signed)))}", expires);
    }

    /// <summary>Null when the token does not hold: not ours, expired, for somebody else, or bound to what is gone.</summary>
    /// <param name="token">As it came.</param>
    /// <param name="audiences">One of which it must be made for; null for the API server's own.</param>
    public ValidToken? Validate(string token, IReadOnlyList<string>? audiences)
    {
        if (JsonWebToken.TryParse(token) is not { } parsed || !(IsVerified(token) || _trusted.Any(parsed.IsSignedBy)))
            return null;
        Remember(token);
        try
        {
            return Check(parsed.Claims, audiences ?? DefaultAudiences);
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException or KeyNotFoundException or ArgumentOutOfRangeException)
        {
            return null; // Not a token of ours; what exactly is wrong with it is nobody's business.
        }
    }

    public ValueTask<ValidToken?> AuthenticateAsync(string token, IReadOnlyList<string>? audiences, CancellationToken cancellationToken) =>
        new(Validate(token, audiences));

    // A signature once good stays good; expiry and what the token is bound to are looked at every time.
    private bool IsVerified(string token) => _verified.ContainsKey(token);

    private void Remember(string token)
    {
        if (_verified.Count >= MaxVerified)
            _verified.Clear();
        _verified.TryAdd(token, default);
    }

    private ValidToken? Check(JsonElement claims, IReadOnlyList<string> audiences)
    {
        var now = _clock.GetUtcNow();
        DateTimeOffset TimeOf(string claim) => DateTimeOffset.FromUnixTimeSeconds(claims.GetProperty(claim).GetInt64());
        if (claims.GetProperty("iss").GetString() != Issuer || TimeOf("exp") < now - Leeway || TimeOf("nbf") > now + Leeway || TimeOf("iat") > now + Leeway)
            return null;
        var granted = claims.GetProperty("aud").EnumerateArray().Select(audience => audience.GetString()!).Where(audiences.Contains).ToList();
        if (granted.Count == 0)
            return null;

        var kubernetes = claims.GetProperty("kubernetes.io");
        var @namespace = kubernetes.GetProperty("namespace").GetString()!;
        var (name, uid) = Reference(kubernetes.GetProperty("serviceaccount"));
        if (!IsThere(_accounts, @namespace, name, uid, now))
            return null;
        var extra = new List<KeyValuePair<string, ApiList<string>>>
        {
            new("authentication.kubernetes.io/credential-id", ["JTI=" + claims.GetProperty("jti").GetString()]),
        };
        foreach (var kind in (ReadOnlySpan<KindInfo>)[Pod.KindInfo, Secret.KindInfo, Node.KindInfo])
        {
            if (!kubernetes.TryGetProperty(kind.Singular, out var reference))
                continue;
            var (boundName, boundUid) = Reference(reference);
            var isContext = kind == Node.KindInfo && kubernetes.TryGetProperty("pod", out _);
            if (!isContext && !IsThere(_catalog.Find(kind)!, @namespace, boundName, boundUid, now))
                return null;
            extra.Add(new($"authentication.kubernetes.io/{kind.Singular}-name", [boundName]));
            extra.Add(new($"authentication.kubernetes.io/{kind.Singular}-uid", [boundUid]));
        }
        var user = new UserInfo(UserName(@namespace, name), ["system:serviceaccounts", "system:serviceaccounts:" + @namespace, UserInfo.Authenticated])
        {
            Uid = uid,
            Extra = extra,
        };
        return new(user, granted);
    }

    private bool IsThere(Resource resource, string @namespace, string name, string uid, DateTimeOffset now) =>
        _store.Snapshot().Get(resource.Key(@namespace, name)) is { } entry && StoredObject.Read(resource, entry).Metadata is var metadata && metadata.Uid == uid
        && (metadata.DeletionTimestamp is not { } deleted || deleted.ToDateTimeOffset() >= now - Leeway);

    private byte[] Sign(byte[] data) => _key is ECDsa ecdsa
        ? ecdsa.SignData(data, HashAlgorithmName.SHA256)
        : ((RSA)_key).SignData(data, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);

    private static string IdOf(AsymmetricAlgorithm key) => Base64Url.EncodeToString(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));

    private static string Describe(AsymmetricAlgorithm key) => key switch
    {
        ECDsa ecdsa when ecdsa.ExportParameters(false) is var point =>
            $$"""{"use":"sig","kty":"EC","kid":"{{IdOf(key)}}","crv":"P-256","alg":"ES256","x":"{{Base64Url.EncodeToString(point.Q.X)}}","y":"{{Base64Url.EncodeToString(point.Q.Y)}}"}""",
        RSA rsa when rsa.ExportParameters(false) is var numbers =>
            $$"""{"use":"sig","kty":"RSA","kid":"{{IdOf(key)}}","alg":"RS256","n":"{{Base64Url.EncodeToString(numbers.Modulus)}}","e":"{{Base64Url.EncodeToString(numbers.Exponent)}}"}""",
        _ => throw new ArgumentException("service account tokens are signed with an ECDSA or RSA key", nameof(key)),
    };

    private static (string Name, string Uid) Reference(JsonElement element) =>
        (element.GetProperty("name").GetString()!, element.GetProperty("uid").GetString()!);

    private static void WriteReference(Utf8JsonWriter writer, string property, string name, string uid)
    {
        writer.WriteStartObject(property);
        writer.WriteString("name"u8, name);
        writer.WriteString("uid"u8, uid);
        writer.WriteEndObject();
    }

    private static string UserName(string @namespace, string name) => $"system:serviceaccount:{@namespace}:{name}";
}
