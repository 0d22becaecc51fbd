using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Minke.Server.Access.Credentials;
using static Minke.Server.Tests.Whoami;

namespace Minke.Server.Tests;

public sealed class CredentialTests
{
    private const string Issuer = "https://login.example.com/realm";

    [Fact]
    public async Task Nobody_in_particular_is_403_and_a_bad_credential_401()
    {
        await using var server = await TestServer.StartAsync();
        (await WhoAsync(server, null)).Expect(403);
        Assert.Equal("Unauthorized", (await WhoAsync(server, "nonsense")).Expect(401).Message);
        (await WhoAsync(server, "a.b.c")).Expect(401);
        (await WhoAsync(server, null, headers: ("Authorization", "Basic YTpi"))).Expect(403);
    }

    [Fact]
    public async Task A_certificate_must_be_of_our_authority_for_clients_and_valid_now()
    {
        await using var server = await TestServer.StartAsync();
        (await WhoAsync(server, null, server.Pki.Serving)).Expect(401);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        X509Certificate2 Make(string name, X509Certificate2 issuer, DateTimeOffset from, DateTimeOffset to)
        {
            var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.2")], false));
            using var certificate = request.Create(issuer, from, to, RandomNumberGenerator.GetBytes(8));
            return certificate.CopyWithPrivateKey(key);
        }
        var now = DateTimeOffset.UtcNow;
        var start = new DateTimeOffset(server.Pki.Authority.NotBefore);
        Assert.Equal("eve system:authenticated", UserIn(await WhoAsync(server, null, Make("eve", server.Pki.Authority, start, now.AddHours(1)))));
        (await WhoAsync(server, null, Make("late", server.Pki.Authority, start, start.AddSeconds(1)))).Expect(401);
        // An authority of the same name with another key.
        var forged = new CertificateRequest("CN=minke", key, HashAlgorithmName.SHA256);
        forged.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var other = forged.CreateSelfSigned(start, now.AddYears(1));
        (await WhoAsync(server, null, Make("admin", other, start, now.AddHours(1)))).Expect(401);
        // A token that holds counts beside a certificate that does not.
        var token = (await server.PostAsync("/api/v1/namespaces/default/serviceaccounts/default/token", "{}")).Expect(201).Json["status"]!["token"]!.GetValue<string>();
        Assert.StartsWith("system:serviceaccount:default:default ", UserIn(await WhoAsync(server, token, Make("admin", other, start, now.AddHours(1)))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tokens_of_a_file_name_their_users()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "abc,ann,7,\"dev, ops\"\ndef,bob,8\n", TestServer.Cancelled);
        await using var server = await TestServer.StartAsync(change: options => options with { Credentials = new() { StaticTokenFile = file } });
        File.Delete(file);
        Assert.Equal("ann dev,ops,system:authenticated", UserIn(await WhoAsync(server, "abc")));
        Assert.Equal("bob system:authenticated", UserIn(await WhoAsync(server, "def")));
        (await WhoAsync(server, "ghi")).Expect(401);
        Assert.Equal("token file 'f' must have at least 3 columns (token, user name, user uid), found 2", Assert.Throws<FormatException>(() => StaticTokens.Parse("f", "a,b")).Message);
    }

    [Fact]
    public async Task A_bootstrap_token_holds_until_it_expires_and_makes_nobody_an_administrator()
    {
        await using var server = await TestServer.StartAsync();
        async Task SetAsync(string data)
        {
            await server.DeleteAsync("/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef");
            (await server.PostAsync("/api/v1/namespaces/kube-system/secrets", $$"""
                {"metadata":{"name":"bootstrap-token-abcdef"},"type":"bootstrap.kubernetes.io/token",
                 "stringData":{"token-id":"abcdef","token-secret":"0123456789abcdef"{{data}} } }
                """)).Expect(201);
        }
        const string Token = "abcdef.0123456789abcdef";
        (await WhoAsync(server, Token)).Expect(401);
        await SetAsync("""
            ,"usage-bootstrap-authentication":"true","auth-extra-groups":"system:bootstrappers:workers","expiration":"2999-01-01T00:00:00Z"
            """);
        Assert.Equal("system:bootstrap:abcdef system:bootstrappers,system:bootstrappers:workers,system:authenticated", UserIn(await WhoAsync(server, Token)));
        (await WhoAsync(server, "abcdef.0123456789abcdee")).Expect(401);
        await SetAsync(",\"usage-bootstrap-authentication\":\"true\",\"expiration\":\"2001-01-01T00:00:00Z\"");
        (await WhoAsync(server, Token)).Expect(401);
        await SetAsync(",\"usage-bootstrap-authentication\":\"true\",\"auth-extra-groups\":\"system:masters\"");
        (await WhoAsync(server, Token)).Expect(401);
        await SetAsync(",\"usage-bootstrap-authentication\":\"false\"");
        (await WhoAsync(server, Token)).Expect(401);
    }

    [Fact]
    public async Task A_proxy_that_authenticates_names_the_user_and_nobody_else_may()
    {
        await using var proxies = await TestServer.StartAsync();
        var options = new FrontProxyOptions { Authorities = [proxies.Pki.Authority], AllowedNames = ["front"] };
        await using var server = await TestServer.StartAsync(change: one => one with { Credentials = new() { FrontProxy = options } });
        var front = proxies.Pki.IssueClient("front", [], TimeSpan.FromHours(1));
        (string, string)[] headers = [("X-Remote-User", "ann"), ("X-Remote-Group", "dev"), ("X-Remote-Extra-Scopes", "view"), ("X-Remote-Uid", "7")];
        var reply = await WhoAsync(server, null, front, headers);
        Assert.Equal("ann dev,system:authenticated", UserIn(reply));
        Assert.Equal("""{"scopes":["view"]}""", reply.Json["status"]!["userInfo"]!["extra"]!.ToJsonString());
        (await WhoAsync(server, null, front)).Expect(401);
        (await WhoAsync(server, null, proxies.Pki.IssueClient("other", [], TimeSpan.FromHours(1)), headers)).Expect(401);
        // A client of the cluster is who its certificate says, whatever its headers.
        Assert.Equal("bob system:authenticated", UserIn(await WhoAsync(server, null, server.Pki.IssueClient("bob", [], TimeSpan.FromHours(1)), headers)));
        (await WhoAsync(server, null, null, headers)).Expect(403);
    }

    [Fact]
    public async Task Tokens_signed_with_an_older_key_still_hold()
    {
        await using var before = await TestServer.StartAsync();
        var token = (await before.PostAsync("/api/v1/namespaces/default/serviceaccounts/default/token", "{}")).Expect(201).Json["status"]!["token"]!.GetValue<string>();
        using var next = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await using (var rotated = await before.StartAnotherAsync(options => options with { ServiceAccountKey = next, OlderServiceAccountKeys = [options.ServiceAccountKey] }))
        {
            Assert.StartsWith("system:serviceaccount:default:default ", UserIn(await WhoAsync(rotated, token)), StringComparison.Ordinal);
            Assert.Equal(2, (await rotated.GetAsync("/openid/v1/jwks")).Expect(200).Json["keys"]!.AsArray().Count);
        }
        await using var forgotten = await before.StartAnotherAsync(options => options with { ServiceAccountKey = next });
        (await WhoAsync(forgotten, token)).Expect(401);
    }

    [Fact]
    public async Task A_service_accounts_token_holds_for_its_time_and_its_audience()
    {
        var clock = new StepClock();
        await using var server = await TestServer.StartAsync(clock);
        async Task<string> TokenAsync(string spec) => (await server.PostAsync("/api/v1/namespaces/default/serviceaccounts/default/token", $$"""{"spec":{{{spec}}} }"""))
            .Expect(201).Json["status"]!["token"]!.GetValue<string>();
        var token = await TokenAsync("\"expirationSeconds\":600");
        (await WhoAsync(server, token)).Expect(201);
        (await WhoAsync(server, await TokenAsync("\"audiences\":[\"vault\"]"))).Expect(401);
        // Somebody else's key, the same claims.
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var parts = token.Split('.');
        var forged = key.SignData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), HashAlgorithmName.SHA256);
        (await WhoAsync(server, $"{parts[0]}.{parts[1]}.{Base64Url.EncodeToString(forged)}")).Expect(401);
        // Other claims, the same signature.
        var claims = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(parts[1])).Replace("default:default", "kube-system:default", StringComparison.Ordinal);
        (await WhoAsync(server, $"{parts[0]}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(claims))}.{parts[2]}")).Expect(401);
        // Clocks may differ by a minute.
        clock.Advance(TimeSpan.FromSeconds(650));
        (await WhoAsync(server, token)).Expect(201);
        clock.Advance(TimeSpan.FromSeconds(11));
        (await WhoAsync(server, token)).Expect(401);
    }

    [Fact]
    public async Task Id_tokens_of_a_provider_name_users_and_groups()
    {
        using var rsa = RSA.Create(2048);
        using var curve = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var provider = new Provider { Keys = $"[{RsaKey(rsa, "one")}]" };
        var options = new OidcOptions
        {
            Issuer = new Uri(Issuer),
            ClientId = "minke",
            GroupsClaim = "groups",
            GroupsPrefix = "oidc:",
            RequiredClaims = [new("tenant", "a")],
            SigningAlgorithms = ["RS256", "ES256"],
        };
        var clock = new StepClock();
        await using var server = await TestServer.StartAsync(clock, change: one => one with { Credentials = new() { Oidc = [options], OidcTransport = provider } });
        var good = ClaimsAt(clock.GetUtcNow());
        Assert.Equal($"{Issuer}#ann oidc:dev,system:authenticated", UserIn(await WhoAsync(server, Sign(good, rsa, "one"))));

        (await WhoAsync(server, Sign(With(good, "aud", "other"), rsa, "one"))).Expect(401);
        (await WhoAsync(server, Sign(With(good, "iss", "https://elsewhere"), rsa, "one"))).Expect(401);
        (await WhoAsync(server, Sign(With(good, "tenant", "b"), rsa, "one"))).Expect(401);
        (await WhoAsync(server, Sign(With(good, "exp", clock.GetUtcNow().ToUnixTimeSeconds() - 1), rsa, "one"))).Expect(401);
        (await WhoAsync(server, Sign(With(good, "groups", 5), rsa, "one"))).Expect(401);
        using var stranger = RSA.Create(2048);
        (await WhoAsync(server, Sign(good, stranger, "one"))).Expect(401);
        // No algorithm at all, and a key's public half as a secret, are forgeries as old as the format.
        var none = $"{Base64Url.EncodeToString("""{"alg":"none"}"""u8)}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(good.ToJsonString()))}.";
        (await WhoAsync(server, none)).Expect(401);

        // The provider takes another key; ours is fetched again when a token names it, but not for each that does.
        provider.Keys = $"[{EcKey(curve, "two")}]";
        (await WhoAsync(server, Sign(good, curve, "two"))).Expect(401);
        clock.Advance(TimeSpan.FromSeconds(11));
        Assert.StartsWith($"{Issuer}#ann ", UserIn(await WhoAsync(server, Sign(good, curve, "two"))), StringComparison.Ordinal);
        (await WhoAsync(server, Sign(good, rsa, "one"))).Expect(401);
    }

    [Fact]
    public async Task An_email_names_a_user_only_when_it_is_verified()
    {
        using var rsa = RSA.Create(2048);
        using var provider = new Provider { Keys = $"[{RsaKey(rsa, "one")}]" };
        var options = new OidcOptions { Issuer = new Uri(Issuer), ClientId = "minke", UserNameClaim = "email" };
        await using var server = await TestServer.StartAsync(change: one => one with { Credentials = new() { Oidc = [options], OidcTransport = provider } });
        var claims = With(ClaimsAt(DateTimeOffset.UtcNow), "email", "ann@example.com");
        Assert.Equal("ann@example.com system:authenticated", UserIn(await WhoAsync(server, Sign(claims, rsa, "one"))));
        (await WhoAsync(server, Sign(With(claims, "email_verified", false), rsa, "one"))).Expect(401);
    }

    private static JsonObject ClaimsAt(DateTimeOffset now) => new()
    {
        ["iss"] = Issuer,
        ["aud"] = new JsonArray("x", "minke"),
        ["sub"] = "ann",
        ["groups"] = "dev",
        ["tenant"] = "a",
        ["exp"] = now.ToUnixTimeSeconds() + 600,
    };

    private static JsonObject With(JsonObject claims, string name, JsonNode value)
    {
        var copy = (JsonObject)claims.DeepClone();
        copy[name] = value;
        return copy;
    }

    private static string Sign(JsonObject claims, AsymmetricAlgorithm key, string id)
    {
        var header = $$"""{"alg":"{{(key is RSA ? "RS256" : "ES256")}}","kid":"{{id}}"}""";
        var signed = $"{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header))}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(claims.ToJsonString()))}";
        var bytes = Encoding.ASCII.GetBytes(signed);
        var signature = key is RSA rsa ? rsa.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1) : ((ECDsa)key).SignData(bytes, HashAlgorithmName.SHA256);
        return $"{signed}.{Base64Url.EncodeToString(signature)}";
    }

    private static string RsaKey(RSA key, string id)
    {
        var numbers = key.ExportParameters(false);
        return $$"""{"kty":"RSA","use":"sig","kid":"{{id}}","n":"{{Base64Url.EncodeToString(numbers.Modulus)}}","e":"{{Base64Url.EncodeToString(numbers.Exponent)}}"}""";
    }

    private static string EcKey(ECDsa key, string id)
    {
        var point = key.ExportParameters(false).Q;
        return $$"""{"kty":"EC","crv":"P-256","kid":"{{id}}","x":"{{Base64Url.EncodeToString(point.X)}}","y":"{{Base64Url.EncodeToString(point.Y)}}"}""";
    }

    /// <summary>A clock that goes when it is told to.</summary>
    private sealed class StepClock : TimeProvider
    {
        private long _offset;

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddTicks(Interlocked.Read(ref _offset));

        public void Advance(TimeSpan time) => Interlocked.Add(ref _offset, time.Ticks);
    }

    /// <summary>A provider's two documents.</summary>
    private sealed class Provider : HttpMessageHandler
    {
        public string Keys { get; set; } = "[]";

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var answer = request.RequestUri!.AbsolutePath switch
            {
                "/realm/.well-known/openid-configuration" => $$"""{"issuer":"{{Issuer}}","jwks_uri":"https://login.example.com/keys"}""",
                "/keys" => $$"""{"keys":{{Keys}}}""",
                _ => null,
            };
            return Task.FromResult(answer is null ? new HttpResponseMessage(HttpStatusCode.NotFound) : new HttpResponseMessage { Content = new StringContent(answer) });
        }
    }
}
