using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Control.Access;
using Minke.Server.Tests.OpenApi;

namespace Minke.Server.Tests;

public sealed class CertificateTests(KubectlServer kubectl) : IClassFixture<KubectlServer>, IAsyncLifetime
{
    private const string Requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    private const string Client = "kubernetes.io/kube-apiserver-client";
    private const string KubeletClient = "kubernetes.io/kube-apiserver-client-kubelet";
    private const string KubeletServing = "kubernetes.io/kubelet-serving";

    private readonly CancellationTokenSource _stop = new();
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private Task _controllers = Task.CompletedTask;

    private TestServer Server => kubectl.Server;

    public ValueTask InitializeAsync()
    {
        _controllers = new AccessControllers(Server.Server.Client, Server.Pki.AuthorityPem, Server.Pki.SignRequest, TimeProvider.System, NullLoggerFactory.Instance).RunAsync(_stop.Token);
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _controllers;
        _stop.Dispose();
        _key.Dispose();
    }

    private byte[] RequestFor(string subject, Action<SubjectAlternativeNameBuilder>? names = null)
    {
        var request = new CertificateRequest(subject, _key, HashAlgorithmName.SHA256);
        if (names is not null)
        {
            var builder = new SubjectAlternativeNameBuilder();
            names(builder);
            request.CertificateExtensions.Add(builder.Build());
        }
        return Encoding.ASCII.GetBytes(request.CreateSigningRequestPem());
    }

    private static string Csr(string name, byte[] request, string signer, string usages, string more = "") => $$"""
        {"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":"{{name}}"},
         "spec":{"request":"{{Convert.ToBase64String(request)}}","signerName":"{{signer}}","usages":[{{usages}}]{{more}} } }
        """;

    private async Task<X509Certificate2> IssuedAsync(string name)
    {
        var issued = await Server.UntilAsync($"{Requests}/{name}", one => one["status"]?["certificate"] is not null);
        return X509Certificate2.CreateFromPem(Encoding.ASCII.GetString(Convert.FromBase64String(issued["status"]!["certificate"]!.GetValue<string>())));
    }

    [Fact]
    public async Task Kubectl_approves_a_request_and_its_certificate_is_a_client()
    {
        var made = await kubectl.RunAsync("create -f -", Csr("ann", RequestFor("O=dev, CN=ann"), Client, "\"client auth\"", ",\"expirationSeconds\":3600"));
        Assert.Equal("certificatesigningrequest.certificates.k8s.io/ann created\n", made.Output);
        Assert.Matches("ann +\\S+ +kubernetes.io/kube-apiserver-client +kubernetes-admin +60m +Pending", (await kubectl.RunAsync("get csr")).Output);
        Assert.Equal("certificatesigningrequest.certificates.k8s.io/ann approved\n", (await kubectl.RunAsync("certificate approve ann")).Output);
        using var issued = await IssuedAsync("ann");
        Assert.Matches("ann .* Approved,Issued", (await kubectl.RunAsync("get csr ann")).Output);
        Assert.InRange((issued.NotAfter - DateTime.Now).TotalMinutes, 50, 61);
        using var client = Server.ClientOf(issued.CopyWithPrivateKey(_key));
        var who = (await Server.SendAsync(HttpMethod.Post, "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}", client: client)).Expect(201).Json["status"]!["userInfo"]!;
        Assert.Equal("ann", who["username"]!.ToString());
        Assert.Equal("dev", who["groups"]![0]!.ToString());

        await kubectl.RunAsync("create -f -", Csr("eve", RequestFor("CN=eve"), Client, "\"client auth\""));
        Assert.Equal("certificatesigningrequest.certificates.k8s.io/eve denied\n", (await kubectl.RunAsync("certificate deny eve")).Output);
        Assert.Matches("eve .* Denied\n", (await kubectl.RunAsync("get csr eve")).Output);
    }

    [Fact]
    public async Task A_key_of_another_kind_than_the_authoritys_is_signed_as_well()
    {
        using var key = RSA.Create(2048);
        var request = Encoding.ASCII.GetBytes(new CertificateRequest("CN=rsa", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequestPem());
        (await Server.PostAsync(Requests, Csr("rsa", request, Client, "\"digital signature\",\"key encipherment\",\"client auth\""))).Expect(201);
        Assert.Equal(0, (await kubectl.RunAsync("certificate approve rsa")).ExitCode);
        using var issued = await IssuedAsync("rsa");
        using var client = Server.ClientOf(issued.CopyWithPrivateKey(key));
        Assert.Equal("rsa", (await Server.SendAsync(HttpMethod.Post, "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}", client: client)).Expect(201)
            .Json["status"]!["userInfo"]!["username"]!.ToString());
    }

    [Fact]
    public async Task A_node_renews_its_own_certificate_without_asking_anybody()
    {
        (await Server.PostAsync("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", """
            {"metadata":{"name":"renew"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"},
             "subjects":[{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"system:nodes"}]}
            """)).Expect(201);
        using var node = Server.ClientOf(Server.Pki.IssueClient("system:node:n", ["system:nodes"], TimeSpan.FromHours(1)));
        const string Usages = "\"digital signature\",\"client auth\"";
        (await Server.SendAsync(HttpMethod.Post, Requests, Csr("own", RequestFor("O=system:nodes, CN=system:node:n"), KubeletClient, Usages), client: node)).Expect(201);
        using var issued = await IssuedAsync("own");
        Assert.Equal("CN=system:node:n, O=system:nodes", string.Join(", ", issued.Subject.Split(", ").Order(StringComparer.Ordinal)));
        Assert.Equal("AutoApproved", (await Server.GetAsync($"{Requests}/own")).Json["status"]!["conditions"]![0]!["reason"]!.ToString());
        // Another's is left to people.
        (await Server.SendAsync(HttpMethod.Post, Requests, Csr("others", RequestFor("O=system:nodes, CN=system:node:m"), KubeletClient, Usages), client: node)).Expect(201);
        Assert.Null((await Server.GetAsync($"{Requests}/others")).Expect(200).Json["status"]!["conditions"]);
    }

    [Fact]
    public async Task What_does_not_suit_its_signer_fails_and_says_why()
    {
        async Task<string> FailedAsync(string name, byte[] request, string signer, string usages)
        {
            (await Server.PostAsync(Requests, Csr(name, request, signer, usages))).Expect(201);
            Assert.Equal(0, (await kubectl.RunAsync($"certificate approve {name}")).ExitCode);
            var failed = await Server.UntilAsync($"{Requests}/{name}", one => one["status"]?["conditions"] is JsonArray { Count: > 1 });
            return failed["status"]!["conditions"]![1]!["message"]!.ToString();
        }
        Assert.Equal("invalid usage for client certificate: server auth", await FailedAsync("a", RequestFor("CN=x"), Client, "\"server auth\""));
        Assert.Equal("subject organization is not system:nodes", await FailedAsync("b", RequestFor("CN=system:node:n"), KubeletServing, "\"digital signature\",\"server auth\""));
        Assert.Equal("DNS or IP subjectAltName is required", await FailedAsync("c", RequestFor("O=system:nodes, CN=system:node:n"), KubeletServing, "\"digital signature\",\"server auth\""));
        Assert.Equal("usages did not match [client auth digital signature key encipherment]",
            await FailedAsync("d", RequestFor("O=system:nodes, CN=system:node:n"), KubeletClient, "\"client auth\""));

        (await Server.PostAsync(Requests, Csr("serving", RequestFor("O=system:nodes, CN=system:node:n", names => names.AddDnsName("n")), KubeletServing, "\"digital signature\",\"server auth\""))).Expect(201);
        await kubectl.RunAsync("certificate approve serving");
        using var issued = await IssuedAsync("serving");
        Assert.Equal(["n"], issued.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single().EnumerateDnsNames());
    }

    [Fact]
    public async Task Nobody_approves_signs_or_becomes_an_administrator_without_leave()
    {
        Assert.Contains("use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
            (await Server.PostAsync(Requests, Csr("root", RequestFor("O=system:masters, CN=root"), Client, "\"client auth\""))).Expect(403).Message, StringComparison.Ordinal);

        using var ann = Server.ClientOf(Server.Pki.IssueClient("ann", [], TimeSpan.FromHours(1)));
        const string Rbac = "/apis/rbac.authorization.k8s.io/v1";
        (await Server.PostAsync($"{Rbac}/clusterroles", """
            {"metadata":{"name":"requests"},"rules":[{"verbs":["*"],"apiGroups":["certificates.k8s.io"],
             "resources":["certificatesigningrequests","certificatesigningrequests/approval","certificatesigningrequests/status"]}]}
            """)).Expect(201);
        (await Server.PostAsync($"{Rbac}/clusterrolebindings", """
            {"metadata":{"name":"requests"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"requests"},
             "subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"ann"}]}
            """)).Expect(201);
        var made = (await Server.SendAsync(HttpMethod.Post, Requests, Csr("mine", RequestFor("CN=ann"), "example.com/own", "\"client auth\"", ",\"username\":\"root\""), client: ann)).Expect(201).Json;
        Assert.Equal("ann", made["spec"]!["username"]!.ToString());
        const string Approval = """{"status":{"conditions":[{"type":"Approved","status":"True"}]}}""";
        Task<Reply> PatchAsync(string path, string body, HttpClient client) => Server.SendAsync(HttpMethod.Patch, path, body, "application/merge-patch+json", client: client);
        Assert.Equal("certificatesigningrequests.certificates.k8s.io \"mine\" is forbidden: user not permitted to approve requests with signerName \"example.com/own\"",
            (await PatchAsync($"{Requests}/mine/approval", Approval, ann)).Expect(403).Message);
        Assert.Equal("certificatesigningrequests.certificates.k8s.io \"mine\" is forbidden: user not permitted to sign requests with signerName \"example.com/own\"",
            (await PatchAsync($"{Requests}/mine/status", """{"status":{"conditions":[{"type":"Failed","status":"True"}]}}""", ann)).Expect(403).Message);

        (await Server.PostAsync($"{Rbac}/clusterroles", """
            {"metadata":{"name":"approver"},"rules":[{"verbs":["approve"],"apiGroups":["certificates.k8s.io"],"resources":["signers"],"resourceNames":["example.com/*"]}]}
            """)).Expect(201);
        (await Server.PostAsync($"{Rbac}/clusterrolebindings", """
            {"metadata":{"name":"approver"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"approver"},
             "subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"ann"}]}
            """)).Expect(201);
        (await PatchAsync($"{Requests}/mine/approval", Approval, ann)).Expect(200);
        Assert.Contains("updates may not remove a condition of type \"Approved\"",
            (await PatchAsync($"{Requests}/mine/approval", """{"status":{"conditions":null}}""", ann)).Expect(422).Message, StringComparison.Ordinal);
        // Whoever signs for others writes certificates and nothing else.
        Assert.Contains("status.certificate: Invalid value: \"<certificate data>\": must contain at least one CERTIFICATE PEM block",
            (await PatchAsync($"{Requests}/mine/status", """{"status":{"certificate":"eA=="}}""", Server.Admin)).Expect(422).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("eA==", "a.io/b", "\"client auth\"", "", "PEM block type must be CERTIFICATE REQUEST")]
    [InlineData(null, "nothing", "\"client auth\"", "", "spec.signerName: Invalid value: \"nothing\": must be a fully qualified domain and path of the form 'example.com/signer-name'")]
    [InlineData(null, "kubernetes.io/legacy-unknown", "\"client auth\"", "", "the legacy signerName is not allowed via this API version")]
    [InlineData(null, "a.io/b", "", "", "spec.usages: Required value")]
    [InlineData(null, "a.io/b", "\"any\",\"any\"", "", "spec.usages[1]: Duplicate value: \"any\"")]
    [InlineData(null, "a.io/b", "\"bad\"", "", "spec.usages[0]: Unsupported value: \"bad\"")]
    [InlineData(null, "a.io/b", "\"any\"", ",\"expirationSeconds\":5", "spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 600 seconds (10 minutes)")]
    public async Task A_request_that_cannot_be_meant_is_refused(string? request, string signer, string usages, string more, string why)
    {
        var refused = await Server.PostAsync(Requests, Csr("bad", request is null ? RequestFor("CN=x") : Convert.FromBase64String(request), signer, usages, more));
        Assert.Contains(why, refused.Expect(422).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_that_others_send_as_a_request_breaks_its_reader()
    {
        var random = new Random(1);
        var der = PemEncoding.Find(Encoding.ASCII.GetString(RequestFor("O=a, CN=b", names => names.AddDnsName("c")))) is var fields
            ? Convert.FromBase64String(Encoding.ASCII.GetString(RequestFor("O=a, CN=b", names => names.AddDnsName("c")))[fields.Base64Data]) : [];
        for (var round = 0; round < 2000; round++)
        {
            var broken = (byte[])der.Clone();
            for (var change = random.Next(1, 4); change > 0; change--)
                broken[random.Next(broken.Length)] = (byte)random.Next(256);
            try
            {
                Api.SigningRequest.Parse(Encoding.ASCII.GetBytes(PemEncoding.WriteString("CERTIFICATE REQUEST", broken.AsSpan(0, random.Next(2) == 0 ? broken.Length : random.Next(broken.Length)))));
            }
            catch (FormatException)
            {
                // What it says of a request that is none.
            }
        }
    }

    [Fact]
    public async Task A_secret_for_a_token_is_filled_and_goes_with_its_account()
    {
        const string Default = "/api/v1/namespaces/default";
        (await Server.PostAsync($"{Default}/serviceaccounts", """{"metadata":{"name":"robot"}}""")).Expect(201);
        (await Server.PostAsync($"{Default}/secrets", """
            {"metadata":{"name":"robot-token","annotations":{"kubernetes.io/service-account.name":"robot"}},"type":"kubernetes.io/service-account-token"}
            """)).Expect(201);
        var filled = await Server.UntilAsync($"{Default}/secrets/robot-token", one => one["data"]?["token"] is not null);
        string Text(string key) => Encoding.UTF8.GetString(Convert.FromBase64String(filled["data"]![key]!.GetValue<string>()));
        Assert.Equal(("default", Server.Pki.AuthorityPem), (Text("namespace"), Text("ca.crt")));
        using var robot = Server.ClientOf(null);
        robot.DefaultRequestHeaders.Authorization = new("Bearer", Text("token"));
        var who = (await Server.SendAsync(HttpMethod.Post, "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}", client: robot)).Expect(201).Json;
        Assert.Equal("system:serviceaccount:default:robot", who["status"]!["userInfo"]!["username"]!.ToString());

        (await Server.DeleteAsync($"{Default}/serviceaccounts/robot")).Expect(200);
        await Server.UntilGoneAsync($"{Default}/secrets/robot-token");
        (await Server.SendAsync(HttpMethod.Get, "/version", client: robot)).Expect(401);
    }

    [Fact]
    public async Task A_bootstrap_token_that_is_over_is_taken_away()
    {
        (await Server.PostAsync("/api/v1/namespaces/kube-system/secrets", """
            {"metadata":{"name":"bootstrap-token-aaaaaa"},"type":"bootstrap.kubernetes.io/token","stringData":{"token-id":"aaaaaa","token-secret":"0123456789abcdef","expiration":"2001-01-01T00:00:00Z"}}
            """)).Expect(201);
        await Server.UntilGoneAsync("/api/v1/namespaces/kube-system/secrets/bootstrap-token-aaaaaa");
    }
}
