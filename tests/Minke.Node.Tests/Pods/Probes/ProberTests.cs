using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Minke.Api.Core.V1;
using Minke.Node.Pods.Probes;
using Minke.Node.Runtime;
using Minke.Node.Tests.Runtime;
using Minke.TestSupport;

namespace Minke.Node.Tests.Pods.Probes;

public sealed class ProberTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private readonly ManualTime _time = new();
    private readonly ExecRuntime _runtime = new();
    private readonly Prober _prober;

    public ProberTests() => _prober = new Prober(_runtime, _time);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _prober.Dispose();

    private Task<ProbeResult> AskAsync(Probe probe, Container? container = null) => _prober
        .ProbeAsync(
            new ProbeTarget { Pod = new Pod(), Container = container ?? new Container(), Id = new ContainerId("c"), PodIp = "127.0.0.1" },
            probe with { TimeoutSeconds = Math.Max(probe.TimeoutSeconds, 1) }, Cancellation)
        .WaitAsync(Deadline, Cancellation);

    private static Probe Http(int port, string path = "/", params HTTPHeader[] headers) =>
        new() { HttpGet = new HTTPGetAction { Port = port, Path = path, HttpHeaders = headers } };

    // --- exec ---------------------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData(0, ProbeOutcome.Success)]
    [InlineData(1, ProbeOutcome.Failure)]
    public async Task A_command_says_by_its_exit_code_and_shows_what_it_wrote(int exitCode, ProbeOutcome outcome)
    {
        _runtime.Answer = _ => new ExecResult(exitCode, "out "u8.ToArray(), "err"u8.ToArray());
        Assert.Equal(new ProbeResult(outcome, "out err"), await AskAsync(new() { Exec = new() { Command = ["check"] } }));
    }

    [Fact]
    public async Task What_a_command_wrote_is_cut_at_ten_kibibytes()
    {
        _runtime.Answer = _ => new ExecResult(1, new byte[9000], new byte[9000]);
        Assert.Equal(10 * 1024, (await AskAsync(new() { Exec = new() { Command = ["check"] } })).Message.Length);
    }

    [Fact]
    public async Task A_command_that_takes_too_long_has_failed()
    {
        _runtime.Answer = _ => throw new TimeoutException();
        Assert.Equal(
            new ProbeResult(ProbeOutcome.Failure, "command timed out: \"sleep 100\" timed out after 1m30s"),
            await AskAsync(new() { Exec = new() { Command = ["sleep", "100"] }, TimeoutSeconds = 90 }));
    }

    [Fact]
    public async Task A_command_that_could_not_be_run_is_tried_three_times_and_then_unknown()
    {
        _runtime.Answer = _ => throw new RuntimeException("no such container");
        Assert.Equal(new ProbeResult(ProbeOutcome.Unknown, "no such container"), await AskAsync(new() { Exec = new() { Command = ["check"] } }));
        Assert.Equal(3, _runtime.Commands.Count);
    }

    [Fact]
    public async Task A_command_names_variables_of_the_container()
    {
        _runtime.Answer = _ => new ExecResult(0, [], []);
        await AskAsync(
            new() { Exec = new() { Command = ["$(A)-$(B)", "$$(A)", "$(A", "$A$", "x$(A)$(A)"] } },
            new() { Env = [new EnvVar { Name = "A", Value = "1" }] });
        Assert.Equal(["1-$(B)", "$(A)", "$(A", "$A$", "x11"], _runtime.Commands[0]);
    }

    [Fact]
    public async Task A_probe_without_a_handler_is_unknown() =>
        Assert.Equal(ProbeOutcome.Unknown, (await AskAsync(new())).Outcome);

    // --- HTTP ---------------------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("200 OK", ProbeOutcome.Success, "body")]
    [InlineData("204 No Content", ProbeOutcome.Success, "")]
    [InlineData("304 Not Modified", ProbeOutcome.Warning, "Probe terminated redirects, Response body: ")]
    [InlineData("400 Bad Request", ProbeOutcome.Failure, "HTTP probe failed with statuscode: 400")]
    [InlineData("500 Internal Server Error", ProbeOutcome.Failure, "HTTP probe failed with statuscode: 500")]
    public async Task A_server_says_by_its_status(string status, ProbeOutcome outcome, string message)
    {
        var hasBody = status[0] is '2' or '4' or '5' && !status.StartsWith("204", StringComparison.Ordinal);
        await using var server = new LineServer(_ => $"HTTP/1.1 {status}\r\n{(hasBody ? "Content-Length: 4\r\n\r\nbody" : "\r\n")}");
        Assert.Equal(new ProbeResult(outcome, message), await AskAsync(Http(server.Port)));
    }

    [Fact]
    public async Task The_request_looks_like_the_kubelets()
    {
        await using var server = new LineServer(_ => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        await AskAsync(Http(server.Port, "/healthz?full=1"));
        await AskAsync(Http(
            server.Port, "ready", new() { Name = "user-agent", Value = "mine" }, new() { Name = "Accept", Value = "" },
            new() { Name = "Host", Value = "shop.example" }, new() { Name = "X-A", Value = "1" }, new() { Name = "X-A", Value = "2" }));
        Assert.Equal(
            ["GET /healthz?full=1 HTTP/1.1", "Accept: */*", "Connection: close", $"Host: 127.0.0.1:{server.Port}", "User-Agent: kube-probe/1.32"],
            Sorted(server.Requests[0]));
        Assert.Equal(
            ["GET /ready HTTP/1.1", "Connection: close", "Host: shop.example", "User-Agent: mine", "X-A: 1, 2"], Sorted(server.Requests[1]));

        static IEnumerable<string> Sorted(string request)
        {
            var lines = request.Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
            return lines.Take(1).Concat(lines.Skip(1).Select(line => char.ToUpperInvariant(line[0]) + line[1..].Replace("-agent", "-Agent", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        }
    }

    [Fact]
    public async Task Redirects_are_followed_within_the_host()
    {
        await using var server = new LineServer(request => request.StartsWith("GET /end", StringComparison.Ordinal)
            ? "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend"
            : "HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n");
        Assert.Equal(new ProbeResult(ProbeOutcome.Success, "end"), await AskAsync(Http(server.Port)));
    }

    [Fact]
    public async Task A_redirect_to_another_host_is_a_warning()
    {
        await using var server = new LineServer(_ => "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 5\r\n\r\nthere");
        Assert.Equal(
            new ProbeResult(ProbeOutcome.Warning, "Probe terminated redirects, Response body: there"), await AskAsync(Http(server.Port)));
    }

    [Fact]
    public async Task A_redirect_without_end_stops_after_ten()
    {
        await using var server = new LineServer(_ => "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n");
        Assert.Equal(new ProbeResult(ProbeOutcome.Failure, "Get \"/loop\": stopped after 10 redirects"), await AskAsync(Http(server.Port)));
        Assert.Equal(10, server.Requests.Count);
    }

    [Fact]
    public async Task Nobody_there_is_a_refused_connection()
    {
        var port = FreePort();
        Assert.Equal(
            new ProbeResult(ProbeOutcome.Failure, $"Get \"http://127.0.0.1:{port}/\": dial tcp 127.0.0.1:{port}: connect: connection refused"),
            await AskAsync(Http(port)));
    }

    [Fact]
    public async Task A_server_that_does_not_answer_has_failed_when_the_time_is_up()
    {
        await using var server = new LineServer(_ => null);
        var asking = AskAsync(Http(server.Port));
        await server.FirstRequest.WaitAsync(Deadline, Cancellation);
        Assert.False(asking.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(
            new ProbeResult(ProbeOutcome.Failure, $"Get \"http://127.0.0.1:{server.Port}/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
            await asking);
    }

    [Fact]
    public async Task A_server_that_hangs_up_has_failed()
    {
        await using var server = new LineServer(_ => "");
        Assert.Equal(new ProbeResult(ProbeOutcome.Failure, $"Get \"http://127.0.0.1:{server.Port}/\": EOF"), await AskAsync(Http(server.Port)));
    }

    [Fact]
    public async Task A_certificate_is_not_verified()
    {
        using var certificate = SelfSigned();
        await using var server = new LineServer(_ => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsafe", certificate);
        var probe = new Probe { HttpGet = new() { Port = server.Port, Path = "/", Scheme = "HTTPS" } };
        Assert.Equal(new ProbeResult(ProbeOutcome.Success, "safe"), await AskAsync(probe));
    }

    [Fact]
    public async Task Https_to_a_server_without_says_so()
    {
        await using var server = new LineServer(_ => "HTTP/1.1 400 Bad Request\r\n\r\n", answerAtOnce: true);
        var probe = new Probe { HttpGet = new() { Port = server.Port, Path = "/", Scheme = "HTTPS" } };
        Assert.Equal(
            new ProbeResult(ProbeOutcome.Failure, $"Get \"https://127.0.0.1:{server.Port}/\": http: server gave HTTP response to HTTPS client"),
            await AskAsync(probe));
    }

    [Fact]
    public async Task A_port_may_be_named()
    {
        await using var server = new LineServer(_ => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        var container = new Container { Ports = [new ContainerPort { Name = "web", ContainerPortValue = server.Port }] };
        var probe = new Probe { HttpGet = new() { Port = "web", Path = "/" } };
        Assert.Equal(ProbeOutcome.Success, (await AskAsync(probe, container)).Outcome);
        Assert.Equal(new ProbeResult(ProbeOutcome.Unknown, "strconv.Atoi: parsing \"web\": invalid syntax"), await AskAsync(probe));
        Assert.Equal(new ProbeResult(ProbeOutcome.Unknown, "invalid port number: 70000"), await AskAsync(Http(70000)));
    }

    [Theory]
    [InlineData("/a b", "http://10.0.0.1:80/a b")]
    [InlineData("", "http://10.0.0.1:80/")]
    [InlineData("x", "http://10.0.0.1:80/x")]
    public void The_address_is_made_of_the_pods_and_the_path(string path, string url) =>
        Assert.Equal(url, HttpProbeRequest.Of(new() { Port = 80, Path = path }, 80, "10.0.0.1", "probe").Url);

    // --- TCP ----------------------------------------------------------------------------------------------------------------------

    [Fact]
    public async Task A_port_that_is_open_is_well_and_one_that_is_not_is_not()
    {
        await using var server = new LineServer(_ => null);
        Assert.Equal(new ProbeResult(ProbeOutcome.Success, ""), await AskAsync(new() { TcpSocket = new() { Port = server.Port } }));
        var port = FreePort();
        Assert.Equal(
            new ProbeResult(ProbeOutcome.Failure, $"dial tcp 127.0.0.1:{port}: connect: connection refused"),
            await AskAsync(new() { TcpSocket = new() { Port = port } }));
    }

    // --- gRPC ---------------------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("08 01", ProbeOutcome.Success, "service healthy")]
    [InlineData("08 02", ProbeOutcome.Failure, "service unhealthy (responded with \"NOT_SERVING\")")]
    [InlineData("", ProbeOutcome.Failure, "service unhealthy (responded with \"UNKNOWN\")")]
    [InlineData("08 63", ProbeOutcome.Failure, "service unhealthy (responded with \"99\")")]
    [InlineData("12 02 41 42 08 01", ProbeOutcome.Success, "service healthy")]
    public async Task A_health_service_says_so(string answer, ProbeOutcome outcome, string message)
    {
        await using var server = await GrpcServer.StartAsync(Convert.FromHexString(answer.Replace(" ", "", StringComparison.Ordinal)), status: 0);
        Assert.Equal(new ProbeResult(outcome, message), await AskAsync(new() { Grpc = new() { Port = server.Port, Service = "shop" } }));
        Assert.Equal(("/grpc.health.v1.Health/Check", "application/grpc", "kube-probe/1.32 grpc-go/1.65.0", "00000000060a0473686f70"), server.Request);
    }

    [Theory]
    [InlineData(5, "unknown%20service", "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service")]
    [InlineData(12, "no", "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): no")]
    [InlineData(4, "late", "timeout: health rpc did not complete within 1s")]
    public async Task A_health_service_that_refuses_says_why(int status, string words, string message)
    {
        await using var server = await GrpcServer.StartAsync([], status, words);
        Assert.Equal(new ProbeResult(ProbeOutcome.Failure, message), await AskAsync(new() { Grpc = new() { Port = server.Port } }));
    }

    [Fact]
    public async Task No_health_service_there_is_a_timeout_as_upstream_has_it()
    {
        var port = FreePort();
        Assert.Equal(
            new ProbeResult(ProbeOutcome.Failure, $"timeout: failed to connect service \"127.0.0.1:{port}\" within 1s: context deadline exceeded"),
            await AskAsync(new() { Grpc = new() { Port = port } }));
    }

    [Fact]
    public void Whatever_a_health_service_answers_is_read_without_harm() =>
        Prop.ForAll<byte[]>(bytes => GrpcProbe.ReadStatus([0, 0, 0, 0, 0, .. bytes]) is var _).QuickCheckThrowOnFailure();

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static X509Certificate2 SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pfx), null);
    }

    /// <summary>Reads a request's head and answers with a text; null keeps silent, and "" hangs up.</summary>
    private sealed class LineServer : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _closing = new();
        private readonly TaskCompletionSource _firstRequest = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Task _serving;

        internal LineServer(Func<string, string?> answer, X509Certificate2? certificate = null, bool answerAtOnce = false)
        {
            _listener.Start();
            _serving = ServeAsync(answer, certificate, answerAtOnce);
        }

        internal int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;
        internal List<string> Requests { get; } = [];
        internal Task FirstRequest => _firstRequest.Task;

        public async ValueTask DisposeAsync()
        {
            await _closing.CancelAsync();
            await _serving;
            _listener.Dispose();
            _closing.Dispose();
        }

        private async Task ServeAsync(Func<string, string?> answer, X509Certificate2? certificate, bool answerAtOnce)
        {
            try
            {
                while (true)
                {
                    using var client = await _listener.AcceptTcpClientAsync(_closing.Token);
                    try
                    {
                        await TalkAsync(client.GetStream(), answer, certificate, answerAtOnce);
                    }
                    catch (IOException)
                    {
                        // The client has heard enough.
                    }
                }
            }
            catch (OperationCanceledException)
            {
            }
        }

        private async Task TalkAsync(Stream stream, Func<string, string?> answer, X509Certificate2? certificate, bool answerAtOnce)
        {
            if (certificate is not null)
            {
                var secure = new SslStream(stream);
                await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, _closing.Token);
                stream = secure;
            }
            var head = new StringBuilder();
            var buffer = new byte[1];
            while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(buffer, _closing.Token) > 0)
            {
                head.Append((char)buffer[0]);
                if (answerAtOnce)
                    break;
            }
            if (head.Length == 0)
                return;
            Requests.Add(head.ToString());
            var text = answer(head.ToString());
            _firstRequest.TrySetResult();
            if (text is null)
                await Task.Delay(Timeout.Infinite, _closing.Token);
            await stream.WriteAsync(Encoding.ASCII.GetBytes(text!), _closing.Token);
        }
    }

    /// <summary>Answers every call with one message and a status.</summary>
    private sealed class GrpcServer(WebApplication application) : IAsyncDisposable
    {
        internal (string Path, string ContentType, string UserAgent, string Body) Request { get; private set; }
        internal int Port => new Uri(application.Urls.First()).Port;

        internal static async Task<GrpcServer> StartAsync(byte[] answer, int status, string words = "")
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
            var application = builder.Build();
            var server = new GrpcServer(application);
            application.Run(async context =>
            {
                using var body = new MemoryStream();
                await context.Request.Body.CopyToAsync(body);
                server.Request = (
                    context.Request.Path, context.Request.ContentType!, context.Request.Headers.UserAgent!, Convert.ToHexStringLower(body.ToArray()));
                context.Response.ContentType = "application/grpc";
                context.Response.DeclareTrailer("grpc-status");
                if (status == 0)
                    await context.Response.BodyWriter.WriteAsync((byte[])[0, 0, 0, 0, (byte)answer.Length, .. answer]);
                context.Response.AppendTrailer("grpc-status", status.ToString(System.Globalization.CultureInfo.InvariantCulture));
                context.Response.AppendTrailer("grpc-message", words);
            });
            await application.StartAsync(Cancellation);
            return server;
        }

        public ValueTask DisposeAsync() => application.DisposeAsync();
    }

    /// <summary>A runtime that only runs commands.</summary>
    private sealed class ExecRuntime : UnusedRuntime
    {
        internal Func<IReadOnlyList<string>, ExecResult> Answer { get; set; } = _ => new ExecResult(0, [], []);
        internal List<IReadOnlyList<string>> Commands { get; } = [];

        public override Task<ExecResult> ExecSyncAsync(
            ContainerId container, IReadOnlyList<string> command, TimeSpan timeout, CancellationToken cancellationToken)
        {
            Commands.Add(command);
            return Task.FromResult(Answer(command));
        }
    }
}
