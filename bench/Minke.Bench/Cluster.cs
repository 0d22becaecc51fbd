using System.Diagnostics;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Minke.Bench;

/// <summary>One cluster of the published binary in a data directory of its own, seen from outside: its processes and its HTTPS.</summary>
internal sealed class Cluster(string binary, string image) : IAsyncDisposable
{
    public const string Address = "https://127.0.0.1:6443";
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private readonly string _data = Directory.CreateTempSubdirectory("minke-bench-").FullName;
    private Process? _up;
    private HttpClient? _http;

    /// <summary>A client with the administrator's certificate, as the kubeconfig has it.</summary>
    public HttpClient Http => _http ??= CreateClient();

    /// <summary>What tells this cluster's things from others' in command lines: the binary makes it of the directory's path.</summary>
    private string InstanceId => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(_data)))[..8];

    public Task LoadImageAsync() => Commands.RunAsync(binary, "image", "load", image, "--data-dir", _data);

    /// <summary>Executes <c>minke up</c>.</summary>
    /// <returns>When, as <see cref="Stopwatch"/> has it.</returns>
    public long Start(params string[] more)
    {
        var began = Stopwatch.GetTimestamp();
        _up = Commands.Start(binary, ["up", .. more, "--data-dir", _data]);
        // Its output is nobody's business, but a full pipe would stop it.
        _ = _up.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
        _ = _up.StandardError.BaseStream.CopyToAsync(Stream.Null);
        return began;
    }

    /// <summary>Until it has said where it answers, which is a moment later: only then can anybody be its administrator, or end it.</summary>
    public async Task WaitRunningAsync()
    {
        var began = await WaitReadyAsync();
        while (!File.Exists(Path.Combine(_data, "cluster.json")))
        {
            if (Stopwatch.GetElapsedTime(began) > StartLimit)
                throw new InvalidOperationException($"cluster.json was not there within {StartLimit.TotalSeconds} s");
            await Task.Delay(5);
        }
    }

    /// <summary>Asks <c>/readyz</c> every millisecond, as somebody who has no certificate yet.</summary>
    public async Task<long> WaitReadyAsync()
    {
#pragma warning disable CA5359 // before the first start there is no authority to check against, and nothing is said that matters
        using var anonymous = new HttpClient(new SocketsHttpHandler { UseProxy = false, SslOptions = { RemoteCertificateValidationCallback = (_, _, _, _) => true } });
#pragma warning restore CA5359
        var began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < StartLimit)
        {
            if (_up!.HasExited)
                throw new InvalidOperationException($"minke up ended with exit code {_up.ExitCode}");
            try
            {
                using var answer = await anonymous.GetAsync(Address + "/readyz");
                if (answer.IsSuccessStatusCode)
                    return Stopwatch.GetTimestamp();
            }
            catch (HttpRequestException)
            {
                // Nobody listens yet.
            }
            await Task.Delay(1);
        }
        throw new InvalidOperationException($"/readyz was not ok within {StartLimit.TotalSeconds} s");
    }

    /// <summary>Minke itself.</summary>
    public OwnProcess Server => OwnProcess.TryRead(_up!.Id) ?? throw new InvalidOperationException("minke up has ended");

    /// <summary>
    /// Processes of the cluster that are not a pod's own: Minke, and the monitor (and PID-namespace init, where asked for) of each container.
    /// </summary>
    public IReadOnlyList<OwnProcess> Processes() =>
        [.. Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => char.IsAsciiDigit(name![0]))
            .Select(name => OwnProcess.TryRead(int.Parse(name!, System.Globalization.CultureInfo.InvariantCulture))).OfType<OwnProcess>().Where(IsOurs)];

    public bool IsOurs(OwnProcess process) =>
        process.CommandLine.Contains(_data, StringComparison.Ordinal) || process.CommandLine.Contains(InstanceId, StringComparison.Ordinal);

    /// <summary>Ends it and its pods; its directory stays.</summary>
    public Task StopAsync() => DownAsync();

    public async ValueTask DisposeAsync()
    {
        try
        {
            await DownAsync("--purge");
        }
        finally
        {
            if (Directory.Exists(_data))
                Directory.Delete(_data, recursive: true);
        }
    }

    private async Task DownAsync(params string[] more)
    {
        _http?.Dispose();
        _http = null;
        try
        {
            await Commands.RunAsync(binary, ["down", .. more, "--grace", "0", "--data-dir", _data]);
        }
        finally
        {
            if (_up is { HasExited: false })
            {
                using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
                try
                {
                    await _up.WaitForExitAsync(patience.Token);
                }
                catch (OperationCanceledException)
                {
                    _up.Kill();
                }
            }
            _up?.Dispose();
            _up = null;
        }
    }

    /// <summary>How to speak with it as the administrator, whose certificates the kubeconfig has.</summary>
    public SslClientAuthenticationOptions Tls()
    {
        var kubeconfig = File.ReadAllLines(Path.Combine(_data, "kubeconfig"));
        string Pem(string field) => Encoding.ASCII.GetString(Convert.FromBase64String(
            kubeconfig.Select(line => line.Trim()).First(line => line.StartsWith(field + ":", StringComparison.Ordinal)).Split(':')[1].Trim()));

        return new()
        {
            TargetHost = "127.0.0.1",
            ClientCertificates = [X509Certificate2.CreateFromPem(Pem("client-certificate-data"), Pem("client-key-data"))],
            CertificateChainPolicy = new()
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                CustomTrustStore = { X509Certificate2.CreateFromPem(Pem("certificate-authority-data")) },
                RevocationMode = X509RevocationMode.NoCheck,
            },
        };
    }

    private HttpClient CreateClient() =>
        new(new SocketsHttpHandler { UseProxy = false, SslOptions = Tls() }) { BaseAddress = new(Address), Timeout = Timeout.InfiniteTimeSpan };
}
