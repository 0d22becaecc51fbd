using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Minke.Server.Tests.Streaming;

public sealed class KubectlForwardTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Theory, InlineData(true), InlineData(false)]
    public async Task Connections_side_by_side_carry_bytes_both_ways(bool webSockets)
    {
        await using var server = await StreamingServer.StartAsync();
        using var echo = new EchoServer();
        using var forward = await Forward.StartAsync(server, webSockets, echo.Port);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => RoundTripAsync(forward.LocalPort, 1_000_000)));
        Assert.StartsWith(webSockets ? "websocket SPDY/3.1+portforward.k8s.io" : "SPDY/3.1", server.Upgrades.First());
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_port_nobody_listens_on_is_told(bool webSockets)
    {
        await using var server = await StreamingServer.StartAsync();
        int port;
        using (var closed = new EchoServer())
            port = closed.Port;
        using var forward = await Forward.StartAsync(server, webSockets, port);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, forward.LocalPort, TestContext.Current.CancellationToken);
        var line = await forward.ErrorAsync("error forwarding port");
        Assert.Contains($"error forwarding port {port} to pod web, uid u1: Connection refused", line);
    }

    private static async Task RoundTripAsync(int port, int bytes)
    {
        using var deadline = new CancellationTokenSource(Patience);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port, deadline.Token);
        var sent = RandomNumberGenerator.GetBytes(bytes);
        var stream = client.GetStream();
        var sending = stream.WriteAsync(sent, deadline.Token).AsTask();
        var received = new byte[bytes];
        await stream.ReadExactlyAsync(received, deadline.Token);
        await sending;
        Assert.Equal(SHA256.HashData(sent), SHA256.HashData(received));
    }

    private sealed class Forward : IDisposable
    {
        private readonly Process _process;

        private Forward(Process process, int localPort) => (_process, LocalPort) = (process, localPort);

        public int LocalPort { get; }

        public static async Task<Forward> StartAsync(StreamingServer server, bool webSockets, int port)
        {
            var process = Kubectl.Start(server, webSockets, ["port-forward", "--address=127.0.0.1", "pod/web", $":{port}"]);
            using var deadline = new CancellationTokenSource(Patience);
            try
            {
                // Forwarding from 127.0.0.1:40123 -> 80
                var line = await process.StandardOutput.ReadLineAsync(deadline.Token) ?? throw new IOException(await process.StandardError.ReadToEndAsync(deadline.Token));
                return new(process, int.Parse(line.Split(':', ' ')[3], System.Globalization.CultureInfo.InvariantCulture));
            }
            catch
            {
                process.Kill(entireProcessTree: true);
                throw;
            }
        }

        public async Task<string> ErrorAsync(string containing)
        {
            using var deadline = new CancellationTokenSource(Patience);
            while (await _process.StandardError.ReadLineAsync(deadline.Token) is { } line)
            {
                if (line.Contains(containing, StringComparison.Ordinal))
                    return line;
            }
            return "";
        }

        public void Dispose()
        {
            if (!_process.HasExited)
                _process.Kill(entireProcessTree: true);
            _process.Dispose();
        }
    }
}
