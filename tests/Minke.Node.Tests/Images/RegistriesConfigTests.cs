using Minke.Node.Images;
using Minke.Node.Images.Registries;

namespace Minke.Node.Tests.Images;

public sealed class RegistriesConfigTests
{
    private const string Example = """
        mirrors:
          docker.io:
            endpoint:
              - "https://mirror.example:5000"
              - "http://plain.example/v2/hub"
            rewrite:
              "^library/(.*)": "hub/$1"
              "^(.*)$": "all/$1"
          "*":
            endpoint: ["cache.example"]
        configs:
          "mirror.example:5000":
            auth:
              username: u
              password: "p:w"
            tls:
              cert_file: /c.pem
              key_file: /k.pem
              ca_file: /ca.pem
              insecure_skip_verify: true
          "https://other.example":
            auth: {auth: dTpwdw==}
          docker.io:
            auth: {identity_token: t}
        """;

    [Fact]
    public void K3s_own_example_is_understood()
    {
        var config = RegistriesConfig.Parse(Example);
        var host = config.ConfigOf("mirror.example:5000");
        Assert.Equal(("u", "p:w", "/c.pem", "/k.pem", "/ca.pem", true), (host.Username, host.Password, host.CertFile, host.KeyFile, host.CaFile, host.InsecureSkipVerify));
        Assert.Equal(("u", "pw"), (config.ConfigOf("other.example").Username, config.ConfigOf("other.example").Password));
        Assert.Equal("t", config.ConfigOf("registry-1.docker.io").Credential!.IdentityToken);
        Assert.Null(config.ConfigOf("nowhere.example").Credential);
    }

    [Fact]
    public void Mirrors_come_first_and_only_they_are_rewritten()
    {
        var config = RegistriesConfig.Parse(Example);
        Assert.Equal(
            [
                "https://mirror.example:5000/v2/hub/nginx/manifests/latest?ns=docker.io",
                "http://plain.example/v2/hub/hub/nginx/manifests/latest?ns=docker.io",
                "https://registry-1.docker.io/v2/library/nginx/manifests/latest",
            ],
            Addresses("nginx", config));
        Assert.Equal("https://mirror.example:5000/v2/all/team/app/manifests/latest?ns=docker.io", Addresses("team/app", config)[0]);
        Assert.Equal(["https://cache.example/v2/app/manifests/1?ns=quay.io", "https://quay.io/v2/app/manifests/1"], Addresses("quay.io/app:1", config));
    }

    [Fact]
    public void A_registry_on_this_machine_speaks_plain_http_first_unless_tls_is_configured()
    {
        foreach (var host in (string[])["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9:81", "[::1]:5000"])
            Assert.StartsWith($"http://{host}/v2/app", Addresses($"{host}/app", RegistriesConfig.Empty)[0], StringComparison.Ordinal);
        Assert.Equal(["https://10.0.0.1:5000/v2/app/manifests/latest"], Addresses("10.0.0.1:5000/app", RegistriesConfig.Empty));
        Assert.Equal(
            ["https://localhost:5000/v2/app/manifests/latest"],
            Addresses("localhost:5000/app", RegistriesConfig.Parse("{configs: {\"localhost:5000\": {tls: {ca_file: /ca}}}}")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("mirrors:\nconfigs:\n")]
    [InlineData("mirrors: {docker.io: }")]
    public void Nothing_configured_is_fine(string yaml) => Assert.NotNull(RegistriesConfig.Parse(yaml));

    [Theory]
    [InlineData("mirror: {}", "r.yaml: line 1: unknown field \"mirror\"")]
    [InlineData("mirrors:\n  a:\n    endpont: []", "r.yaml: line 3: unknown field \"endpont\"")]
    [InlineData("configs:\n  a:\n    auth: {user: x}", "r.yaml: line 3: unknown field \"auth.user\"")]
    [InlineData("configs:\n  a:\n    tls: {insecure_skip_verify: maybe}", "r.yaml: line 3: neither true nor false")]
    [InlineData("configs:\n  a:\n    auth: {auth: '***'}", "r.yaml: line 3: auth is not base64 of \"username:password\"")]
    [InlineData("mirrors: {a: {endpoint: [\"ftp://x\"]}}", "r.yaml: line 1: endpoint \"ftp://x\" is not an http or https address")]
    [InlineData("mirrors: {a: {endpoint: x}}", "r.yaml: line 1: endpoint is not a list")]
    [InlineData("mirrors: {a: {rewrite: {\"(\": x}}}", "r.yaml: line 1: rewrite \"(\" is not a regular expression")]
    [InlineData("mirrors: [", "r.yaml: line 2: not valid YAML")]
    [InlineData("- a", "r.yaml: line 1: document is not a mapping")]
    public void A_mistake_is_named_with_its_line(string yaml, string message) =>
        Assert.Equal(message, Assert.Throws<FormatException>(() => RegistriesConfig.Parse(yaml, "r.yaml")).Message);

    [Theory]
    [InlineData("Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull,push\"", "bearer", "https://a/t", "repository:x:pull,push")]
    [InlineData("bearer realm = \"a\\\"b\" , scope=plain", "bearer", "a\"b", "plain")]
    [InlineData("Basic", "basic", "", "")]
    [InlineData("Bearer realm=\"unfinished", "bearer", "unfinished", "")]
    [InlineData("Bearer =,,=", "bearer", "", "")]
    public void Challenges_are_parsed(string header, string scheme, string realm, string scope)
    {
        var challenge = AuthChallenge.Parse(header);
        Assert.Equal((scheme, realm, scope), (challenge.Scheme, challenge["realm"], challenge["scope"]));
    }

    private static List<string> Addresses(string reference, RegistriesConfig config) =>
        [.. RegistryEndpoint.For(ImageReference.Parse(reference), config).Select(endpoint => endpoint.Manifest(ImageReference.Parse(reference).Target).ToString())];
}
