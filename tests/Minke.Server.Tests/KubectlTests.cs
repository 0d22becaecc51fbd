using System.Diagnostics;

namespace Minke.Server.Tests;

public sealed class KubectlTests
{
    private const string Pod = """
        apiVersion: v1
        kind: Pod
        metadata: {name: web, labels: {app: web}}
        spec:
          containers:
          - {name: a, image: "nginx:1"}
        """;

    [Fact]
    public async Task Kubectl_does_its_daily_work()
    {
        await using var server = await TestServer.StartAsync();
        using var kubectl = new Kubectl(server);
        Assert.Equal("pod/web created", await kubectl.RunAsync("apply -f -", Pod));
        Assert.Equal("pod/web unchanged", await kubectl.RunAsync("apply -f -", Pod));
        Assert.Equal("pod/web configured", await kubectl.RunAsync("apply --server-side=false -f -", Pod.Replace("nginx:1", "nginx:2", StringComparison.Ordinal)));
        Assert.Contains("pod/web image updated", await kubectl.RunAsync("set image pod/web a=nginx:3"), StringComparison.Ordinal);
        Assert.Equal("nginx:3", await kubectl.RunAsync("get pod web -o jsonpath={.spec.containers[0].image}"));
        Assert.Equal("pod/web labeled", await kubectl.RunAsync("label pod web tier=front"));
        Assert.Equal("pod/web annotated", await kubectl.RunAsync("annotate pod web note=x"));
        Assert.Matches("^NAME +READY +STATUS +RESTARTS +AGE\nweb +0/1 +Pending +0 +", await kubectl.RunAsync("get pods -l tier=front"));
        Assert.Contains("Service Account:  default", await kubectl.RunAsync("describe pod web"), StringComparison.Ordinal);
        Assert.Equal("configmap/c created", await kubectl.RunAsync("create configmap c --from-literal=a=b"));
        Assert.Contains("imagePullPolicy", await kubectl.RunAsync("explain pod.spec.containers"), StringComparison.Ordinal);
        Assert.Matches("(?m)^pods +po +v1 +true +Pod$", await kubectl.RunAsync("api-resources"));
        Assert.Equal("pod \"web\" deleted", await kubectl.RunAsync("delete pod web"));
        Assert.Equal("", await kubectl.RunAsync("wait --for=delete pod/web --timeout=5s"));
        Assert.Contains("unknown field \"spec.bogus\"", await kubectl.RunAsync("apply -f -", Pod.Replace("spec:", "spec:\n  bogus: 1", StringComparison.Ordinal), code: 1), StringComparison.Ordinal);
        Assert.Equal("No resources found in default namespace.", await kubectl.RunAsync("get events"));
        Assert.Equal("yes", await kubectl.RunAsync("auth can-i delete pods"));
    }

    /// <summary>The real kubectl with a configuration of its own.</summary>
    private sealed class Kubectl : IDisposable
    {
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
        private readonly string _directory = Directory.CreateTempSubdirectory("minke-kubectl-").FullName;

        public Kubectl(TestServer server)
        {
            var admin = server.Pki.Admin;
            File.WriteAllText(Path.Combine(_directory, "ca.crt"), server.Pki.AuthorityPem);
            File.WriteAllText(Path.Combine(_directory, "admin.crt"), admin.ExportCertificatePem());
            File.WriteAllText(Path.Combine(_directory, "admin.key"),
                System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(admin)!.ExportPkcs8PrivateKeyPem());
            File.WriteAllText(Path.Combine(_directory, "config"), $$"""
                apiVersion: v1
                kind: Config
                current-context: test
                clusters: [{name: test, cluster: {server: "https://{{server.Endpoint}}", certificate-authority: ca.crt} }]
                users: [{name: test, user: {client-certificate: admin.crt, client-key: admin.key} }]
                contexts: [{name: test, context: {cluster: test, user: test, namespace: default} }]
                """);
        }

        /// <summary>What it said: its output, and its errors when it said nothing else.</summary>
        public async Task<string> RunAsync(string arguments, string? input = null, int code = 0)
        {
            var start = new ProcessStartInfo("kubectl", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
            start.Environment["KUBECONFIG"] = Path.Combine(_directory, "config");
            start.Environment["KUBECACHEDIR"] = Path.Combine(_directory, "cache");
            using var process = Process.Start(start)!;
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancelled);
            deadline.CancelAfter(Patience);
            try
            {
                if (input is not null)
                    await process.StandardInput.WriteAsync(input);
                process.StandardInput.Close();
                var (output, errors) = (process.StandardOutput.ReadToEndAsync(deadline.Token), process.StandardError.ReadToEndAsync(deadline.Token));
                await process.WaitForExitAsync(deadline.Token);
                var said = (await output).Length > 0 ? await output : await errors;
                Assert.True(process.ExitCode == code, $"kubectl {arguments}: exit {process.ExitCode}: {await output}{await errors}");
                return said.TrimEnd();
            }
            finally
            {
                if (!process.HasExited)
                    process.Kill(entireProcessTree: true);
            }
        }

        public void Dispose() => Directory.Delete(_directory, recursive: true);
    }
}
