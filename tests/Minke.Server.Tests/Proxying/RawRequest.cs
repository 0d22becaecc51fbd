using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Minke.Server.Tests.Proxying;

/// <summary>A request of an administrator over a connection of its own, byte by byte.</summary>
internal sealed class RawRequest(SslStream stream) : IDisposable
{
    public static async Task<RawRequest> SendAsync(TestServer server, string request)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server.Endpoint, TestServer.Cancelled);
#pragma warning disable CA5359 // A test talks to the server it has started itself.
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true), false, (_, _, _, _) => true);
#pragma warning restore CA5359
        var admin = X509CertificateLoader.LoadPkcs12(server.Pki.Admin.Export(X509ContentType.Pkcs12), null);
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", ClientCertificates = [admin] }, TestServer.Cancelled);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), TestServer.Cancelled);
        return new(stream);
    }

    /// <summary>Of the answer, to its empty line.</summary>
    public async Task<string> HeadAsync()
    {
        var head = new StringBuilder();
        var letter = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(letter, TestServer.Cancelled) > 0)
            head.Append((char)letter[0]);
        return head.ToString();
    }

    public async Task<string> EchoAsync(string text)
    {
        await stream.WriteAsync(Encoding.ASCII.GetBytes(text), TestServer.Cancelled);
        var answer = new byte[text.Length];
        await stream.ReadExactlyAsync(answer, TestServer.Cancelled);
        return Encoding.ASCII.GetString(answer);
    }

    public void Dispose() => stream.Dispose();
}
