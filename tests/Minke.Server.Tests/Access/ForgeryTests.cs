using System.Buffers.Text;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using static Minke.Server.Tests.Whoami;

namespace Minke.Server.Tests;

/// <summary>Tokens and certificates that somebody else made, or that were made for something else, or that are over.</summary>
public sealed class ForgeryTests : IAsyncLifetime
{
    private const string Robot = "/api/v1/namespaces/default/serviceaccounts/robot";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        (await _server.PostAsync("/api/v1/namespaces/default/serviceaccounts", """{"metadata":{"name":"robot"}}""")).Expect(201);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData("none")]
    [InlineData("None")]
    [InlineData("HS256")]
    [InlineData("ES256")]
    [InlineData("RS256")]
    [InlineData("")]
    public async Task Only_the_servers_key_signs(string algorithm)
    {
        var claims = ClaimsOf(await TokenAsync());
        var header = new JsonObject { ["alg"] = algorithm, ["kid"] = "mine" };
        using var rsa = RSA.Create(2048);
        using var curve = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var forged = Token(header, claims, data => algorithm switch
        {
            // The key that everybody may see, taken for a secret that both sides share.
            "HS256" => HMACSHA256.HashData(Encoding.ASCII.GetBytes(_server.Pki.ServiceAccountKey.ExportSubjectPublicKeyInfoPem()), data),
            "ES256" => curve.SignData(data, HashAlgorithmName.SHA256),
            "RS256" => rsa.SignData(data, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
            _ => [],
        });
        await RefusedAsync(forged);
    }

    public static TheoryData<string, string> WrongClaims => new()
    {
        { "iss", "\"https://elsewhere\"" }, { "iss", "7" }, { "aud", "[\"vault\"]" }, { "aud", "[]" }, { "aud", "{}" }, { "exp", "1000" }, { "exp", "\"soon\"" }, { "exp", "1e300" },
        { "nbf", "99999999999" }, { "iat", "99999999999" }, { "kubernetes.io", "{}" }, { "kubernetes.io", "null" },
        { "kubernetes.io", """{"namespace":"default","serviceaccount":{"name":"robot","uid":"another"}}""" },
        { "kubernetes.io", """{"namespace":"kube-system","serviceaccount":{"name":"robot","uid":"another"}}""" },
    };

    [Theory, MemberData(nameof(WrongClaims))]
    public async Task What_the_servers_key_has_signed_is_still_looked_at(string claim, string value)
    {
        var claims = ClaimsOf(await TokenAsync());
        Assert.StartsWith("system:serviceaccount:default:robot ", UserIn(await WhoAsync(_server, Signed(claims))), StringComparison.Ordinal);
        claims[claim] = JsonNode.Parse(value);
        await RefusedAsync(Signed(claims));
    }

    [Fact]
    public async Task A_token_is_taken_as_it_was_given_or_not_at_all()
    {
        var token = await TokenAsync();
        foreach (var changed in (string[])[token + "AA", token + ".", token + ".AA", token + "=", "." + token, token[..^1], token[..token.LastIndexOf('.')], token.Replace('.', '_'), token + new string('A', 800_000)])
            await RefusedAsync(changed);
        // As upstream splits it: what follows the token is not looked at, and two spaces before it hide it.
        Assert.StartsWith("system:serviceaccount:default:robot ", UserIn(await WhoAsync(_server, null, headers: ("Authorization", $"bearer {token} more"))), StringComparison.Ordinal);
        (await WhoAsync(_server, null, headers: ("Authorization", $"Bearer  {token}"))).Expect(403);
    }

    [Fact]
    public async Task A_token_ends_with_its_account_its_secret_and_its_pod()
    {
        var token = await TokenAsync();
        (await _server.PostAsync("/api/v1/namespaces/default/secrets", """{"metadata":{"name":"s"}}""")).Expect(201);
        var bound = await TokenAsync("\"boundObjectRef\":{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"name\":\"s\"}");
        (await WhoAsync(_server, bound)).Expect(201);
        (await _server.DeleteAsync("/api/v1/namespaces/default/secrets/s")).Expect(200);
        await RefusedAsync(bound);
        (await _server.PostAsync("/api/v1/namespaces/default/secrets", """{"metadata":{"name":"s"}}""")).Expect(201);
        await RefusedAsync(bound);
        (await WhoAsync(_server, token)).Expect(201);
        (await _server.DeleteAsync(Robot)).Expect(200);
        (await _server.PostAsync("/api/v1/namespaces/default/serviceaccounts", """{"metadata":{"name":"robot"}}""")).Expect(201);
        await RefusedAsync(token);
    }

    [Fact]
    public async Task A_certificate_counts_by_who_signed_it_and_not_by_what_it_says()
    {
        var now = DateTimeOffset.UtcNow;
        var (authority, stranger) = (_server.Pki.Authority, SelfSigned(_server.Pki.Authority.SubjectName));
        const string Admin = "O=system:masters, CN=kubernetes-admin";
        Assert.Equal("kubernetes-admin system:masters,system:authenticated", UserIn(await WhoAsync(_server, null, Issued(Admin, authority, now.AddMinutes(-1), now.AddHours(1)))));
        foreach (var certificate in (X509Certificate2[])
            [Issued(Admin, stranger, now.AddMinutes(-1), now.AddHours(1)), SelfSigned(new X500DistinguishedName(Admin)), Issued(Admin, authority, now.AddMinutes(5), now.AddHours(1)),
             Issued(Admin, authority, new(authority.NotBefore), now.AddSeconds(-1))])
        {
            Assert.Equal("Unauthorized", (await WhoAsync(_server, null, certificate)).Expect(401).Message);
        }
        // One that is good and names nobody is as none: its holder is anonymous, and in no group that it claims.
        Assert.Contains("User \"system:anonymous\" cannot create", (await WhoAsync(_server, null, Issued("O=system:masters", authority, now.AddMinutes(-1), now.AddHours(1)))).Expect(403).Message, StringComparison.Ordinal);
    }

    private async Task RefusedAsync(string token)
    {
        var refused = (await WhoAsync(_server, token)).Expect(401);
        Assert.Equal(("Unauthorized", "Unauthorized"), (refused.Message, refused.Reason));
    }

    private async Task<string> TokenAsync(string spec = "") =>
        (await _server.PostAsync(Robot + "/token", $$"""{"spec":{{{spec}}} }""")).Expect(201).Json["status"]!["token"]!.GetValue<string>();

    private static JsonObject ClaimsOf(string token) => JsonNode.Parse(Base64Url.DecodeFromChars(token.Split('.')[1]))!.AsObject();

    private string Signed(JsonObject claims) =>
        Token(new() { ["alg"] = "ES256" }, claims, data => _server.Pki.ServiceAccountKey.SignData(data, HashAlgorithmName.SHA256));

    private static string Token(JsonObject header, JsonObject claims, Func<byte[], byte[]> sign)
    {
        static string Part(JsonObject part) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(part.ToJsonString()));
        var signed = $"{Part(header)}.{Part(claims)}";
        return $"{signed}.{Base64Url.EncodeToString(sign(Encoding.ASCII.GetBytes(signed)))}";
    }

    private static X509Certificate2 SelfSigned(X500DistinguishedName name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    private static X509Certificate2 Issued(string name, X509Certificate2 issuer, DateTimeOffset from, DateTimeOffset to)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.2")], false));
        using var certificate = request.Create(issuer, from < issuer.NotBefore ? issuer.NotBefore : from, to, RandomNumberGenerator.GetBytes(8));
        return certificate.CopyWithPrivateKey(key);
    }
}
