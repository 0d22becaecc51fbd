using System.Diagnostics;
using System.Text;

namespace Minke.Server.Tests.OpenApi;

/// <summary>A server and what the real kubectl needs to talk to it as its administrator.</summary>
public sealed class KubectlServer : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _directory = Directory.CreateTempSubdirectory("minke-kubectl-").FullName;

    internal TestServer Server { get; private set; } = null!;

    /// <summary>Behind every pod on the node <c>n</c>.</summary>
    internal FakeNode Node { get; } = new();

    internal sealed record Result(int ExitCode, string Output, string Errors);

    public async ValueTask InitializeAsync()
    {
        Server = await TestServer.StartAsync(change: options => options with { Nodes = Node });
        using var key = System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(Server.Pki.Admin)!;
        await File.WriteAllTextAsync(Path.Combine(_directory, "config"), $$$"""
            {"apiVersion":"v1","kind":"Config","current-context":"test",
             "clusters":[{"name":"test","cluster":{"server":"https://{{{Server.Endpoint}}}","certificate-authority-data":"{{{Base64(Server.Pki.AuthorityPem)}}}"}}],
             "users":[{"name":"admin","user":{"client-certificate-data":"{{{Base64(Server.Pki.Admin.ExportCertificatePem())}}}","client-key-data":"{{{Base64(key.ExportECPrivateKeyPem())}}}"}}],
             "contexts":[{"name":"test","context":{"cluster":"test","user":"admin"}}]}
            """);
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    /// <summary>Arguments are split at blanks; "␠" is one that stays.</summary>
    internal async Task<Result> RunAsync(string arguments, string input = "")
    {
        using var process = Start(arguments);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancelled);
        deadline.CancelAfter(Patience);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
            var errors = process.StandardError.ReadToEndAsync(deadline.Token);
            await process.StandardInput.WriteAsync(input.AsMemory(), deadline.Token);
            process.StandardInput.Close();
            await process.WaitForExitAsync(deadline.Token);
            return new(process.ExitCode, await output, await errors);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    /// <summary>What a kubectl that must succeed says, without white space at its ends.</summary>
    internal async Task<string> SayAsync(string arguments, string input = "")
    {
        var result = await RunAsync(arguments, input);
        Assert.True(result.ExitCode == 0, $"kubectl {arguments}: exit {result.ExitCode}: {result.Output}{result.Errors}");
        return result.Output.Trim();
    }

    /// <summary>What one that must fail complains of.</summary>
    internal async Task<string> RefusalAsync(string arguments, string input = "")
    {
        var result = await RunAsync(arguments, input);
        Assert.True(result.ExitCode != 0, $"kubectl {arguments}: succeeded: {result.Output}{result.Errors}");
        return result.Errors.Trim();
    }

    /// <summary>For one that stays: the caller ends it.</summary>
    internal Process Start(string arguments)
    {
        var start = new ProcessStartInfo("kubectl", arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(argument => argument.Replace('␠', ' ')))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["KUBECONFIG"] = Path.Combine(_directory, "config");
        start.Environment["KUBECACHEDIR"] = Path.Combine(_directory, "cache");
        start.Environment["HOME"] = _directory;
        return Process.Start(start)!;
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
