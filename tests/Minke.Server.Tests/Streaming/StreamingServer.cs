using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Client.Nodes;
using Minke.Server.Streaming;

namespace Minke.Server.Tests.Streaming;

/// <summary>A server that answers what kubectl asks before it streams, and then streams: one pod, one container, commands of this machine.</summary>
internal sealed class StreamingServer : IAsyncDisposable
{
    private const string Pod = """
        {"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"default","uid":"u1"},
        "spec":{"containers":[{"name":"main","image":"i","stdin":true,"tty":false,"ports":[{"containerPort":80}]}]},
        "status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[{"name":"main","ready":true,"state":{"running":{}}}]}}
        """;

    private readonly WebApplication _app;

    private StreamingServer(WebApplication app) => _app = app;

    /// <summary>Where kubectl may keep what it discovers.</summary>
    public string CacheDirectory { get; } = Directory.CreateTempSubdirectory("minke-kubectl-").FullName;

    public Uri Url => new(_app.Urls.First());
    public ConcurrentQueue<HostProcess> Processes { get; } = new();
    public ConcurrentQueue<string> Upgrades { get; } = new();
    public Func<ExecStreamsRequest, IProcessStreams>? OnExec { get; set; }
    public Func<ExecStreamsRequest, IProcessStreams>? OnAttach { get; set; }
    public Func<CancellationToken, Task<Stream>>? OnLogs { get; set; }

    public static async Task<StreamingServer> StartAsync(StreamingOptions? options = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var server = new StreamingServer(app);
        var endpoints = new StreamingEndpoints(options ?? new(), TimeProvider.System);
        app.Run(http => server.AnswerAsync(http, endpoints));
        await app.StartAsync();
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(true));
        await _app.DisposeAsync();
        try
        {
            Directory.Delete(CacheDirectory, recursive: true);
        }
        catch (IOException)
        {
            // A kubectl that was killed a moment ago wrote its last file.
            Directory.Delete(CacheDirectory, recursive: true);
        }
    }

    private async Task AnswerAsync(HttpContext http, StreamingEndpoints endpoints)
    {
        try
        {
            await RouteAsync(http, endpoints);
        }
        catch (StatusException error)
        {
            http.Response.StatusCode = error.Code;
            http.Response.ContentType = "application/json";
            await http.Response.Body.WriteAsync(Json.Write(error.Status));
        }
    }

    private Task RouteAsync(HttpContext http, StreamingEndpoints endpoints)
    {
        var pod = new PodReference("default", "web", "u1");
        var upgrade = $"{http.Request.Headers.Upgrade} {http.Request.Headers.SecWebSocketProtocol}";
        switch (http.Request.Path.Value)
        {
            case "/api":
                return JsonAsync(http, """{"kind":"APIVersions","versions":["v1"]}""");
            case "/apis":
                return JsonAsync(http, """{"kind":"APIGroupList","apiVersion":"v1","groups":[]}""");
            case "/version":
                return JsonAsync(http, """{"major":"1","minor":"32","gitVersion":"v1.32.0"}""");
            case "/api/v1":
                return JsonAsync(http, """
                    {"kind":"APIResourceList","groupVersion":"v1","resources":[
                    {"name":"pods","singularName":"pod","namespaced":true,"kind":"Pod","verbs":["get","list"],"shortNames":["po"]}]}
                    """);
            case "/api/v1/namespaces/default/pods/web":
                return JsonAsync(http, Pod);
            case "/api/v1/namespaces/default/pods/web/exec":
                Upgrades.Enqueue(upgrade);
                var exec = ReadRequest(http);
                return endpoints.ExecAsync(http, exec, _ => Task.FromResult(OnExec is null ? Keep(HostProcess.Start(exec)) : OnExec(exec)));
            case "/api/v1/namespaces/default/pods/web/attach":
                Upgrades.Enqueue(upgrade);
                var attach = ReadRequest(http);
                return endpoints.AttachAsync(http, attach, _ => Task.FromResult(OnAttach!(attach)));
            case "/api/v1/namespaces/default/pods/web/portforward":
                Upgrades.Enqueue(upgrade);
                return endpoints.PortForwardAsync(http, pod, ConnectAsync);
            case "/api/v1/namespaces/default/pods/web/log":
                return endpoints.LogsAsync(http, OnLogs!);
            default:
                http.Response.StatusCode = 404;
                return Task.CompletedTask;
        }
    }

    private static ExecStreamsRequest ReadRequest(HttpContext http)
    {
        var query = http.Request.Query;
        return new()
        {
            Container = query["container"].ToString(),
            Command = [.. query["command"].Select(part => part ?? "")],
            Stdin = query["stdin"] == "true",
            Stdout = query["stdout"] == "true",
            Stderr = query["stderr"] == "true",
            Tty = query["tty"] == "true",
        };
    }

    public HostProcess Keep(HostProcess process)
    {
        Processes.Enqueue(process);
        return process;
    }

    private static async Task<Stream> ConnectAsync(int port, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static Task JsonAsync(HttpContext http, string json)
    {
        http.Response.ContentType = "application/json";
        return http.Response.WriteAsync(json);
    }
}
