using System.Diagnostics;
using System.Text;

namespace Minke.Server.Tests.Streaming;

/// <summary>Runs the real kubectl against a test's server.</summary>
internal static class Kubectl
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public sealed record Result(int ExitCode, byte[] Output, string Errors)
    {
        public string Text => Encoding.UTF8.GetString(Output);
    }

    public static async Task<Result> RunAsync(StreamingServer server, bool webSockets, IEnumerable<string> arguments, byte[]? input = null)
    {
        using var process = Start(server, webSockets, arguments);
        using var deadline = new CancellationTokenSource(Patience);
        try
        {
            var output = ReadAllAsync(process.StandardOutput.BaseStream, deadline.Token);
            var errors = ReadAllAsync(process.StandardError.BaseStream, deadline.Token);
            if (input is not null)
                await process.StandardInput.BaseStream.WriteAsync(input, deadline.Token);
            process.StandardInput.Close();
            await process.WaitForExitAsync(deadline.Token);
            return new(process.ExitCode, await output, Encoding.UTF8.GetString(await errors));
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    public static Process Start(StreamingServer server, bool webSockets, IEnumerable<string> arguments)
    {
        var start = Info("kubectl", server, webSockets);
        foreach (var argument in Connection(server).Concat(arguments))
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    public static string[] Connection(StreamingServer server) => [$"--server={server.Url}", "--namespace=default"];

    public static ProcessStartInfo Info(string program, StreamingServer server, bool webSockets)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["KUBECONFIG"] = "/dev/null";
        start.Environment["KUBECACHEDIR"] = server.CacheDirectory;
        start.Environment["KUBECTL_REMOTE_COMMAND_WEBSOCKETS"] = webSockets ? "true" : "false";
        start.Environment["KUBECTL_PORT_FORWARD_WEBSOCKETS"] = webSockets ? "true" : "false";
        return start;
    }

    private static async Task<byte[]> ReadAllAsync(Stream stream, CancellationToken cancellationToken)
    {
        using var memory = new MemoryStream();
        await stream.CopyToAsync(memory, cancellationToken);
        return memory.ToArray();
    }
}
