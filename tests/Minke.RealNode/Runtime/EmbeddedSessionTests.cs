using System.Text;
using Minke.Node.Runtime;

namespace Minke.RealNode.Runtime;

/// <summary>Commands, attaching and port forwarding.</summary>
public sealed class EmbeddedSessionTests(EmbeddedFixture fixture) : EmbeddedTestBase(fixture)
{
    [Fact]
    public async Task A_command_reads_its_input_to_the_end()
    {
        var container = await StartAsync(await RunPodAsync(), Shell());
        await using var session = await Runtime.ExecAsync(container, new ExecRequest(["wc", "-c"], true, true, true, false), Token);
        var data = new byte[1 << 20];
        await session.Stdin!.WriteAsync(data, Token);
        await session.Stdin.DisposeAsync();
        Assert.Equal("1048576\n", await ReadAsync(session.Stdout!));
        Assert.Equal(0, await session.WaitAsync(Token));
    }

    [Fact]
    public async Task A_command_is_the_containers_user_in_its_directory_with_its_environment()
    {
        var container = await StartAsync(await RunPodAsync(), Shell() with
        {
            Env = [new("MINE", "yes")],
            WorkingDir = "/tmp",
            Security = new ContainerSecurity { RunAsUser = 1000, DropCapabilities = ["ALL"] },
        });
        Assert.Equal("1000 /tmp yes", await ExecAsync(container, "sh", "-c", "echo $(id -u) $(pwd) $MINE"));
        Assert.Equal("CapBnd:\t0000000000000000\nSeccomp:\t2", await ExecAsync(container, "grep", "-E", "CapBnd|Seccomp:", "/proc/self/status"));
    }

    [Fact]
    public async Task A_terminal_has_the_size_it_is_given()
    {
        var container = await StartAsync(await RunPodAsync(), Shell());
        await using var session = await Runtime.ExecAsync(container, new ExecRequest(["sh"], true, true, false, true), Token);
        await session.ResizeAsync(123, 45, Token);
        await session.Stdin!.WriteAsync("stty size; tty; exit 6\n"u8.ToArray(), Token);
        var output = await ReadAsync(session.Stdout!);
        Assert.Contains("45 123\r\n/dev/pts/", output, StringComparison.Ordinal);
        Assert.Equal(6, await session.WaitAsync(Token));
        Assert.Null(session.Stderr);
    }

    [Theory]
    [InlineData(false, "nothing", "exec: \"nothing\": executable file not found in $PATH")]
    [InlineData(true, "nothing", "exec: \"nothing\": executable file not found in $PATH")]
    [InlineData(false, "/etc/passwd", "ermission denied")]
    public async Task A_command_that_cannot_be_executed_says_so(bool terminal, string command, string expected)
    {
        var container = await StartAsync(await RunPodAsync(), Shell());
        await using var session = await Runtime.ExecAsync(container, new ExecRequest([command], false, true, !terminal, terminal), Token);
        var output = await ReadAsync(session.Stdout!);
        Assert.True(terminal || output.Length == 0, output);
        var error = await Assert.ThrowsAsync<RuntimeException>(() => session.WaitAsync(Token));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_command_killed_by_a_signal_reports_it_and_one_that_leaves_a_child_ends_all_the_same()
    {
        var container = await StartAsync(await RunPodAsync(), Shell());
        var killed = await Runtime.ExecSyncAsync(container, ["sh", "-c", "kill -9 $$"], TimeSpan.FromSeconds(20), Token);
        Assert.Equal(137, killed.ExitCode);
        var left = await Runtime.ExecSyncAsync(container, ["sh", "-c", "sleep 1000 & echo done"], TimeSpan.FromSeconds(20), Token);
        Assert.Equal("done\n", Encoding.UTF8.GetString(left.Stdout));
    }

    [Fact]
    public async Task Ending_a_session_ends_its_command()
    {
        var container = await StartAsync(await RunPodAsync(), Shell());
        var session = await Runtime.ExecAsync(container, new ExecRequest(["sh", "-c", "echo started; exec sleep 55555"], false, true, true, false), Token);
        var buffer = new byte[100];
        Assert.Equal(8, await session.Stdout!.ReadAsync(buffer, Token));
        await session.DisposeAsync();
        Assert.DoesNotContain("55555", await ExecAsync(container, "ps"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Output_beyond_16_KiB_is_cut()
    {
        var container = await StartAsync(await RunPodAsync(), Shell());
        var result = await Runtime.ExecSyncAsync(container, ["sh", "-c", "head -c 300000 /dev/zero"], TimeSpan.FromSeconds(20), Token);
        Assert.Equal((0, 16 * 1024), (result.ExitCode, result.Stdout.Length));
    }

    [Fact]
    public async Task Attaching_joins_the_streams_of_the_first_process_and_leaving_does_not_end_it()
    {
        var container = await StartAsync(await RunPodAsync(), Shell("while read line; do echo got $line; echo err $line >&2; done; echo end of input") with { Stdin = true });
        await using (var first = await Runtime.AttachAsync(container, new AttachRequest(true, true, true, false), Token))
        {
            await first.Stdin!.WriteAsync("one\n"u8.ToArray(), Token);
            Assert.Equal("got one\n", await ReadAsync(first.Stdout!, 8));
            Assert.Equal("err one\n", await ReadAsync(first.Stderr!, 8));
        }
        await using (var second = await Runtime.AttachAsync(container, new AttachRequest(true, true, false, false), Token))
        {
            await second.Stdin!.WriteAsync("two\n"u8.ToArray(), Token);
            Assert.Equal("got two\n", await ReadAsync(second.Stdout!, 8));
        }
        Assert.Equal(ContainerState.Running, (await Runtime.ContainerStatusAsync(container, Token))!.State);
    }

    [Fact]
    public async Task With_stdin_once_the_first_sessions_end_is_the_end_of_input()
    {
        var container = await StartAsync(await RunPodAsync(), Shell("while read line; do echo got $line; done; echo end of input; exit 9") with { Stdin = true, StdinOnce = true });
        await using var session = await Runtime.AttachAsync(container, new AttachRequest(true, true, true, false), Token);
        await session.Stdin!.WriteAsync("one\n"u8.ToArray(), Token);
        await session.Stdin.DisposeAsync();
        Assert.Equal("got one\nend of input\n", await ReadAsync(session.Stdout!));
        Assert.Equal(9, await session.WaitAsync(Token));
    }

    [Fact]
    public async Task Attaching_to_a_terminal_types_into_it_and_sets_its_size()
    {
        var container = await StartAsync(await RunPodAsync(), Shell("read x; stty size; read x; echo bye; exit 0") with { Stdin = true, Tty = true });
        await using var session = await Runtime.AttachAsync(container, new AttachRequest(true, true, true, true), Token);
        Assert.Null(session.Stderr);
        await session.ResizeAsync(100, 30, Token);
        await session.Stdin!.WriteAsync("\n"u8.ToArray(), Token);
        await WhenLoggedAsync((await Runtime.ContainerStatusAsync(container, Token))!.LogPath, "30 100");
        await session.Stdin!.WriteAsync("\n"u8.ToArray(), Token);
        Assert.EndsWith("bye\r\n", await ReadAsync(session.Stdout!), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_of_the_pods_loopback_is_reached_from_here_and_a_closed_one_says_so()
    {
        var sandbox = await RunPodAsync();
        var container = await StartAsync(sandbox, Shell("echo listening; nc -l -p 9090 -e cat"));
        await WhenLoggedAsync((await Runtime.ContainerStatusAsync(container, Token))!.LogPath, "listening");
        await using var stream = await ConnectAsync(sandbox, 9090);
        await stream.WriteAsync("through the namespace\n"u8.ToArray(), Token);
        Assert.Equal("through the namespace\n", await ReadAsync(stream, 22));
        var error = await Assert.ThrowsAsync<RuntimeException>(() => Runtime.PortForwardAsync(sandbox, 9999, Token));
        Assert.Contains("failed to connect to localhost:9999", error.Message, StringComparison.Ordinal);
        Assert.Contains("connection refused", error.Message, StringComparison.Ordinal);
    }

    /// <summary>"listening" is said a moment before it is so.</summary>
    private async Task<Stream> ConnectAsync(SandboxId sandbox, int port)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await Runtime.PortForwardAsync(sandbox, port, Token);
            }
            catch (RuntimeException) when (attempt < 200)
            {
                await Task.Yield();
            }
        }
    }

    private static async Task<string> ReadAsync(Stream stream, int atLeast = int.MaxValue)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(TimeSpan.FromSeconds(20));
        var text = new StringBuilder();
        var buffer = new byte[4096];
        while (text.Length < atLeast && await stream.ReadAsync(buffer, limit.Token) is > 0 and var read)
            text.Append(Encoding.UTF8.GetString(buffer, 0, read));
        return text.ToString();
    }
}
