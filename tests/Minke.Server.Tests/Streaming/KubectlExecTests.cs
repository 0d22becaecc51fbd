using System.Security.Cryptography;

namespace Minke.Server.Tests.Streaming;

public sealed class KubectlExecTests
{
    [Theory, InlineData(true), InlineData(false)]
    public async Task Output_errors_and_exit_code_reach_kubectl(bool webSockets)
    {
        await using var server = await StreamingServer.StartAsync();
        var result = await Kubectl.RunAsync(server, webSockets, ["exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
        Assert.Equal("out\n", result.Text);
        Assert.Contains("err\n", result.Errors);
        Assert.Contains("command terminated with exit code 7", result.Errors);
        Assert.Equal(7, result.ExitCode);
        Assert.Single(server.Upgrades);
        Assert.StartsWith(webSockets ? "websocket v5.channel.k8s.io" : "SPDY/3.1", server.Upgrades.First());
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task Success_is_silent(bool webSockets)
    {
        await using var server = await StreamingServer.StartAsync();
        var result = await Kubectl.RunAsync(server, webSockets, ["exec", "web", "--", "true"]);
        Assert.Equal((0, "", ""), (result.ExitCode, result.Text, result.Errors));
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task Fifty_megabytes_of_output_arrive_whole(bool webSockets)
    {
        await using var server = await StreamingServer.StartAsync();
        var result = await Kubectl.RunAsync(server, webSockets, ["exec", "web", "--", "sh", "-c", "seq 1 6500000 2>/dev/null | head -c 50000000; exit 3"]);
        Assert.Equal(50_000_000, result.Output.Length);
        using var expected = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("sh", ["-c", "seq 1 6500000 2>/dev/null | head -c 50000000"]) { RedirectStandardOutput = true })!;
        Assert.Equal(
            await SHA256.HashDataAsync(expected.StandardOutput.BaseStream, TestContext.Current.CancellationToken), SHA256.HashData(result.Output));
        Assert.Equal(3, result.ExitCode);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task Stdin_goes_through_and_its_end_ends_the_command(bool webSockets)
    {
        await using var server = await StreamingServer.StartAsync();
        var input = RandomNumberGenerator.GetBytes(8_000_000);
        var result = await Kubectl.RunAsync(server, webSockets, ["exec", "-i", "web", "--", "cat"], input);
        Assert.Equal("", result.Errors);
        Assert.Equal(0, result.ExitCode);
        Assert.Equal(SHA256.HashData(input), SHA256.HashData(result.Output));
    }
}
