using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace Minke.Binary;

/// <summary>
/// A network of its own to run the published binary in: nothing in it can reach the world, and what a cluster leaves there is seen.
/// Everything else (mounts, cgroups, processes) is the machine's.
/// </summary>
public sealed class Machine : IAsyncDisposable
{
    /// <summary>Beyond this a command hangs.</summary>
    private static readonly TimeSpan CommandDeadline = TimeSpan.FromSeconds(90);

    private readonly string _name = "minke-binary-" + Guid.NewGuid().ToString("n")[..8];
    private readonly List<Cluster> _clusters = [];

    private Machine() { }

    /// <summary>The binary under test: <c>./test</c> publishes it and says where; without it, the tree's.</summary>
    public static string Binary { get; } = Environment.GetEnvironmentVariable("MINKE_BINARY") ?? Path.Combine(RepositoryRoot(), ".build", "minke");

    public static string RepositoryRoot([CallerFilePath] string thisFile = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(thisFile)!, "..", ".."));

    public static async Task<Machine> CreateAsync()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "containers and networks need root");
        Assert.True(File.Exists(Binary), $"{Binary} is missing: run ./minke version first, or ./test");
        var machine = new Machine();
        await RunHereAsync("ip", "netns", "add", machine._name);
        await RunHereAsync("ip", "-n", machine._name, "link", "set", "lo", "up");
        return machine;
    }

    /// <summary>A cluster in this network, not started yet, with a data directory of its own.</summary>
    public Cluster Cluster(string? data = null)
    {
        var cluster = new Cluster(this, data ?? Directory.CreateTempSubdirectory("minke-data-").FullName);
        _clusters.Add(cluster);
        return cluster;
    }

    /// <summary>Runs a program to its end in this network.</summary>
    public Task<Result> RunAsync(string program, params IEnumerable<string> arguments) => RunAsync(program, arguments, null, null);

    public async Task<Result> RunAsync(
        string program, IEnumerable<string> arguments, string? input, IReadOnlyDictionary<string, string>? environment)
    {
        using var process = Start(program, arguments, environment);
        return await FinishAsync(process, input, $"{program} {string.Join(' ', arguments)}");
    }

    /// <summary>Starts a program in this network. It leads no terminal and reads nothing unless written to.</summary>
    public Process Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        // Not "ip netns exec": that mounts a new /sys, which has no cgroups.
        var start = new ProcessStartInfo("nsenter", [$"--net=/run/netns/{_name}", "--", program, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        start.Environment.Remove("MINKE_DATA_DIR");
        return Process.Start(start)!;
    }

    public static async Task<Result> FinishAsync(Process process, string? input, string what)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(CommandDeadline);
        try
        {
            if (input is not null)
                await process.StandardInput.WriteAsync(input.AsMemory(), deadline.Token);
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
            var errors = process.StandardError.ReadToEndAsync(deadline.Token);
            await process.WaitForExitAsync(deadline.Token);
            return new Result(what, process.ExitCode, await output, await errors);
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException(string.Create(CultureInfo.InvariantCulture, $"{what} did not end within {CommandDeadline.TotalSeconds} s"));
        }
    }

    /// <summary>Names of the links in this network, without loopback.</summary>
    public async Task<string[]> LinksAsync() =>
        [.. (await RunAsync("ip", "-o", "link", "show")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(": ")[1]).Where(name => name != "lo")];

    public async Task<string> TablesAsync() => (await RunAsync("nft", "list", "tables")).Output.Trim();

    public async ValueTask DisposeAsync()
    {
        foreach (var cluster in _clusters)
            await cluster.RemoveAsync();
        await RunHereAsync("ip", "netns", "delete", _name);
    }

    private static async Task RunHereAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        var errors = await process.StandardError.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {errors}");
    }
}

/// <summary>How a command ended.</summary>
public sealed record Result(string What, int ExitCode, string Output, string Errors)
{
    /// <summary>The output of a command that must have succeeded.</summary>
    public string Text => ExitCode == 0 ? Output : throw new InvalidOperationException(ToString());

    public override string ToString() => $"{What}: exit code {ExitCode}\n{Output}\n{Errors}";
}
