using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Minke.Server.Tests;

/// <summary>What a request may ask of the server's time and memory, and a connection of its patience.</summary>
public sealed class LimitTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    [Theory]
    [InlineData("abc", "time: invalid duration \"abc\"")]
    [InlineData("5", "time: missing unit in duration \"5\"")]
    [InlineData("5y", "time: unknown unit \"y\" in duration \"5y\"")]
    [InlineData("99999999999999999h", "time: invalid duration \"99999999999999999h\"")]
    public async Task A_timeout_that_is_none_is_refused_before_anything_is_asked(string timeout, string why)
    {
        await using var server = await TestServer.StartAsync();
        using var anonymous = server.ClientOf(null);
        foreach (var path in (string[])[ConfigMaps, ConfigMaps + "/none", "/version"])
        {
            foreach (var client in (HttpClient[])[server.Admin, anonymous])
            {
                var refused = (await server.SendAsync(HttpMethod.Get, $"{path}?timeout={timeout}", client: client)).Expect(400);
                Assert.Equal(("BadRequest", $"invalid timeout specified in the request URL - {why}"), (refused.Reason, refused.Message));
            }
        }
    }

    [Theory]
    [InlineData("0s")]
    [InlineData("-5s")]
    [InlineData("")]
    [InlineData("24h")]
    public async Task A_timeout_that_asks_for_nothing_or_too_much_is_the_servers(string timeout)
    {
        var clock = new Minke.TestSupport.ManualTime(DateTimeOffset.UtcNow);
        await using var server = await TestServer.StartAsync(clock);
        await using var connection = await server.ConnectAsync();
        await connection.WriteAsync(Encoding.ASCII.GetBytes($"POST {ConfigMaps}?timeout={timeout} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{{"), TestServer.Cancelled);
        await ExecutingAsync(server, 1);
        clock.Advance(TimeSpan.FromSeconds(59));
        await ExecutingAsync(server, 1);
        clock.Advance(TimeSpan.FromSeconds(1));
        var answer = await ReadAsync(connection, until: "}\n");
        Assert.StartsWith("HTTP/1.1 504 Gateway Timeout\r\n", answer, StringComparison.Ordinal);
        var status = JsonNode.Parse(answer[answer.IndexOf('{', StringComparison.Ordinal)..(answer.LastIndexOf('}') + 1)])!;
        Assert.Equal(("Timeout", "Timeout: request did not complete within the allotted timeout"), (status["reason"]!.GetValue<string>(), status["message"]!.GetValue<string>()));
        await ExecutingAsync(server, 0);
    }

    public static TheoryData<string, string, string> Writes => new()
    {
        { "POST", ConfigMaps, "application/json" },
        { "PUT", ConfigMaps + "/a", "application/json" },
        { "PATCH", ConfigMaps + "/a", "application/json-patch+json" },
        { "PATCH", ConfigMaps + "/a", "application/merge-patch+json" },
        { "PATCH", ConfigMaps + "/a", "application/strategic-merge-patch+json" },
        { "PATCH", ConfigMaps + "/a?fieldManager=me", "application/apply-patch+yaml" },
        { "DELETE", ConfigMaps + "/a", "application/json" },
        { "DELETE", ConfigMaps, "application/json" },
        { "PUT", "/api/v1/namespaces/default/status", "application/json" },
        { "PUT", "/api/v1/namespaces/default/finalize", "application/json" },
        { "POST", "/api/v1/namespaces/default/pods/a/eviction", "application/json" },
        { "POST", "/api/v1/namespaces/default/pods/a/binding", "application/json" },
        { "POST", "/api/v1/namespaces/default/bindings", "application/json" },
        { "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", "application/json" },
        { "PUT", "/apis/apps/v1/namespaces/default/deployments/a/scale", "application/json" },
        { "PATCH", "/apis/apps/v1/namespaces/default/deployments/a/scale", "application/merge-patch+json" },
        { "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "application/json" },
        { "POST", "/apis/authentication.k8s.io/v1/tokenreviews", "application/json" },
        { "POST", "/apis/example.com/v1/namespaces/default/things", "application/json" },
        { "PATCH", "/apis/example.com/v1/namespaces/default/things/a", "application/merge-patch+json" },
        { "PATCH", "/apis/example.com/v1/namespaces/default/things/a?fieldManager=me", "application/apply-patch+yaml" },
        { "PUT", "/apis/example.com/v1/namespaces/default/things/a/status", "application/json" },
    };

    [Fact]
    public async Task Bodies_have_one_limit_whoever_reads_them()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", """
            {"metadata":{"name":"things.example.com"},"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"things","singular":"thing","kind":"Thing","listKind":"ThingList"},
             "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}
            """)).Expect(201);
        await server.UntilAsync("/apis/example.com/v1/namespaces/default/things", _ => true);
        (await server.PostAsync("/apis/example.com/v1/namespaces/default/things", """{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"a"}}""")).Expect(201);
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        (await server.PostAsync("/apis/apps/v1/namespaces/default/deployments", """
            {"metadata":{"name":"a"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}
            """)).Expect(201);
        (await server.PostAsync("/api/v1/namespaces/default/pods", """{"metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"i"}]}}""")).Expect(201);
        var body = new byte[(3 << 20) + 1];
        body.AsSpan().Fill((byte)' ');
        foreach (var (method, path, type) in Writes.Select(row => row.Data))
        {
            foreach (var isCounted in (bool[])[true, false])
            {
                using var request = new HttpRequestMessage(new(method), path) { Version = HttpVersion.Version20, Content = new StreamContent(new MemoryStream(body)) };
                request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
                if (!isCounted)
                    request.Content = new Uncounted(body, request.Content.Headers.ContentType);
                using var answer = await server.Admin.SendAsync(request, TestServer.Cancelled);
                var status = JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestServer.Cancelled))!;
                Assert.Equal((method, path, type, 413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728"),
                    (method, path, type, (int)answer.StatusCode, status["reason"]?.GetValue<string>(), status["message"]?.GetValue<string>()));
            }
        }
        // To the byte.
        var fits = """{"metadata":{"name":"b"}}""";
        (await server.PostAsync(ConfigMaps, fits + new string(' ', (3 << 20) - fits.Length))).Expect(201);
    }

    [Fact]
    public async Task A_connection_that_says_nothing_or_too_little_is_closed()
    {
        var limit = TimeSpan.FromSeconds(1);
        await using var server = await TestServer.StartAsync(change: options => options with { Connections = new(Handshake: limit, Headers: limit, Idle: limit) });
        using var silent = new TcpClient();
        await silent.ConnectAsync(server.Endpoint, TestServer.Cancelled);
        await using var dripping = await server.ConnectAsync();
        await dripping.WriteAsync("GET /version HTTP/1.1\r\nHost: x\r\nX-Lo"u8.ToArray(), TestServer.Cancelled);
        await using var idle = await server.ConnectAsync();
        await idle.WriteAsync("GET /version HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), TestServer.Cancelled);

        Assert.Equal(0, await silent.GetStream().ReadAsync(new byte[1], TestServer.Cancelled));
        Assert.StartsWith("HTTP/1.1 408 Request Timeout\r\n", await ReadAsync(dripping), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await ReadAsync(idle), StringComparison.Ordinal); // and is closed then
        (await server.GetAsync("/version")).Expect(200);
    }

    [Fact]
    public void Connections_have_upstreams_patience()
    {
        var defaults = new ConnectionTimeouts();
        Assert.Equal((10, 32, 90), (defaults.Handshake.TotalSeconds, defaults.Headers.TotalSeconds, defaults.Idle.TotalSeconds));
    }

    [Fact]
    public async Task A_thousand_connections_that_say_nothing_keep_nobody_out()
    {
        await using var server = await TestServer.StartAsync();
        var silent = new List<Socket>();
        try
        {
            for (var i = 0; i < 1000; i++)
            {
                silent.Add(new Socket(SocketType.Stream, ProtocolType.Tcp));
                await silent[^1].ConnectAsync(server.Endpoint, TestServer.Cancelled);
            }
            using var another = server.ClientOf(server.Pki.Admin);
            (await server.SendAsync(HttpMethod.Post, ConfigMaps, """{"metadata":{"name":"a"}}""", client: another)).Expect(201);
        }
        finally
        {
            silent.ForEach(socket => socket.Dispose());
        }
    }

    /// <summary>To its end, or to where a text ends so.</summary>
    private static async Task<string> ReadAsync(Stream connection, string? until = null)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        while (true)
        {
            var read = await connection.ReadAsync(buffer, TestServer.Cancelled);
            text.Append(Encoding.ASCII.GetString(buffer, 0, read));
            if (read == 0 || (until is not null && text.ToString().EndsWith(until, StringComparison.Ordinal)))
                return text.ToString();
        }
    }

    private static async Task ExecutingAsync(TestServer server, int count)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        // The request that asks is a read.
        while (!(await server.GetAsync("/metrics")).Text.Contains($"apiserver_current_inflight_requests{{request_kind=\"mutating\"}} {count}\n", StringComparison.Ordinal))
            deadline.Token.ThrowIfCancellationRequested();
    }

    private sealed class Uncounted : HttpContent
    {
        private readonly byte[] _body;

        public Uncounted(byte[] body, MediaTypeHeaderValue type)
        {
            _body = body;
            Headers.ContentType = type;
        }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(_body);
            await stream.FlushAsync();
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
