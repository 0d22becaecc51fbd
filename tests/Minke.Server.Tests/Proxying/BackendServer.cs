using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Minke.Server.Tests.Proxying;

/// <summary>Somebody behind a proxy, over plain HTTP or TLS, and the pretence that it lies at whatever address is dialled.</summary>
internal sealed class BackendServer : IAsyncDisposable
{
    private readonly WebApplication _application;

    private BackendServer(WebApplication application)
    {
        _application = application;
        Port = new Uri(application.Urls.Single()).Port;
    }

    public int Port { get; }

    /// <summary>What the proxy has dialled, in order.</summary>
    public List<string> Dialled { get; } = [];

    public static async Task<BackendServer> StartAsync(RequestDelegate answer, X509Certificate2? certificate = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (certificate is null)
            {
                listen.Protocols = HttpProtocols.Http1;
                return;
            }
#pragma warning disable CA5359 // Whom it believes is what its tests look at.
            listen.UseHttps(certificate, https =>
            {
                https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
                https.AllowAnyClientCertificate();
            });
#pragma warning restore CA5359
        }));
        var application = builder.Build();
        application.Run(answer);
        await application.StartAsync(TestServer.Cancelled);
        return new(application);
    }

    /// <summary>For <see cref="ApiServerOptions.Dial"/>: every address leads here.</summary>
    public async Task<Stream> DialAsync(EndPoint endpoint, CancellationToken cancellationToken)
    {
        lock (Dialled)
            Dialled.Add(endpoint.ToString()!);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, Port, cancellationToken);
        return new NetworkStream(socket, ownsSocket: true);
    }

    public ValueTask DisposeAsync() => _application.DisposeAsync();
}
