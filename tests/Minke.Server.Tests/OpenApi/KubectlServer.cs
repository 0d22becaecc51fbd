using System.Diagnostics;
using System.Text;

namespace Minke.Server.Tests.OpenApi;

/// <summary>A server and what the real kubectl needs to talk to it as its administrator.</summary>
public sealed class KubectlServer : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _directory = Directory.CreateTempSubdirectory("minke-kubectl-").FullName;

    internal TestServer Server { get; private set; } = null!;

    internal sealed record Result(int ExitCode, string Output, string Errors);

    public async ValueTask InitializeAsync()
    {
        Server = await TestServer.StartAsync();
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

    /// <summary>Arguments are split at blanks.</summary>
    internal async Task<Result> RunAsync(string arguments, string input = "")
    {
        var start = new ProcessStartInfo("kubectl", arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["KUBECONFIG"] = Path.Combine(_directory, "config");
        start.Environment["KUBECACHEDIR"] = Path.Combine(_directory, "cache");
        start.Environment["HOME"] = _directory;
        using var process = Process.Start(start)!;
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

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
