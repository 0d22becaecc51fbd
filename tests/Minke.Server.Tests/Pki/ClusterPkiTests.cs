using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Minke.Server.Pki;

namespace Minke.Server.Tests.Pki;

public sealed class ClusterPkiTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("minke-pki-").FullName;
    private readonly SettableClock _clock = new(DateTimeOffset.UtcNow);

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_second_start_finds_the_same_keys_and_certificates()
    {
        var first = Open();
        var second = Open();

        Assert.Equal(first.Authority.RawData, second.Authority.RawData);
        Assert.Equal(first.Serving.RawData, second.Serving.RawData);
        Assert.Equal(first.Admin.RawData, second.Admin.RawData);
        Assert.Equal(first.ServiceAccountKey.ExportSubjectPublicKeyInfo(), second.ServiceAccountKey.ExportSubjectPublicKeyInfo());
    }

    [Fact]
    public void Only_the_owner_may_read_the_files()
    {
        Open();

        var files = Directory.GetFiles(_directory);
        Assert.Equal(["admin.crt", "admin.key", "apiserver.crt", "apiserver.key", "ca.crt", "ca.key", "sa.key"],
            files.Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.All(files, file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
    }

    [Fact]
    public void The_administrator_is_kubernetes_admin_of_system_masters() =>
        Assert.Equal("O=system:masters, CN=kubernetes-admin", Open().Admin.Subject);

    [Theory]
    [InlineData("localhost")]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    [InlineData("web-1")]
    [InlineData("kubernetes.default.svc.cluster.local")]
    [InlineData("10.96.0.1")]
    [InlineData("192.0.2.7")]
    public async Task Client_and_server_trust_each_other_under_every_name(string name)
    {
        var pki = Open();
        var (server, client) = await SocketPairAsync();
        using var serverTls = new SslStream(server);
        using var clientTls = new SslStream(client);
        var token = TestContext.Current.CancellationToken;

        await Task.WhenAll(
            serverTls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificate = pki.Serving,
                ClientCertificateRequired = true,
                CertificateChainPolicy = Trusting(pki),
            }, token),
            clientTls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = name,
                ClientCertificates = [pki.Admin],
                CertificateChainPolicy = Trusting(pki),
            }, token));

        Assert.True(serverTls.IsMutuallyAuthenticated);
    }

    [Fact]
    public void A_changed_name_renews_the_serving_certificate_alone()
    {
        var old = Open();
        var renewed = Open("another-host");

        Assert.NotEqual(old.Serving.RawData, renewed.Serving.RawData);
        Assert.Equal(old.Admin.RawData, renewed.Admin.RawData);
        Assert.Equal(old.Authority.RawData, renewed.Authority.RawData);
    }

    [Fact]
    public void Certificates_are_renewed_four_months_before_their_end()
    {
        var old = Open();
        _clock.Now += TimeSpan.FromDays(240);
        Assert.Equal(old.Serving.RawData, Open().Serving.RawData);

        _clock.Now += TimeSpan.FromDays(10);
        var renewed = Open();
        Assert.NotEqual(old.Serving.RawData, renewed.Serving.RawData);
        Assert.NotEqual(old.Admin.RawData, renewed.Admin.RawData);
        Assert.Equal(old.Authority.RawData, renewed.Authority.RawData);
    }

    [Fact]
    public void A_renewed_authority_keeps_its_key()
    {
        var old = Open();
        _clock.Now += TimeSpan.FromDays(3600);
        var renewed = Open();

        Assert.NotEqual(old.Authority.RawData, renewed.Authority.RawData);
        Assert.Equal(old.Authority.GetPublicKey(), renewed.Authority.GetPublicKey());
    }

    [Fact]
    public void A_new_authority_makes_all_else_new()
    {
        var old = Open();
        File.Delete(Path.Combine(_directory, "ca.key"));
        var renewed = Open();

        Assert.NotEqual(old.Authority.GetPublicKey(), renewed.Authority.GetPublicKey());
        Assert.NotEqual(old.Serving.RawData, renewed.Serving.RawData);
        Assert.NotEqual(old.Admin.RawData, renewed.Admin.RawData);
    }

    [Theory]
    [InlineData("ca.crt")]
    [InlineData("apiserver.key")]
    [InlineData("sa.key")]
    public void A_damaged_file_is_named_with_the_way_out(string file)
    {
        Open();
        File.WriteAllText(Path.Combine(_directory, file), "not PEM");

        var exception = Assert.Throws<PkiException>(() => Open());
        Assert.Contains(file, exception.Message, StringComparison.Ordinal);
        Assert.Contains("move " + _directory + " away", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keeping_current_ends_with_its_token()
    {
        using var stop = new CancellationTokenSource();
        var keeping = Open().KeepCurrentAsync(stop.Token);
        await stop.CancelAsync();
        await keeping.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
    }

    private ClusterPki Open(string hostName = "web-1") =>
        ClusterPki.Open(_directory, ServingNames.For(hostName, IPAddress.Parse("10.96.0.1"), [IPAddress.Parse("192.0.2.7")]), _clock);

    private static X509ChainPolicy Trusting(ClusterPki pki) => new()
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        CustomTrustStore = { pki.Authority },
        RevocationMode = X509RevocationMode.NoCheck,
    };

    private static async Task<(NetworkStream Server, NetworkStream Client)> SocketPairAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, TestContext.Current.CancellationToken);
        var server = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        return (server.GetStream(), client.GetStream());
    }

    private sealed class SettableClock(DateTimeOffset now) : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = now;
        public override DateTimeOffset GetUtcNow() => Now;
    }
}
