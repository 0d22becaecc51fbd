using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Minke.Server.Streaming;

namespace Minke.Server.Tests.Streaming;

/// <summary>What clients other than kubectl do over WebSockets, and what happens to those that do nothing.</summary>
public sealed class WebSocketTests
{
    private const string Status3 =
        """{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: error executing command [sh -c echo out; exit 3], exit code 3","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}""";

    private const string Exec = "exec?stdout=true&stderr=true&command=sh&command=-c&command=echo%20out%3B%20exit%203";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Theory, InlineData("v5.channel.k8s.io"), InlineData("v4.channel.k8s.io"), InlineData("v4.base64.channel.k8s.io")]
    public async Task The_error_channel_ends_with_a_status(string protocol)
    {
        await using var server = await StreamingServer.StartAsync();
        using var client = await ConnectAsync(server, Exec, protocol);
        var messages = await ReadAllAsync(client, protocol);
        Assert.Equal([(1, ""), (1, "out\n"), (3, Status3)], messages);
        Assert.Equal(WebSocketCloseStatus.NormalClosure, client.CloseStatus);
    }

    [Theory, InlineData("channel.k8s.io"), InlineData("base64.channel.k8s.io"), InlineData(null)]
    public async Task Before_version_4_the_error_channel_ends_with_a_message(string? protocol)
    {
        await using var server = await StreamingServer.StartAsync();
        using var client = await ConnectAsync(server, Exec, protocol);
        var messages = await ReadAllAsync(client, protocol ?? "");
        Assert.StartsWith("command terminated with non-zero exit code", messages[^1].Text);
    }

    [Fact]
    public async Task Version_5_closes_stdin_by_a_signal()
    {
        await using var server = await StreamingServer.StartAsync();
        using var client = await ConnectAsync(server, "exec?stdin=true&stdout=true&command=cat", "v5.channel.k8s.io");
        await client.SendAsync(new byte[] { 0, (byte)'h', (byte)'i' }, WebSocketMessageType.Binary, true, TestContext.Current.CancellationToken);
        await client.SendAsync(new byte[] { 255, 0 }, WebSocketMessageType.Binary, true, TestContext.Current.CancellationToken);
        Assert.Equal([(1, ""), (1, "hi"), (3, """{"metadata":{},"status":"Success"}""")], await ReadAllAsync(client, "v5.channel.k8s.io"));
    }

    [Theory, InlineData("v4.channel.k8s.io"), InlineData("v4.base64.channel.k8s.io")]
    public async Task Port_forward_numbers_two_channels_for_each_port(string protocol)
    {
        await using var server = await StreamingServer.StartAsync();
        using var echo = new EchoServer();
        using var client = await ConnectAsync(server, $"portforward?ports={echo.Port}", protocol);
        var port = Encoding.Latin1.GetString([(byte)echo.Port, (byte)(echo.Port >> 8)]);
        Assert.Equal((0, port), await ReadAsync(client, protocol));
        Assert.Equal((1, port), await ReadAsync(client, protocol));
        byte[] message = protocol.Contains("base64", StringComparison.Ordinal) ? "0aGVsbG8="u8.ToArray() : [0, .. "hello"u8];
        await client.SendAsync(message, WebSocketMessageType.Binary, true, TestContext.Current.CancellationToken);
        Assert.Equal((0, "hello"), await ReadAsync(client, protocol));
    }

    [Theory, InlineData("binary.k8s.io"), InlineData("base64.binary.k8s.io"), InlineData(null)]
    public async Task A_log_comes_in_messages_of_which_the_first_is_empty(string? protocol)
    {
        await using var server = await StreamingServer.StartAsync();
        server.OnLogs = _ => Task.FromResult<Stream>(new MemoryStream("container is alive\n"u8.ToArray()));
        using var client = await ConnectAsync(server, "log", protocol);
        var isBase64 = protocol?.StartsWith("base64", StringComparison.Ordinal) == true;
        Assert.Equal("", await NextAsync());
        Assert.Equal(isBase64 ? Convert.ToBase64String("container is alive\n"u8) : "container is alive\n", await NextAsync());
        Assert.Null(await NextAsync());
        Assert.Equal(WebSocketCloseStatus.NormalClosure, client.CloseStatus);

        async Task<string?> NextAsync()
        {
            using var deadline = new CancellationTokenSource(Patience);
            var buffer = new byte[1024];
            var received = await client.ReceiveAsync(buffer.AsMemory(), deadline.Token);
            if (received.MessageType == WebSocketMessageType.Close)
                return null;
            Assert.Equal((isBase64 ? WebSocketMessageType.Text : WebSocketMessageType.Binary, true), (received.MessageType, received.EndOfMessage));
            return Encoding.UTF8.GetString(buffer, 0, received.Count);
        }
    }

    [Fact]
    public async Task An_unknown_protocol_and_a_request_without_upgrade_are_refused()
    {
        await using var server = await StreamingServer.StartAsync();
        var error = await Assert.ThrowsAsync<WebSocketException>(() => ConnectAsync(server, Exec, "v9.channel.k8s.io"));
        Assert.Contains("403", error.Message);
        using var http = new HttpClient();
        using var reply = await http.GetAsync(new Uri(server.Url, "/api/v1/namespaces/default/pods/web/" + Exec), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, reply.StatusCode);
        Assert.Contains("Upgrade request required", await reply.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Empty(server.Processes);
    }

    [Fact]
    public async Task A_connection_idle_for_too_long_is_closed_and_its_command_ended()
    {
        await using var server = await StreamingServer.StartAsync(new() { IdleTimeout = TimeSpan.FromMilliseconds(300) });
        using var client = await ConnectAsync(server, "exec?stdout=true&command=sleep&command=1000", "v5.channel.k8s.io");
        Assert.Equal((1, ""), await ReadAsync(client, "v5.channel.k8s.io"));
        Assert.True(server.Processes.TryPeek(out var process));
        await process.Disposed.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_spdy_client_that_opens_no_streams_is_hung_up_on()
    {
        await using var server = await StreamingServer.StartAsync(new() { StreamCreationTimeout = TimeSpan.FromMilliseconds(300) });
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, server.Url.Port, TestContext.Current.CancellationToken);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /api/v1/namespaces/default/pods/web/exec?stdout=true&command=sleep&command=1000 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" +
            "X-Stream-Protocol-Version: v4.channel.k8s.io\r\nContent-Length: 0\r\n\r\n"), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(client.GetStream(), Encoding.Latin1);
        using var deadline = new CancellationTokenSource(Patience);
        Assert.StartsWith("HTTP/1.1 101 ", await reader.ReadToEndAsync(deadline.Token));
        Assert.True(server.Processes.TryPeek(out var process));
        await process.Disposed.Task.WaitAsync(deadline.Token);
    }

    private static async Task<ClientWebSocket> ConnectAsync(StreamingServer server, string rest, string? protocol)
    {
        var client = new ClientWebSocket();
        if (protocol is not null)
            client.Options.AddSubProtocol(protocol);
        var url = new UriBuilder(new Uri(server.Url, "/api/v1/namespaces/default/pods/web/" + rest)) { Scheme = "ws" }.Uri;
        try
        {
            await client.ConnectAsync(url, TestContext.Current.CancellationToken);
            Assert.Equal(protocol, client.SubProtocol);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    private static async Task<List<(int Channel, string Text)>> ReadAllAsync(ClientWebSocket client, string protocol)
    {
        var messages = new List<(int, string)>();
        while (await ReadAsync(client, protocol) is { } message)
            messages.Add(message);
        await client.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, TestContext.Current.CancellationToken);
        return messages;
    }

    private static async Task<(int Channel, string Text)?> ReadAsync(ClientWebSocket client, string protocol)
    {
        using var deadline = new CancellationTokenSource(Patience);
        var buffer = new byte[64 * 1024];
        var length = 0;
        while (true)
        {
            var received = await client.ReceiveAsync(buffer.AsMemory(length), deadline.Token);
            if (received.MessageType == WebSocketMessageType.Close)
                return null;
            length += received.Count;
            if (!received.EndOfMessage)
                continue;
            return protocol.Contains("base64", StringComparison.Ordinal)
                ? (buffer[0] - '0', Encoding.Latin1.GetString(Convert.FromBase64String(Encoding.ASCII.GetString(buffer, 1, length - 1))))
                : (buffer[0], Encoding.Latin1.GetString(buffer, 1, length - 1));
        }
    }
}
