using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Server.Pki;
using Minke.Store;
using Minke.Store.Log;

namespace Minke.Server.Tests;

/// <summary>A whole API server on a free loopback port, over a log in memory, with an administrator's client.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly string _directory;
    private readonly StateStore _store;
    private readonly ApiServer _server;

    private readonly ApiServerOptions _options;
    private bool _isAnother;

    private TestServer(string directory, StateStore store, ApiServer server, ClusterPki pki, ApiServerOptions options)
    {
        (_directory, _store, _server, Pki, _options) = (directory, store, server, pki, options);
        Admin = ClientOf(pki.Admin);
    }

    public ClusterPki Pki { get; }
    public ApiServer Server => _server;
    public IStateStore Store => _store;
    public HttpClient Admin { get; }
    public IPEndPoint Endpoint => _server.Endpoints[0];
    public static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public static async Task<TestServer> StartAsync(TimeProvider? clock = null, StateStoreOptions? store = null, Func<ApiServerOptions, ApiServerOptions>? change = null)
    {
        var directory = Directory.CreateTempSubdirectory("minke-server-").FullName;
        var pki = ClusterPki.Open(directory, new ServingNames(["localhost"], [IPAddress.Loopback]), TimeProvider.System);
        var state = await StateStore.OpenAsync(new MemoryLog(), store ?? new(), clock ?? TimeProvider.System, NullLogger<StateStore>.Instance);
        var options = new ApiServerOptions
        {
            Listen = [new(IPAddress.Loopback, 0)],
            Certificate = () => pki.Serving,
            ClientAuthority = pki.Authority,
            ServiceAccountKey = pki.ServiceAccountKey,
            FrontProxyIdentity = () => pki.FrontProxy,
        };
        options = change?.Invoke(options) ?? options;
        var server = new ApiServer(options, state, new IdSource(new Random(1)), clock ?? TimeProvider.System, NullLoggerFactory.Instance);
        await server.StartAsync(Cancelled);
        foreach (var name in (string[])["default", "kube-system"])
        {
            await server.Client.CreateAsync(new Namespace { Metadata = new() { Name = name } }, Cancelled);
            await server.Client.CreateAsync(new ServiceAccount { Metadata = new() { Name = "default", Namespace = name } }, Cancelled);
        }
        // The one thing that is written beside the start: from here on revisions are the test's own.
        using var watch = state.Watch("/", state.CurrentRevision)!;
        while (await server.Client.TryGetAsync<ConfigMap>("kube-system", "extension-apiserver-authentication", Cancelled) is null)
            await watch.ReadAsync(Timeout.InfiniteTimeSpan, Cancelled);
        return new(directory, state, server, pki, options);
    }

    /// <summary>A second server over the same state, as after a restart. It ends before this one.</summary>
    public async Task<TestServer> StartAnotherAsync(Func<ApiServerOptions, ApiServerOptions>? change = null)
    {
        var server = new ApiServer(change?.Invoke(_options) ?? _options, _store, new IdSource(new Random(2)), TimeProvider.System, NullLoggerFactory.Instance);
        await server.StartAsync(Cancelled);
        return new(_directory, _store, server, Pki, _options) { _isAnother = true };
    }

    /// <summary>Reads until it is so.</summary>
    public async Task<JsonNode> UntilAsync(string path, Predicate<JsonNode> isSo) =>
        (await UntilReplyAsync(path, reply => reply.Code == 200 && isSo(reply.Json))).Json;

    /// <summary>Asks until the answer is so: for what follows the store by itself, and no event tells of.</summary>
    public async Task<Reply> AskUntilAsync(string path, Predicate<Reply> isSo)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        while (true)
        {
            if (await GetAsync(path) is { } reply && isSo(reply))
                return reply;
            deadline.Token.ThrowIfCancellationRequested();
        }
    }

    public Task UntilGoneAsync(string path) => UntilReplyAsync(path, reply => reply.Code == 404);

    private async Task<Reply> UntilReplyAsync(string path, Predicate<Reply> isSo)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        var revision = _store.CurrentRevision;
        using var watch = _store.Watch("/", revision)!;
        while (true)
        {
            if (await GetAsync(path) is { } reply && isSo(reply))
                return reply;
            await watch.ReadAsync(Timeout.InfiniteTimeSpan, deadline.Token);
        }
    }

    public HttpClient ClientOf(X509Certificate2? certificate, Version? version = null)
    {
        var handler = new SocketsHttpHandler();
        // SslStream wants the key where it can find it again.
        if (certificate is not null)
            handler.SslOptions.ClientCertificates = [X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null)];
#pragma warning disable CA5359 // A test talks to the server it has started itself.
        handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
        return new HttpClient(handler)
        {
            BaseAddress = new Uri($"https://{Endpoint}"),
            DefaultRequestVersion = version ?? HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
    }

    /// <summary>A connection of the administrator's, for whatever bytes a test has in mind.</summary>
    public async Task<SslStream> ConnectAsync()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(Endpoint, Cancelled);
#pragma warning disable CA5359 // A test talks to the server it has started itself.
        var tls = new SslStream(new NetworkStream(socket, ownsSocket: true), leaveInnerStreamOpen: false, (_, _, _, _) => true);
#pragma warning restore CA5359
        using var certificate = X509CertificateLoader.LoadPkcs12(Pki.Admin.Export(X509ContentType.Pkcs12), null);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", ClientCertificates = [certificate] }, Cancelled);
        return tls;
    }

    public async Task<Reply> SendAsync(
        HttpMethod method, string path, string? body = null, string contentType = "application/json", string accept = "application/json", HttpClient? client = null)
    {
        using var request = new HttpRequestMessage(method, path) { Version = HttpVersion.Version20 };
        request.Headers.TryAddWithoutValidation("Accept", accept);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        }
        using var response = await (client ?? Admin).SendAsync(request, Cancelled);
        var text = await response.Content.ReadAsStringAsync(Cancelled);
        return new((int)response.StatusCode, text, response.Headers.TryGetValues("Warning", out var warnings) ? [.. warnings] : [],
            response.Content.Headers.ContentType?.ToString() ?? "");
    }

    public Task<Reply> GetAsync(string path, string accept = "application/json") => SendAsync(HttpMethod.Get, path, accept: accept);

    public Task<Reply> PostAsync(string path, string body) => SendAsync(HttpMethod.Post, path, body);

    public Task<Reply> PutAsync(string path, string body) => SendAsync(HttpMethod.Put, path, body);

    public Task<Reply> PatchAsync(string path, string body, string type = "merge-patch") =>
        SendAsync(HttpMethod.Patch, path, body, $"application/{type}+json");

    public Task<Reply> DeleteAsync(string path, string? body = null) => SendAsync(HttpMethod.Delete, path, body);

    public async ValueTask DisposeAsync()
    {
        Admin.Dispose();
        await _server.DisposeAsync();
        if (_isAnother)
            return;
        await _store.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }
}

internal sealed record Reply(int Code, string Text, string[] Warnings, string ContentType)
{
    public JsonNode Json => JsonNode.Parse(Text)!;
    public string Message => Json["message"]?.GetValue<string>() ?? "";
    public string Reason => Json["reason"]?.GetValue<string>() ?? "";
    public string Version => Json["metadata"]!["resourceVersion"]!.GetValue<string>();
    public string[] Names => [.. Json["items"]!.AsArray().Select(item => item!["metadata"]!["name"]!.GetValue<string>())];

    public Reply Expect(int code)
    {
        Assert.True(code == Code, $"expected {code}, got {Code}: {Text}");
        return this;
    }
}
