using System.Diagnostics;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Text;
using Minke.Client.Nodes;

namespace Minke.Server.Tests.Streaming;

/// <summary>What kubectl does besides running a command: terminals, attach, cp, logs, and hanging up.</summary>
public sealed class KubectlSessionTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_terminal_has_one_output_and_learns_its_size(bool webSockets)
    {
        await using var server = await StreamingServer.StartAsync();
        var start = Kubectl.Info("script", server, webSockets);
        var kubectl = string.Join(' ', ["kubectl", .. Kubectl.Connection(server), "exec", "-it", "web", "--", "sh", "-c", "'read x; echo got-$x'"]);
        foreach (var argument in new[] { "-qec", $"stty rows 33 cols 77; exec {kubectl}", "/dev/null" })
            start.ArgumentList.Add(argument);
        using var terminal = Process.Start(start)!;
        try
        {
            await UntilAsync(() => server.Processes.TryPeek(out var process) && process.Has(77, 33));
            await terminal.StandardInput.WriteAsync("hello\n");
            await terminal.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
            using var deadline = new CancellationTokenSource(Patience);
            while (await terminal.StandardOutput.ReadLineAsync(deadline.Token) is { } line && !line.Contains("got-hello", StringComparison.Ordinal))
            {
            }
            terminal.StandardInput.Close();
            await terminal.WaitForExitAsync(deadline.Token);
            Assert.Equal(0, terminal.ExitCode);
        }
        finally
        {
            if (!terminal.HasExited)
                terminal.Kill(entireProcessTree: true);
        }
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task Attach_joins_the_streams_of_the_container(bool webSockets)
    {
        await using var server = await StreamingServer.StartAsync();
        server.OnAttach = request => server.Keep(HostProcess.Start(request with { Command = ["sh", "-c", "echo hello; cat; exit 4"] }));
        var result = await Kubectl.RunAsync(server, webSockets, ["attach", "-i", "web", "-c", "main"], "ping\n"u8.ToArray());
        Assert.Equal("hello\nping\n", result.Text);
        Assert.Equal(0, result.ExitCode);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task Cp_goes_both_ways(bool webSockets)
    {
        await using var server = await StreamingServer.StartAsync();
        var directory = Directory.CreateTempSubdirectory("minke-cp-");
        try
        {
            var content = RandomNumberGenerator.GetBytes(3_000_000);
            var source = Path.Combine(directory.FullName, "source");
            await File.WriteAllBytesAsync(source, content, TestContext.Current.CancellationToken);
            var inPod = Path.Combine(directory.FullName, "in-pod");
            var back = Path.Combine(directory.FullName, "back");
            var to = await Kubectl.RunAsync(server, webSockets, ["cp", source, $"default/web:{inPod}", "-c", "main"]);
            Assert.True(to.ExitCode == 0, to.Errors);
            var from = await Kubectl.RunAsync(server, webSockets, ["cp", $"default/web:{inPod}", back, "-c", "main"]);
            Assert.True(from.ExitCode == 0, from.Errors);
            Assert.Equal(SHA256.HashData(content), SHA256.HashData(await File.ReadAllBytesAsync(back, TestContext.Current.CancellationToken)));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Theory, InlineData(true, "sleep 1000"), InlineData(false, "sleep 1000"), InlineData(true, "exec yes"), InlineData(false, "exec yes")]
    public async Task A_client_that_disappears_takes_its_command_with_it(bool webSockets, string command)
    {
        await using var server = await StreamingServer.StartAsync();
        using var kubectl = Kubectl.Start(server, webSockets, ["exec", "-i", "web", "--", "sh", "-c", $"echo ready; {command}"]);
        using var deadline = new CancellationTokenSource(Patience);
        Assert.Equal("ready", await kubectl.StandardOutput.ReadLineAsync(deadline.Token));
        kubectl.Kill(entireProcessTree: true);
        Assert.True(server.Processes.TryPeek(out var process));
        await process.Disposed.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_command_that_cannot_start_is_told_on_the_error_stream(bool webSockets)
    {
        await using var server = await StreamingServer.StartAsync();
        server.OnExec = _ => throw new IOException("no such file");
        var result = await Kubectl.RunAsync(server, webSockets, ["exec", "web", "--", "nothing"]);
        Assert.Contains("Internal error occurred: error executing command in container: no such file", result.Errors);
        Assert.Equal(1, result.ExitCode);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_refusal_before_the_upgrade_is_an_ordinary_status(bool webSockets)
    {
        await using var server = await StreamingServer.StartAsync();
        server.OnExec = _ => throw Minke.Api.StatusException.BadRequest("container main is not running");
        var result = await Kubectl.RunAsync(server, webSockets, ["exec", "web", "--", "true"]);
        Assert.Contains("container main is not running", result.Errors);
        Assert.Equal(1, result.ExitCode);
    }

    [Fact]
    public async Task Logs_come_as_they_are_written_and_end_with_the_client()
    {
        await using var server = await StreamingServer.StartAsync();
        var pipe = new Pipe();
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.OnLogs = cancellationToken =>
        {
            cancellationToken.Register(cancelled.SetResult);
            return Task.FromResult(pipe.Reader.AsStream());
        };
        using var kubectl = Kubectl.Start(server, webSockets: true, ["logs", "-f", "web"]);
        using var deadline = new CancellationTokenSource(Patience);
        foreach (var line in new[] { "one", "two" })
        {
            await pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), deadline.Token);
            Assert.Equal(line, await kubectl.StandardOutput.ReadLineAsync(deadline.Token));
        }
        kubectl.Kill(entireProcessTree: true);
        await cancelled.Task.WaitAsync(deadline.Token);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (!condition())
            await Task.Delay(TimeSpan.FromMilliseconds(10), deadline.Token);
    }
}
