using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Http;
using Minke.Node.Images;
using Minke.Node.Images.Registries;
using Minke.Node.Runtime;
using Minke.TestSupport;

namespace Minke.Node.Tests.Images;

/// <summary>Pulling from a registry that behaves, and from one that does not.</summary>
public sealed class ImagePullTests : IAsyncLifetime
{
    private static readonly PullOptions Impatient = new()
    {
        StallTimeout = TimeSpan.FromMilliseconds(300),
        FirstBackoff = TimeSpan.FromMilliseconds(1),
        LongestBackoff = TimeSpan.FromMilliseconds(5),
    };

    private readonly TemporaryStore _temporary = new();
    private FakeRegistry _registry = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _registry = await FakeRegistry.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _registry.DisposeAsync();
        _temporary.Dispose();
    }

    [Fact]
    public async Task A_pull_brings_the_image_and_a_second_one_asks_only_for_its_digest()
    {
        var built = _registry.Push("team/app", "1", SmallImage());
        using var service = Service();
        var reports = new ConcurrentQueue<PullProgress>();
        var image = await service.PullAsync($"{_registry.Host}/team/app:1", [], new Collector(reports), Token);

        Assert.Equal(built.ConfigDigest, image.Id);
        Assert.Equal([$"{_registry.Host}/team/app:1"], image.Tags);
        Assert.Equal([$"{_registry.Host}/team/app@{built.ManifestDigest}"], image.Digests);
        Assert.Equal("two", File.ReadAllText(Path.Combine(image.LayerDirectories[1], "two")));
        Assert.Equal(2, reports.Where(report => report.DoneBytes == report.TotalBytes).DistinctBy(report => report.Layer).Count());
        Assert.Empty(_temporary.Partial);

        var before = _registry.Requests.Count;
        await service.PullAsync($"{_registry.Host}/team/app:1", [], null, Token);
        Assert.Equal(["HEAD /v2/team/app/manifests/1"], _registry.Requests.Skip(before));
    }

    [Fact]
    public async Task A_pull_by_digest_needs_no_tag_and_a_digest_outweighs_one()
    {
        var built = _registry.Push("app", "1", SmallImage());
        using var service = Service();
        var image = await service.PullAsync($"{_registry.Host}/app:nonsense@{built.ManifestDigest}", [], null, Token);
        Assert.Empty(image.Tags);
        Assert.NotNull(service.Find($"{_registry.Host}/app@{built.ManifestDigest}"));
        Assert.NotNull(service.Find(built.ConfigDigest));
        Assert.NotNull(service.Find(built.ConfigDigest[7..19]));
    }

    [Fact]
    public async Task An_index_gives_the_image_for_this_machine()
    {
        var ours = SmallImage("ours");
        var windows = (TestImage.FromLayers("w", new TestLayer().File("w", "w")) with { Os = "windows" }).Build();
        var digest = _registry.PushIndex("app", "1", (windows, "windows", "amd64", null), (ours, "linux", TestImage.HostArchitecture, null), (windows, "unknown", "unknown", null));
        using var service = Service();
        var image = await service.PullAsync($"{_registry.Host}/app:1", [], null, Token);
        Assert.Equal(ours.ConfigDigest, image.Id);
        Assert.Equal([$"{_registry.Host}/app@{digest}"], image.Digests);
    }

    [Fact]
    public async Task An_image_for_windows_only_says_why_it_cannot_run()
    {
        var windows = (TestImage.FromLayers("w", new TestLayer().File("w", "w")) with { Os = "windows", Architecture = "amd64" }).Build();
        _registry.PushIndex("app", "index", (windows, "windows", "amd64", null));
        _registry.Push("app", "single", windows);
        foreach (var tag in (string[])["index", "single"])
        {
            var failure = await FailAsync($"app:{tag}");
            Assert.Equal(
                $"failed to pull and unpack image \"{_registry.Host}/app:{tag}\": no match for platform in manifest: not found: {_registry.Host}/app:{tag} is made for windows/amd64; "
                + $"containers share the host's kernel and processor, so this node needs an image for linux/{TestImage.HostArchitecture}", failure.Message);
        }
        _temporary.AssertEmpty();
    }

    [Fact]
    public async Task A_name_that_is_not_there_reads_as_upstream()
    {
        var failure = await FailAsync("nosuch:1");
        var name = $"{_registry.Host}/nosuch:1";
        Assert.Equal("ErrImagePull", failure.Reason);
        Assert.Equal($"failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\": {name}: not found", failure.Message);
        Assert.Equal($"rpc error: code = NotFound desc = {failure.Message}", failure.EventMessage);
    }

    [Theory]
    [InlineData(403, "pull access denied, repository does not exist or may require authorization: unexpected status from HEAD request to {0}: 403 Forbidden")]
    [InlineData(500, "unexpected status from HEAD request to {0}: 500 Internal Server Error")]
    [InlineData(418, "unexpected status from HEAD request to {0}: 418 ")]
    public async Task A_refusal_names_the_request_and_the_status(int status, string message)
    {
        _registry.Fault = context =>
        {
            context.Response.StatusCode = status;
            return Task.FromResult(true);
        };
        var failure = await FailAsync("app:1");
        Assert.Contains(string.Format(null, message, $"http://{_registry.Host}/v2/app/manifests/1"), failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_registry_is_a_refused_connection()
    {
        using var service = Service();
        var failure = await Assert.ThrowsAsync<ImageException>(() => service.PullAsync("127.0.0.1:1/app:1", [], null, Token));
        Assert.Equal(
            "failed to pull and unpack image \"127.0.0.1:1/app:1\": failed to resolve reference \"127.0.0.1:1/app:1\": failed to do request: "
            + "Head \"http://127.0.0.1:1/v2/app/manifests/1\": dial tcp 127.0.0.1:1: connect: connection refused", failure.Message);
    }

    [Theory]
    [InlineData("Bad:Name:x", "couldn't parse image name \"Bad:Name:x\": invalid reference format")]
    [InlineData("app@sha256:12", "couldn't parse image name \"app@sha256:12\": invalid reference format")]
    public async Task A_bad_name_is_refused_before_anything_is_asked(string name, string message)
    {
        using var service = Service();
        var failure = await Assert.ThrowsAsync<ImageException>(() => service.PullAsync(name, [], null, Token));
        Assert.Equal("InvalidImageName", failure.Reason);
        Assert.StartsWith(message, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(RegistryAuth.Basic)]
    [InlineData(RegistryAuth.Bearer)]
    public async Task A_password_opens_the_registry(RegistryAuth auth)
    {
        _registry.Push("app", "1", SmallImage());
        _registry.Auth = auth;
        using var service = Service();
        await service.PullAsync($"{_registry.Host}/app:1", [new RegistryCredential("user", "secret")], null, Token);
        Assert.Equal(auth == RegistryAuth.Bearer ? 1 : 0, _registry.Count("GET /token"));
    }

    [Fact]
    public async Task An_anonymous_token_an_identity_token_and_a_configured_password_open_it_too()
    {
        _registry.Push("app", "1", SmallImage());
        _registry.Auth = RegistryAuth.Bearer;
        using (var service = Service())
            await service.PullAsync($"{_registry.Host}/app:1", [new RegistryCredential("", "", "refresh-me")], null, Token);
        Assert.Equal(1, _registry.Count("POST /token"));

        await _temporary.Store.RemoveAsync($"{_registry.Host}/app:1", Token);
        using (var service = Service($"{{configs: {{\"{_registry.Host}\": {{auth: {{auth: {Convert.ToBase64String("user:secret"u8)}}}}}}}}}"))
            await service.PullAsync($"{_registry.Host}/app:1", [], null, Token);

        await _temporary.Store.RemoveAsync($"{_registry.Host}/app:1", Token);
        _registry.Username = "";
        using (var service = Service())
            await service.PullAsync($"{_registry.Host}/app:1", [], null, Token);
    }

    [Fact]
    public async Task Credentials_are_tried_one_after_the_other()
    {
        _registry.Push("app", "1", SmallImage());
        _registry.Auth = RegistryAuth.Bearer;
        using var service = Service();
        await service.PullAsync($"{_registry.Host}/app:1", [new RegistryCredential("user", "wrong"), new RegistryCredential("user", "secret")], null, Token);
    }

    [Fact]
    public async Task Wrong_or_missing_credentials_read_as_upstream()
    {
        const string denied = "pull access denied, repository does not exist or may require authorization";
        _registry.Push("app", "1", SmallImage());
        _registry.Auth = RegistryAuth.Basic;
        Assert.EndsWith($"{denied}: authorization failed: no basic auth credentials", (await FailAsync("app:1")).Message, StringComparison.Ordinal);
        Assert.Contains($"{denied}: unexpected status from HEAD request to http://{_registry.Host}/v2/app/manifests/1: 401 Unauthorized",
            (await FailAsync("app:1", new RegistryCredential("user", "wrong"))).Message, StringComparison.Ordinal);
        _registry.Auth = RegistryAuth.Bearer;
        Assert.Contains("failed to authorize: failed to fetch anonymous token: unexpected status from GET request to http://", (await FailAsync("app:1")).Message, StringComparison.Ordinal);
        _registry.IsScopeInsufficient = true;
        Assert.EndsWith($"{denied}: server message: insufficient_scope: authorization failed",
            (await FailAsync("app:1", new RegistryCredential("user", "secret"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(503)]
    public async Task What_may_pass_is_tried_again(int status)
    {
        _registry.Push("app", "1", SmallImage());
        var seen = new ConcurrentDictionary<string, bool>();
        _registry.Fault = context =>
        {
            // The first request of each kind fails.
            if (!seen.TryAdd(context.Request.Method + context.Request.Path, true))
                return Task.FromResult(false);
            context.Response.StatusCode = status;
            context.Response.Headers.RetryAfter = "0";
            return Task.FromResult(true);
        };
        using var service = Service();
        await service.PullAsync($"{_registry.Host}/app:1", [], null, Token);
    }

    [Fact]
    public async Task A_broken_download_goes_on_where_it_ended()
    {
        var image = _registry.Push("app", "1", LargeImage());
        var layer = image.Blobs.MaxBy(blob => blob.Value.Length);
        var breaks = 0;
        _registry.Fault = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith(layer.Key, StringComparison.Ordinal) || ++breaks > 2)
                return false;
            // Says that all is coming, sends a part, hangs up.
            var range = context.Request.Headers.Range.ToString();
            var from = range.Length == 0 ? 0 : int.Parse(range["bytes=".Length..^1], System.Globalization.CultureInfo.InvariantCulture);
            context.Response.StatusCode = range.Length == 0 ? 200 : 206;
            if (range.Length > 0)
                context.Response.Headers.ContentRange = $"bytes {from}-{layer.Value.Length - 1}/{layer.Value.Length}";
            context.Response.ContentLength = layer.Value.Length - from;
            await context.Response.Body.WriteAsync(layer.Value.AsMemory(from, 300_000));
            await context.Response.Body.FlushAsync();
            context.Abort();
            return true;
        };
        using var service = Service();
        await service.PullAsync($"{_registry.Host}/app:1", [], null, Token);
        var requests = _registry.Requests.Where(request => request.Contains(layer.Key, StringComparison.Ordinal)).ToList();
        Assert.Equal(3, requests.Count);
        Assert.DoesNotContain("bytes=", requests[0], StringComparison.Ordinal);
        Assert.All(requests.Skip(1), request => Assert.Contains(" bytes=", request, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_registry_that_stalls_is_given_up_and_a_later_pull_goes_on()
    {
        var image = _registry.Push("app", "1", LargeImage());
        var layer = image.Blobs.MaxBy(blob => blob.Value.Length);
        _registry.Fault = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith(layer.Key, StringComparison.Ordinal))
                return false;
            if (context.Request.Headers.Range.Count == 0)
            {
                context.Response.ContentLength = layer.Value.Length;
                await context.Response.Body.WriteAsync(layer.Value.AsMemory(0, 300_000));
            }
            else
            {
                context.Response.StatusCode = 206;
                context.Response.Headers.ContentRange = $"bytes 300000-{layer.Value.Length - 1}/{layer.Value.Length}";
            }
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
            return true;
        };
        var failure = await FailAsync("app:1");
        Assert.EndsWith(
            $"failed to copy: no data from registry for 0.3s, 300000 of {layer.Value.Length} bytes of {layer.Key} received", failure.Message, StringComparison.Ordinal);
        Assert.Empty(_temporary.Layers);
        Assert.Single(_temporary.Partial);

        _registry.Fault = _ => Task.FromResult(false);
        using var service = Service();
        await service.PullAsync($"{_registry.Host}/app:1", [], null, Token);
        Assert.EndsWith($"{layer.Key} bytes=300000-", _registry.Requests[^1], StringComparison.Ordinal);
        Assert.Empty(_temporary.Partial);
    }

    [Fact]
    public async Task A_registry_that_never_answers_is_given_up()
    {
        _registry.Fault = async context =>
        {
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
            return true;
        };
        var failure = await FailAsync("app:1");
        Assert.Contains("no answer for 0.3s", failure.Message, StringComparison.Ordinal);
        Assert.Equal(2, _registry.Requests.Count);
    }

    [Fact]
    public async Task A_layer_with_the_wrong_content_is_refused_and_leaves_nothing()
    {
        var image = _registry.Push("app", "1", SmallImage());
        var layer = image.Blobs.First(blob => blob.Value is [0x1f, 0x8b, ..]);
        foreach (var wrong in (byte[][])[[.. layer.Value[..^1], 7], TestImage.Gzip(new TestLayer().File("evil", "x").ToTar()), new byte[layer.Value.Length], [.. layer.Value, 1, 2, 3]])
        {
            _registry.Corrupt(layer.Key, wrong);
            var failure = await FailAsync("app:1");
            Assert.StartsWith($"failed to pull and unpack image \"{_registry.Host}/app:1\": ", failure.Message, StringComparison.Ordinal);
            _temporary.AssertEmpty();
        }
    }

    [Fact]
    public async Task A_manifest_with_the_wrong_content_is_refused()
    {
        var image = SmallImage();
        _registry.Push("app", "1", image);
        _registry.Fault = async context =>
        {
            if (context.Request.Method != "GET" || !context.Request.Path.Value!.Contains("/manifests/", StringComparison.Ordinal))
                return false;
            await context.Response.WriteAsync("{}");
            return true;
        };
        Assert.Contains("unexpected commit digest", (await FailAsync("app:1")).Message, StringComparison.Ordinal);
        _temporary.AssertEmpty();
    }

    [Theory]
    [InlineData("""{"schemaVersion":1,"name":"x","fsLayers":[]}""", "application/vnd.docker.distribution.manifest.v1+prettyjws", "no longer supported")]
    [InlineData("""{"schemaVersion":2}""", "application/vnd.oci.image.manifest.v1+json", "not an image")]
    [InlineData("""{"schemaVersion":2""", "application/vnd.oci.image.manifest.v1+json", "manifest is not valid JSON: line 1")]
    [InlineData("""{"schemaVersion":2,"manifests":[],"layers":[]}""", "application/vnd.oci.image.manifest.v1+json", "ambiguous")]
    [InlineData("""{"schemaVersion":2,"config":{"digest":"sha256:1","size":1},"layers":[]}""", "application/vnd.oci.image.manifest.v1+json", "invalid checksum digest length")]
    public async Task A_manifest_that_is_not_one_says_what_it_is(string content, string type, string message)
    {
        _registry.PushManifest("app", "1", Encoding.UTF8.GetBytes(content), type);
        Assert.Contains(message, (await FailAsync("app:1")).Message, StringComparison.Ordinal);
        _temporary.AssertEmpty();
    }

    [Fact]
    public async Task A_manifest_beyond_the_limit_is_not_read()
    {
        _registry.PushManifest("app", "1", new byte[(4 << 20) + 1], "application/vnd.oci.image.manifest.v1+json");
        Assert.Contains("exceeds the limit of 4194304 bytes", (await FailAsync("app:1")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pulls_of_one_image_at_the_same_time_are_one()
    {
        _registry.Push("app", "1", LargeImage());
        using var service = Service();
        var images = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => service.PullAsync($"{_registry.Host}/app:1", [], null, Token)));
        Assert.Single(images.Select(image => image.Id).Distinct());
        Assert.Equal(1, _registry.Count("HEAD "));
        Assert.All(_registry.Requests.GroupBy(request => request), group => Assert.Single(group));
    }

    [Fact]
    public async Task Images_that_share_layers_bring_them_once()
    {
        var shared = TestLayer.Busybox();
        for (var i = 0; i < 4; i++)
            _registry.Push($"app{i}", "1", TestImage.FromLayers("x", shared, new TestLayer().File("mine", $"{i}")).Build());
        using var service = Service();
        var images = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => service.PullAsync($"{_registry.Host}/app{i}:1", [], null, Token)));
        Assert.Single(images.Select(image => image.LayerDirectories[0]).Distinct());
        Assert.Equal(5, _temporary.Layers.Count);
        var digest = _registry.Requests.Where(request => request.Contains("/blobs/", StringComparison.Ordinal)).Select(request => request.Split("/blobs/")[1]).ToList();
        Assert.Equal(digest.Distinct().Count(), digest.Count);
    }

    [Fact]
    public async Task A_pull_stops_when_the_last_who_waits_gives_up()
    {
        var image = _registry.Push("app", "1", LargeImage());
        var layer = image.Blobs.MaxBy(blob => blob.Value.Length).Key;
        var arrived = new TaskCompletionSource();
        var gone = new TaskCompletionSource();
        _registry.Fault = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith(layer, StringComparison.Ordinal))
                return false;
            context.RequestAborted.Register(() => gone.TrySetResult());
            arrived.TrySetResult();
            await gone.Task;
            return true;
        };
        using var service = Service(options: new PullOptions());
        using var one = new CancellationTokenSource();
        using var two = new CancellationTokenSource();
        var first = service.PullAsync($"{_registry.Host}/app:1", [], null, one.Token);
        var second = service.PullAsync($"{_registry.Host}/app:1", [], null, two.Token);
        await arrived.Task.WaitAsync(TimeSpan.FromSeconds(10), Token);
        await one.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        Assert.False(gone.Task.IsCompleted);
        await two.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(10), Token);
        Assert.Empty(_temporary.Layers);
        await _temporary.Store.PruneAsync(Token);
        _temporary.AssertEmpty();
    }

    [Fact]
    public async Task A_mirror_is_asked_first_with_its_own_paths_and_the_registry_when_it_fails()
    {
        await using var mirror = await FakeRegistry.StartAsync();
        mirror.Push("hub/app", "1", SmallImage());
        _registry.Push("library/app", "2", SmallImage("other"));
        var yaml = $$"""
            mirrors:
              {{_registry.Host}}:
                endpoint: ["http://{{mirror.Host}}"]
                rewrite: {"^library/(.*)": "hub/$1"}
            """;
        using var service = Service(yaml);
        await service.PullAsync($"{_registry.Host}/library/app:1", [], null, Token);
        Assert.Empty(_registry.Requests);
        await service.PullAsync($"{_registry.Host}/library/app:2", [], null, Token);
        Assert.Equal(1, mirror.Count("HEAD /v2/hub/app/manifests/2"));
        Assert.Equal(1, _registry.Count("HEAD /v2/library/app/manifests/2"));
    }

    [Fact]
    public async Task Docker_hub_can_be_mirrored_and_so_can_everything()
    {
        _registry.Push("library/app", "latest", SmallImage());
        foreach (var name in (string[])["docker.io", "\"*\""])
        {
            using var service = Service($"{{mirrors: {{{name}: {{endpoint: [\"http://{_registry.Host}\"]}}}}}}");
            var image = await service.PullAsync("app", [], null, Token);
            Assert.Equal(["docker.io/library/app:latest"], image.Tags);
        }
    }

    [Fact]
    public async Task A_redirect_is_followed_without_the_credentials()
    {
        await using var storage = await FakeRegistry.StartAsync();
        var authorized = new ConcurrentQueue<bool>();
        storage.Push("x", "1", _registry.Push("app", "1", SmallImage()));
        storage.Fault = context =>
        {
            authorized.Enqueue(context.Request.Headers.Authorization.Count > 0);
            return Task.FromResult(false);
        };
        _registry.Auth = RegistryAuth.Basic;
        _registry.Fault = context =>
        {
            if (context.Request.Headers.Authorization.Count == 0 || !context.Request.Path.Value!.Contains("/blobs/", StringComparison.Ordinal))
                return Task.FromResult(false);
            context.Response.StatusCode = 307;
            context.Response.Headers.Location = $"http://{storage.Host}{context.Request.Path.Value.Replace("/app/", "/x/", StringComparison.Ordinal)}";
            return Task.FromResult(true);
        };
        using var service = Service();
        await service.PullAsync($"{_registry.Host}/app:1", [new RegistryCredential("user", "secret")], null, Token);
        Assert.NotEmpty(authorized);
        Assert.DoesNotContain(true, authorized);
    }

    [Fact]
    public async Task Tls_needs_a_known_authority_and_may_need_a_client_certificate()
    {
        using var certificate = SelfSigned("127.0.0.1");
        await using var registry = await FakeRegistry.StartAsync(certificate, requiresClientCertificate: true);
        registry.Push("app", "1", SmallImage());
        var (ca, cert, key) = (PathOf("ca.pem"), PathOf("cert.pem"), PathOf("key.pem"));
        await File.WriteAllTextAsync(ca, certificate.ExportCertificatePem(), Token);
        await File.WriteAllTextAsync(cert, certificate.ExportCertificatePem(), Token);
        await File.WriteAllTextAsync(key, certificate.GetECDsaPrivateKey()!.ExportECPrivateKeyPem(), Token);

        async Task<ImageException?> TryAsync(string tls)
        {
            using var service = Service($"{{configs: {{\"{registry.Host}\": {{tls: {{{tls}}}}}}}}}");
            try
            {
                await service.PullAsync($"{registry.Host}/app:1", [], null, Token);
                return null;
            }
            catch (ImageException failure)
            {
                return failure;
            }
        }

        var client = $"cert_file: {cert}, key_file: {key}";
        Assert.Contains("tls: failed to verify certificate: x509: certificate signed by unknown authority", (await TryAsync(client))!.Message, StringComparison.Ordinal);
        Assert.NotNull(await TryAsync($"ca_file: {ca}"));
        Assert.Null(await TryAsync($"ca_file: {ca}, {client}"));
        Assert.Null(await TryAsync($"insecure_skip_verify: true, {client}"));
        Assert.Contains("cannot be read", (await TryAsync("ca_file: /nowhere.pem"))!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_of_128_layers_is_pulled()
    {
        var layers = Enumerable.Range(0, 128).Select(i => new TestLayer().File($"f{i % 100}", $"{i}")).ToArray();
        _registry.Push("app", "1", TestImage.FromLayers("x", layers).Build());
        using var service = Service();
        var image = await service.PullAsync($"{_registry.Host}/app:1", [], null, Token);
        Assert.Equal(128, image.LayerDirectories.Distinct().Count());
    }

    private string PathOf(string name) => Path.Combine(_temporary.Directory, name);

    private ImageService Service(string yaml = "", PullOptions? options = null) =>
        new(_temporary.Store, RegistriesConfig.Parse(yaml), options ?? Impatient, TimeProvider.System, new Random(1));

    private async Task<ImageException> FailAsync(string name, params RegistryCredential[] credentials)
    {
        using var service = Service();
        return await Assert.ThrowsAsync<ImageException>(() => service.PullAsync($"{_registry.Host}/{name}", credentials, null, Token));
    }

    private static BuiltImage SmallImage(string content = "one") =>
        TestImage.FromLayers("x", new TestLayer().File("one", content), new TestLayer().File("two", "two")).Build();

    /// <summary>A megabyte that does not compress.</summary>
    private static BuiltImage LargeImage()
    {
        var noise = new byte[1 << 20];
        new Random(1).NextBytes(noise);
        return TestImage.FromLayers("x", new TestLayer().File("noise", noise), new TestLayer().File("two", "two")).Build();
    }

    private static X509Certificate2 SelfSigned(string host)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={host}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(System.Net.IPAddress.Parse(host));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }

    private sealed class Collector(ConcurrentQueue<PullProgress> reports) : IProgress<PullProgress>
    {
        public void Report(PullProgress value) => reports.Enqueue(value);
    }
}
